"""What does CAM's changed architecture cost? VGG19 with three heads on the same data and budget.

    python -m xaihelpers.experiments.heads.measure [--setting frozen|scratch] [--seeds 3]

writes results/tables/c18_heads.csv, one row per network; a row of these images and weights that
is there is not made again.
Two settings: `frozen` trains heads on the last maps of the shipped VGG19, whose convolutions were
trained under the project's own head; `scratch` trains VGG19's 16 convolutions, a quarter as wide
and with batch norm, together with each head from a random start.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from torchvision.models.vgg import cfgs, make_layers

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.rendered import fundus
from xaihelpers.files import save_table
from xaihelpers.networks import recipes, training
from xaihelpers.networks.frozen import frozen_maps
from xaihelpers.setups import checkpoint_path, open_setup

#: Head -> what it is. The first is what CAM needs, the last what VGG19 was published with.
HEADS: dict[str, str] = {
    "gap_linear": "average pooling, one linear layer",
    "project": "average pooling, linear, ELU, dropout 0.3, linear",
    "fully_connected": "flattened, two hidden layers with ReLU and dropout 0.5, linear",
}
SETTINGS = ("frozen", "scratch")
HIDDEN = 512  # width of the fully connected layers; 4096 in the published network
COUNTS = {"train": 600, "val": 200, "test": 300}
EPOCHS, LR, BATCH = 20, 1e-3, 32  # of the heads on frozen maps
SCRATCH = recipes.Recipe(
    cycles=(recipes.Cycle(2e-3, (96, 96, 96, 96, 128, 128, 128, 128)),),
    batch_size=24,
    low_precision=True,
    patience=None,
    augmentation=recipes.Augmentation(vertical_flip=0.5),
)


def head(kind: str, channels: int, cells: int, classes: int, hidden: int = HIDDEN) -> nn.Module:
    """A head of `HEADS` on maps (N, channels, H, W) with H W = cells -> logits (N, classes)."""
    pooled: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    half = channels // 2
    if kind == "gap_linear":
        return nn.Sequential(*pooled, nn.Linear(channels, classes))
    if kind == "project":
        return nn.Sequential(
            *pooled, nn.Linear(channels, half), nn.ELU(), nn.Dropout(0.3), nn.Linear(half, classes)
        )
    if kind == "fully_connected":
        first = [nn.Flatten(), nn.Linear(channels * cells, hidden), nn.ReLU(), nn.Dropout(0.5)]
        second = [nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*first, *second, nn.Linear(hidden, classes))
    raise ValueError(f"no head is called {kind!r}; there are {', '.join(HEADS)}")


def seeded_head(kind: str, seed: int, *shape: int) -> nn.Module:
    """`head` with a random start that depends on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return head(kind, *shape)


def train_head(
    model: nn.Module, maps: Tensor, labels: Tensor, seed: int, epochs: int = EPOCHS
) -> nn.Module:
    """Fit a head in place to fixed maps (N, K, H, W) of any float type; evaluation mode after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.05)
        steps = epochs * -(-len(maps) // BATCH)
        schedule = OneCycleLR(optimizer, LR, total_steps=steps + 1)
        model.train()
        for _ in range(epochs):
            for part in torch.randperm(len(maps)).split(BATCH):
                loss = F.cross_entropy(
                    model(maps[part].float()), labels[part], label_smoothing=0.05
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return model.eval()


@torch.no_grad()
def hits(logits: Tensor, labels: Tensor) -> str:
    """Right or wrong for every image, as a text of ones and zeros that a table can hold."""
    return "".join("1" if right else "0" for right in logits.argmax(dim=1) == labels)


def frozen_rows(seeds: Sequence[int], done: set[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    """Heads on the shipped network's maps, one row each."""
    jobs = [(kind, seed) for seed in seeds for kind in HEADS if ("frozen", kind, seed) not in done]
    if not jobs:
        return
    study = open_setup("fundus", "vgg19")
    trunk, maps, truth = study.model.get_submodule("features"), {}, {}
    for split in ("train", "test"):
        data = datasets.load("fundus", split, limit=COUNTS[split])
        maps[split], truth[split] = frozen_maps(trunk, datasets.to_tensors(data))
    for kind, seed in jobs:
        model = seeded_head(kind, seed, 512, 49, 5)
        train_head(model, maps["train"], truth["train"], seed)
        with torch.no_grad():
            logits = torch.cat([model(part.float()) for part in maps["test"].split(64)])
        yield _row("frozen", kind, seed, model, hits(logits, truth["test"]), study.card["sha256"])


