"""Tables of the pages, made from results/tables: `python docs/tables.py` writes them anew.

A block of a page between `<!-- table: NAME -->` and `<!-- end -->` belongs to the function NAME of
`BLOCKS`. A test holds every page to its tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from xaihelpers.claims.verdicts import VERDICTS
from xaihelpers.experiments import CLAIMS

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "results" / "tables"
NOTEBOOKS = ROOT / "notebooks"
PAGES = ("README.md", "docs/method_cards.md", "docs/which_layer.md")
BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
METHODS = {
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "xgrad_cam": "XGrad-CAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
}
PARTS = {
    "begin": (("00",), "draw a heat map, read it, score it against an exact mask"),
    "what is underneath": (
        ("01", "02", "03"),
        "read activations and gradients from any network, and adapt one",
    ),
    "the methods": (
        ("04", "05", "06", "07", "08", "09", "10"),
        "derive, write and test each one without this package",
    ),
    "the evidence": (
        ("11", "12", "13"),
        "say with a number and an interval whether a map is right",
    ),
    "the cases": (("14", "15", "16"), "rerun them on your own data"),
    "by hand": (
        ("17",),
        "click through pictures, networks, layers and classes (`make app` opens it as a page)",
    ),
}
COSTS = (
    "ours, one method",
    "ours, three methods",
    "ours, five methods",
    "ours, 5 classes x three",
    "ours, five methods at stage2",
    "ours, five methods, accelerated float32",
    "ours, five methods, accelerated bfloat16",
    "ours, guided",
    "captum, one method",
    "captum, one method, frozen",
    "captum, guided",
    "torchcam, three methods",
    "grad-cam, three methods",
)


def markdown(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown, its first column to the left, the others to the right."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *([str(x) for x in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def load(name: str) -> pd.DataFrame:
    """A table of results; empty where it has not been measured."""
    path = TABLES / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def costs() -> str:
    """Time over that of a bare forward pass, eight images, per contestant and network."""
    times = load("benchmark")
    if times.empty:
        return "Not measured yet: `make bench`."
    times = times[times["batch"] == 8]
    ratio = times.set_index(["contestant", "network"])["ratio"]
    networks = list(times["network"].unique())

    def cell(name: str, network: str) -> str:
        return f"{ratio[name, network]:.2f}" if (name, network) in ratio.index else "-"

    rows = [[name, *(cell(name, network) for network in networks)] for name in COSTS]
    return markdown(["time / forward pass, 8 images", *networks], rows)


def speed() -> str:
    """Three lines: this package and its peers, as a multiple of a bare forward pass."""
    times = load("benchmark")
    if times.empty:
        return "Not measured yet: `make bench`."
    times = times[times["batch"] == 8]

    def span(contestant: str) -> str:
        ratios = times.loc[times["contestant"] == contestant, "ratio"]
        return f"{ratios.min():.2f} to {ratios.max():.2f}"

    rows = [
        ["this package", "five at the last layer", span("ours, five methods")],
        ["TorchCAM", "three at the last layer", span("torchcam, three methods")],
        ["grad-cam", "three at the last layer", span("grad-cam, three methods")],
    ]
    return markdown(["package", "methods", "time / bare forward pass"], rows)


def pointing() -> str:
    """Grid pointing on real photographs: layers by methods, mean with its interval."""
    table = load("photographs_grid_pointing")
    if table.empty:
        return "Not measured yet: `python -m xaihelpers measure photographs`."
    methods = list(table["method"].unique())
    rows = []
    for layer, part in table.groupby("layer", sort=False):
        figures = part.set_index("method")
        sign = "signed" if bool(part["signed"].iloc[0]) else "after ReLU6"
        half = (figures["high"] - figures["low"]) / 2
        cells = [f"{figures.at[m, 'mean']:.2f} ± {half[m]:.2f}" for m in methods]
        rows.append([f"`{layer}` ({sign})", *cells])
    return markdown(["layer", *(METHODS.get(m, m) for m in methods)], rows)


def goals() -> str:
    """Every goal of speed: figures per network, and at how many of them it is met."""
    table = load("benchmark_goals")
    if table.empty:
        return "Not measured yet: `make bench`."
    networks = list(table["network"].unique())
    rows = []
    groups = table.groupby(["goal", "measured against", "batch"], sort=False)
    for (goal, against, batch), part in groups:
        found = part.set_index("network")
        figures = [
            f"{found.loc[n, 'figure']:.2f}{'' if found.loc[n, 'met'] else ' ✗'}"
            if n in found.index
            else "-"
            for n in networks
        ]
        wanted = " / ".join(dict.fromkeys(found["wanted"]))
        rows.append([goal, against, batch, wanted, *figures])
    return markdown(["goal", "measured against", "batch", "wanted", *networks], rows)


def memory() -> str:
    """Extra peak memory over the forward pass's own, per contestant and network."""
    table = load("benchmark_memory")
    if table.empty:
        return "Not measured yet: `python -m benchmarks.memory`."
    table = table[table["contestant"] != "forward pass"]
    networks = list(table["network"].unique())
    ratio = table.set_index(["contestant", "batch", "network"])["ratio"]
    rows = [
        [name, batch, *(f"{ratio[name, batch, network]:.2f}" for network in networks)]
        for name, batch in table[["contestant", "batch"]].drop_duplicates().itertuples(index=False)
    ]
    return markdown(["extra peak memory / forward pass's", "batch", *networks], rows)


