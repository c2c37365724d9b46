"""The game over a data set: heat is scored where the class stands, and a stopped game goes on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from xaihelpers.datasets.records import Record
from xaihelpers.errors import DataError, TargetError
from xaihelpers.metrics.grid_pointing import Grid, deal
from xaihelpers.study import grid_game
from xaihelpers.study.grid_game import play, play_folder, ranks

COLOURS = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0]], np.uint8)
NAMES = ("red", "green", "blue", "yellow")


class Colours:
    """Four plain pictures, one of each class."""

    labels = np.arange(4)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Record:
        return Record(np.broadcast_to(COLOURS[i], (8, 8, 3)).copy(), i)


def prepare(images: Tensor) -> Tensor:
    return images.float() / 200


@pytest.fixture
def network() -> nn.Module:
    """One channel per colour, then GAP and an identity head: heat stands exactly on the colour."""
    features = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        features.weight.copy_(
            torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]])[..., None, None]
        )
        features.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -1.0]))
    head = nn.Linear(4, 4, bias=False)
    nn.init.eye_(head.weight)
    return nn.Sequential(features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


GRIDS = [Grid((0, 1, 2, 3), (0, 3)), Grid((3, 2, 1, 0), (1, 2))]


def test_all_heat_lies_on_the_picture_of_the_asked_class(network: nn.Module) -> None:
    rows = play(network, Colours(), GRIDS, ["1"], ["grad_cam", "hires_cam"], prepare)
    assert rows["share"].tolist() == [1.0] * 8
    assert rows["target"].tolist() == [0, 3, 2, 1] * 2
    assert rows["cell"].tolist() == [0, 3, 1, 2] * 2


def test_an_empty_map_is_kept_as_nan(network: nn.Module) -> None:
    with torch.no_grad():
        network[4].weight.neg_()
    rows = play(network, Colours(), GRIDS, ["1"], ["grad_cam"], prepare)
    assert rows["share"].isna().all()


def test_the_rank_of_the_own_class_is_zero_where_it_is_predicted(network: nn.Module) -> None:
    probabilities, places = ranks(network, Colours(), prepare)
    assert places.tolist() == [0, 0, 0, 0]
    with torch.no_grad():
        network[4].weight[1] = -1.0
    assert ranks(network, Colours(), prepare)[1].tolist() == [0, 3, 0, 0]
    assert probabilities[0] == pytest.approx(torch.tensor([1.0, 0, 0, 0]).softmax(0)[0].item())


def test_a_stopped_game_goes_on_and_ends_with_the_same_rows(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_game, "AT_ONCE", 2)
    grids, keep = deal(range(4), 2, 6), tmp_path / "rows"
    whole = play(network, Colours(), grids, ["1"], ["grad_cam", "layer_cam"], prepare)
    scored, turns = grid_game._scored, []

    def stops(*arguments: object) -> pd.DataFrame:
        turns.append(1)
        if len(turns) == 3:
            raise KeyboardInterrupt
        return scored(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(grid_game, "_scored", stops)
    game = (network, Colours(), grids, ["1"], ["grad_cam", "layer_cam"], prepare, keep)
    with pytest.raises(KeyboardInterrupt):
        play(*game)
    assert len(list(keep.iterdir())) == 2
    resumed = play(*game)
    assert len(turns) == 4  # the last batch alone
    pd.testing.assert_frame_equal(resumed, whole)
    pd.testing.assert_frame_equal(play(*game), whole)
    assert len(turns) == 4


def folder_of(root: Path, names: tuple[str, ...]) -> Path:
    for colour, name in zip(COLOURS, names, strict=True):
        (root / name).mkdir()
        for number in range(2):
            pixels = np.broadcast_to(colour, (9, 12, 3)).copy()
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    (root / "read me.txt").write_text("not a picture")
    return root


def test_one_call_plays_over_a_folder_with_class_names(network: nn.Module, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, NAMES)
    table = play_folder(network, folder, ["1"], classes=NAMES, prepare=prepare, grids=5, size=8)
    (row,) = table.to_dict("records")
    assert (row["n"], row["questions"], row["mean"], row["empty"]) == (5, 10, 1.0, 0)


def test_a_folder_named_like_no_class_suggests_one(network: nn.Module, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("red", "green", "blue", "yelow"))
    with pytest.raises(TargetError, match="'yellow'"):
        play_folder(network, folder, ["1"], classes=NAMES, prepare=prepare)


def test_a_folder_without_pictures_is_refused(network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        play_folder(network, tmp_path, ["1"], classes=NAMES, prepare=prepare)
    with pytest.raises(DataError, match="not a folder"):
        play_folder(network, tmp_path / "absent", ["1"], classes=NAMES, prepare=prepare)