def scratch_rows(seeds: Sequence[int], done: set[tuple[str, str, int]]) -> Iterator[dict[str, Any]]:
    """Narrow VGG19s trained from a random start under each head, one row each."""
    sets = {
        split: datasets.to_tensors(datasets.load("fundus", split, limit=count))
        for split, count in COUNTS.items()
    }
    side = SCRATCH.final_size // 32
    narrow = [size if isinstance(size, str) else size // 4 for size in cfgs["E"]]
    for seed in seeds:
        for kind in HEADS:
            if ("scratch", kind, seed) in done:
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                features = make_layers(narrow, batch_norm=True)
                top = nn.Sequential(nn.AdaptiveAvgPool2d(side), head(kind, 128, side**2, 5))
            model = nn.Sequential(features, top)
            options = {"recipe": SCRATCH, "num_classes": 5, "seed": seed, "progress": False}
            training.fit(model, sets["train"], sets["val"], **options)  # type: ignore[arg-type]
            logits, labels = _predicted(model, sets["test"])
            yield _row("scratch", kind, seed, top, hits(logits, labels), "-")


def _predicted(model: nn.Module, data: datasets.tensors.TensorSamples) -> tuple[Tensor, Tensor]:
    logits, labels = [], []
    for images, truth in DataLoader(data, batch_size=64):
        small = networks.metrics.shrink(images, SCRATCH.final_size)
        logits.append(networks.predict(model, small))
        labels.append(truth)
    return torch.cat(logits), torch.cat(labels)


def _row(
    setting: str, kind: str, seed: int, top: nn.Module, right: str, start: str
) -> dict[str, Any]:
    return {
        "setting": setting,
        "head": kind,
        "seed": seed,
        "train_images": COUNTS["train"],
        "test_images": len(right),
        "weights_in_head": sum(p.numel() for p in top.parameters()),
        "accuracy": right.count("1") / len(right),
        "data": "fundus (rendered)",
        "data_version": fundus.VERSION,
        "checkpoint": start[:12],
        "torch": torch.__version__,
        "hits": right,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows that are missing, saving after each; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m xaihelpers.experiments.heads.measure")
    parser.add_argument("--setting", choices=SETTINGS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    path = files.results_dir() / "tables" / "c18_heads.csv"
    for setting in chosen.setting or SETTINGS:
        make = {"frozen": frozen_rows, "scratch": scratch_rows}[setting]
        done = {(row["setting"], row["head"], row["seed"]) for row in _kept(path, setting)}
        for row in make(range(chosen.seeds), done):
            table = pd.DataFrame([*_kept(path, setting), row])
            save_table(table.sort_values(["setting", "head", "seed"]), path)
            print(f"{setting} {row['head']} seed {row['seed']}: accuracy {row['accuracy']:.3f}")
    return 0


def _kept(path: Path, setting: str) -> list[dict[Any, Any]]:
    """The rows of a table, without those of a setting that rest on other images or weights."""
    if not path.exists():
        return []
    rows = pd.read_csv(path, dtype={"hits": str, "checkpoint": str}).to_dict("records")
    now = (fundus.VERSION, _start(setting))
    return [
        row
        for row in rows
        if row["setting"] != setting or (row["data_version"], row["checkpoint"]) == now
    ]


def _start(setting: str) -> str:
    """Stamp of the weights that a setting starts from, "-" for random ones."""
    if setting == "scratch":
        return "-"
    card = networks.checkpoints.read_card(checkpoint_path("fundus", "vgg19"))
    return str(card["sha256"])[:12]


if __name__ == "__main__":
    raise SystemExit(main())
