"""What does CAM's changed architecture cost? VGG19 with three heads on the same data and budget.

    python -m xaihelpers measure heads [--setting frozen|scratch] [--seeds 3]

writes results/tables/c18_heads.csv, one row per network; a row of these images and weights that
is there is not made again.
Two settings: `frozen` trains heads on the last maps of the shipped VGG19, whose convolutions were
trained under the project's own head; `scratch` trains VGG19's 16 convolutions, a quarter as wide
and with batch norm, together with each head from a random start.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
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
from xaihelpers.networks import recipes, training
from xaihelpers.networks.frozen import frozen_maps
from xaihelpers.setups import checkpoint_path, open_setup
from xaihelpers.study import ResumableTable

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


def frozen_rows() -> Callable[[str, int], dict[str, Any]]:
    """Head and seed -> row of that head, trained on the shipped network's maps."""
    setup = open_setup("fundus", "vgg19")
    trunk, maps, truth = setup.model.get_submodule("features"), {}, {}
    for split in ("train", "test"):
        data = datasets.load("fundus", split, limit=COUNTS[split])
        maps[split], truth[split] = frozen_maps(trunk, datasets.to_tensors(data))

    def make(kind: str, seed: int) -> dict[str, Any]:
        model = seeded_head(kind, seed, 512, 49, 5)
        train_head(model, maps["train"], truth["train"], seed)
        with torch.no_grad():
            logits = torch.cat([model(part.float()) for part in maps["test"].split(64)])
        return _row(kind, seed, model, hits(logits, truth["test"]))

    return make


def scratch_rows() -> Callable[[str, int], dict[str, Any]]:
    """Head and seed -> row of a narrow VGG19 trained from a random start under that head."""
    sets = {
        split: datasets.to_tensors(datasets.load("fundus", split, limit=count))
        for split, count in COUNTS.items()
    }
    side = SCRATCH.final_size // 32
    narrow = [size if isinstance(size, str) else size // 4 for size in cfgs["E"]]

    def make(kind: str, seed: int) -> dict[str, Any]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            features = make_layers(narrow, batch_norm=True)
            top = nn.Sequential(nn.AdaptiveAvgPool2d(side), head(kind, 128, side**2, 5))
        model = nn.Sequential(features, top)
        options = {"recipe": SCRATCH, "num_classes": 5, "seed": seed, "progress": False}
        training.fit(model, sets["train"], sets["val"], **options)  # type: ignore[arg-type]
        logits, labels = _predicted(model, sets["test"])
        return _row(kind, seed, top, hits(logits, labels))

    return make


def _predicted(model: nn.Module, data: datasets.tensors.TensorSamples) -> tuple[Tensor, Tensor]:
    logits, labels = [], []
    for images, truth in DataLoader(data, batch_size=64):
        small = networks.metrics.shrink(images, SCRATCH.final_size)
        logits.append(networks.predict(model, small))
        labels.append(truth)
    return torch.cat(logits), torch.cat(labels)


def _row(kind: str, seed: int, top: nn.Module, right: str) -> dict[str, Any]:
    return {
        "setting": "",
        "head": kind,
        "seed": seed,
        "train_images": COUNTS["train"],
        "test_images": len(right),
        "weights_in_head": sum(p.numel() for p in top.parameters()),
        "accuracy": right.count("1") / len(right),
        "data": "fundus (rendered)",
        "data_version": "",
        "checkpoint": "",
        "torch": torch.__version__,
        "hits": right,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure heads`."""
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="default: both")
    parser.add_argument("--seeds", type=int, default=3, help="trainings per head (default: 3)")


def measure(options: argparse.Namespace) -> None:
    """Make the rows that are missing, saving after each."""
    prepare = {"frozen": frozen_rows, "scratch": scratch_rows}
    for setting in options.setting or SETTINGS:
        ready = cache(prepare[setting])  # only if a row is missing

        def make(keys: list[Any], ready: Callable[[], Any] = ready) -> pd.DataFrame:
            return pd.DataFrame([ready()(*key) for key in keys])

        table = heads_table(setting)
        table.measure([(kind, seed) for seed in range(options.seeds) for kind in HEADS], make)
        for _, row in table.rows().iterrows():
            print(f"{setting} {row['head']} seed {row['seed']}: accuracy {row['accuracy']:.3f}")


def heads_table(setting: str) -> ResumableTable:
    """The rows of a setting, as long as its images and the weights it starts from are the same."""
    return ResumableTable(
        path=files.results_dir() / "tables" / "c18_heads.csv",
        keys=("head", "seed"),
        stamp={"data_version": fundus.VERSION, "checkpoint": _start(setting)},
        scope={"setting": setting},
        order=("setting", "head", "seed"),
    )


def _start(setting: str) -> str:
    """Stamp of the weights that a setting starts from, "-" for random ones."""
    if setting == "scratch":
        return "-"
    card = networks.checkpoints.read_card(checkpoint_path("fundus", "vgg19"))
    return str(card["sha256"])[:12]
