"""What the explorer shows, to keep: a figure, and a table with one row per method."""

from __future__ import annotations

import io

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xaihelpers.show.explorer.entries import Entry
from xaihelpers.show.explorer.workbench import Frame
from xaihelpers.show.style import method_title, new_figure


def table(frame: Frame, entry: Entry) -> pd.DataFrame:
    """One row per method, with everything needed to make it again."""
    selection, sample = frame.selection, frame.sample
    common = {
        "image": sample.title,
        "origin": sample.origin,
        "truth": sample.truth,
        "network": entry.key,
        "sha256": entry.sha256,
        "layer": entry.layers[selection.layer],
        "target": frame.target,
        "class": entry.classes[selection.first],
        "probability": round(frame.probabilities[selection.first], 6),
    }
    rows = []
    for score in frame.scores:
        x0, y0, x1, y1 = score.box
        rows.append(
            common
            | {"method": score.method, "empty": score.empty, "measured_against": frame.against}
            | {"energy_in_mask": score.energy, "pointing_hit": score.hit}
            | {"threshold": selection.fraction, "x0": x0, "y0": y0, "x1": x1, "y1": y1}
            | {"box_iou": score.box_iou}
        )
    return pd.DataFrame(rows)


def figure(frame: Frame, entry: Entry) -> Figure:
    """The image and the panels side by side, with legend and the data's origin."""
    sample, columns = frame.sample, 1 + len(frame.panels)
    made, axes = new_figure(1, columns, (2.1, 2.75))
    truth = f"truth: {sample.truth}" if sample.truth else sample.title
    titles = [truth, *(_panel_title(score.method, score.empty) for score in frame.scores)]
    for ax, title, picture in zip(
        axes[0], titles, [frame.plain, *frame.panels.values()], strict=True
    ):
        ax.imshow(picture)
        ax.set_title(title)
        ax.set_axis_off()
    origin = "rendered, no patient" if sample.origin == "rendered" else sample.origin
    made.suptitle(
        f"{frame.target} · {entry.title} · layer {entry.layers[frame.selection.layer]}\n"
        f"{sample.title} ({origin})",
        fontsize=9,
    )
    entries = [
        Line2D([], [], color=f"#{bytes(colour).hex()}", label=name.replace("_", " "))
        for name, colour, _ in frame.lines
    ]
    if entries:
        made.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), columns))
    return made


def _panel_title(method: str, empty: bool) -> str:
    return f"{method_title(method)}\nno positive evidence" if empty else method_title(method)


def files(frame: Frame, entry: Entry) -> dict[str, tuple[str, bytes]]:
    """File name -> (media type, content) of the picture as PNG and the table as CSV."""
    stem = f"{entry.key}_{frame.selection.layer}_{frame.selection.kind}{frame.selection.first}"
    buffer = io.BytesIO()
    figure(frame, entry).savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    text = table(frame, entry).to_csv(index=False)
    return {
        f"{stem}.png": ("image/png", buffer.getvalue()),
        f"{stem}.csv": ("text/csv", text.encode()),
    }
