"""How well accelerated maps agree with the original's on the trained networks.

`python -m benchmarks.agreement`: the least correlation over test images, per network, layer,
method and number type. A network's option is on where every method reaches `fast.AGREEMENT`.
"""

from __future__ import annotations

import argparse

import pandas as pd
import torch

from xaihelpers import datasets, networks
from xaihelpers.cams.engine.accelerate import AGREEMENT, accelerate, agreement
from xaihelpers.files import results_dir, save_table

TRAINED = (("fundus", "vgg19"), ("fundus", "efficientnet_b0"), ("chest_xray", "densenet121"))
ROLES = ("last", "stage4")
IMAGES = 32
DTYPES = (torch.float32, torch.bfloat16)


def measure(study: str, arch: str, count: int) -> list[dict[str, object]]:
    """One row per layer, method and number type of one trained network."""
    model, _ = networks.load_shipped(study, arch)
    data = datasets.load(study, split="test")
    pictures = torch.stack([torch.as_tensor(data[index].image) for index in range(count)])
    images = networks.normalize(pictures.movedim(-1, 1))
    roles = {networks.LAYERS[arch][role]: role for role in ROLES}
    rows: list[dict[str, object]] = []
    for dtype in DTYPES:
        fast = accelerate(model, list(roles), dtype, images, ())
        for (layer, method), least in agreement(model, fast, images, list(roles)).items():
            row: dict[str, object] = {"study": study, "network": arch, "layer": layer}
            row |= {"role": roles[layer], "numbers": str(dtype).removeprefix("torch.")}
            row |= {"method": method, "images": count}
            rows.append(row | {"least correlation": round(least, 5), "on": least >= AGREEMENT})
    return rows


def main() -> None:
    """Measure; write `results/tables/benchmark_agreement.csv` unless images are fewer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    options = parser.parse_args()
    table = pd.DataFrame([row for pair in TRAINED for row in measure(*pair, options.images)])
    print(table.to_string(index=False))
    if options.images >= IMAGES:
        save_table(table, results_dir() / "tables" / "benchmark_agreement.csv")
    else:
        print(f"no file is written: the shipped table takes {IMAGES} images")


if __name__ == "__main__":
    main()
