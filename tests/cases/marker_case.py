"""A table of the marker experiment, worked out by hand."""

import pandas as pd

from xaihelpers.experiments.marker.claims import PAIRS

PATIENTS = 30


def marker_table(follows_text: bool = True) -> pd.DataFrame:
    """Linked answers by the text and looks there; balanced is always right and looks elsewhere."""
    parts = []
    for scheme in ("as trained", "swapped"):
        for network in ("linked", "balanced"):
            rows = pd.DataFrame({"index": range(PATIENTS)})
            rows["label"] = rows["index"] % 3
            text = (rows["label"] == 2) == (scheme == "as trained")
            fooled = text.map({True: 2, False: 0}) if follows_text else rows["label"]
            linked = network == "linked"
            rows["predicted"] = fooled if linked else rows["label"]
            rows["marker_area"] = 0.01
            rows["marker_covid"] = 0.08 if linked else 0.01
            rows["marker_answer"] = 0.08 if linked else 0.01
            rows["marker_label"] = 0.02
            rows["finding_label"] = 0.1 if linked else 0.2
            parts.append(rows.assign(network=network, scheme=scheme))
    table = pd.concat(parts, ignore_index=True)
    return pd.concat([table.assign(arch=arch) for arch in PAIRS], ignore_index=True)