def agreement() -> str:
    """Least correlation of bfloat16 maps with float32 ones, per trained network and layer."""
    table = load("benchmark_agreement")
    if table.empty:
        return "Not measured yet: `python -m benchmarks.agreement`."
    table = table[table["numbers"] == "bfloat16"]
    value = table.set_index(["network", "role", "method"])["least correlation"]
    places = table[["network", "role"]].drop_duplicates().itertuples(index=False)
    rows = [
        [f"{network}, {role}", *(f"{value[network, role, name]:.4f}" for name in METHODS)]
        for network, role in places
    ]
    return markdown(["bfloat16 against float32", *METHODS.values()], rows)


def layers(network: str) -> Callable[[], str]:
    """The layers of one network: grid, signs, and the lift of every method."""

    def made() -> str:
        table = load("which_layer")
        if table.empty:
            return "Not measured yet: `python -m xaihelpers measure layers`."
        table = table[(table["network"] == network) & (table["role"] != "-")]
        rows = []
        for role, part in table.groupby("role", sort=False):
            first, lift = part.iloc[0], part.set_index("method")["lift"]
            place = [f"`{first['module']}`", first["grid"], f"{first['negative cells']:.2f}"]
            place += [f"{first['flipped weights']:.2f}"]
            rows.append([role, *place, *(lift[name].split()[0] for name in METHODS)])
        head = ["role", "module", "grid", "negative cells", "turned weights", *METHODS.values()]
        return markdown(head, rows)

    return made


def near(network: str) -> Callable[[], str]:
    """The layers of one network: how often the peak is on the finding or within 15 px of it."""

    def made() -> str:
        table = load("which_layer")
        if table.empty:
            return "Not measured yet: `python -m xaihelpers measure layers`."
        table = table[table["network"] == network]
        rows = [
            [role, *(part.set_index("method")["near"].get(name, "-") for name in METHODS)]
            for role, part in table[table["role"] != "-"].groupby("role", sort=False)
        ]
        return markdown(["role", *METHODS.values()], rows)

    return made


def priors() -> str:
    """The maps that know nothing of the network, per study."""
    table = load("which_layer")
    if table.empty:
        return "Not measured yet: `python -m xaihelpers measure layers`."
    table = table[table["role"] == "-"].drop_duplicates(["study", "method"])
    names = {"centre_gaussian": "a blob in the middle", "edges": "the edges of the image"}
    rows = [
        [f"{names[row['method']]}, {row['study']}", row["energy"], row["lift"], row["near"]]
        for _, row in table.iterrows()
    ]
    return markdown(["map", "energy in the finding", "lift", "peak within 15 px"], rows)


def chapters() -> str:
    """The chapters by part, with the time that each says of itself."""
    rows = []
    for part, (numbers, afterwards) in PARTS.items():
        found = [path for n in numbers for path in NOTEBOOKS.glob(f"{n}_*.ipynb")]
        rows.append(f"| {part} | {', '.join(map(_chapter, found))} | {afterwards} |")
    return "\n".join(["| | chapters | what you can do afterwards |", "|---|---|---|", *rows])


def _chapter(path: Path) -> str:
    opening = "".join(json.loads(path.read_text())["cells"][0]["source"])
    title, time = re.search(r"# \d\d · ([^:\n]+)", opening), re.search(r"about (\d+ s)", opening)
    assert title, path
    assert time, path
    return f"[{path.stem[:2]} {title[1]}](notebooks/{path.name}) ({time[1]})"


def verdicts() -> str:
    """What became of the claims on rendered images, by verdict."""
    path = TABLES.parent / "claims.json"
    if not path.exists():
        return "Not measured yet: `make reproduce`."
    records = json.loads(path.read_text())
    said = {name: records.get(f"{name}/rendered", {}).get("verdict") for name in CLAIMS}
    lines = ["| verdict | claims |", "|---|---|"]
    for verdict in (*VERDICTS, None):
        which = [f"{c.id}: {c.statement}" for c in CLAIMS.values() if said[c.id] == verdict]
        if which:
            name = f"**{verdict or 'not yet settled'}** ({len(which)})"
            lines.append(f"| {name} | {'<br>'.join(which)} |")
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "chapters": chapters,
    "verdicts": verdicts,
    "costs": costs,
    "speed": speed,
    "pointing": pointing,
    "goals": goals,
    "memory": memory,
    "agreement": agreement,
    "priors": priors,
    **{f"layers_{name}": layers(name) for name in ("efficientnet_b0", "vgg19", "densenet121")},
    **{f"near_{name}": near(name) for name in ("efficientnet_b0", "vgg19", "densenet121")},
}


def filled(text: str) -> str:
    """A page with every block made anew.

    Raises:
        KeyError: a block has no function in `BLOCKS`.
    """
    return BLOCK.sub(
        lambda found: f"<!-- table: {found[1]} -->\n{BLOCKS[found[1]]()}\n<!-- end -->", text
    )


def main() -> None:
    """Write the tables of all pages."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
