"""The marker experiment changes the text or the lungs and nothing else; its rows by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.marker import shortcut


def small(scheme: str, index: int) -> Record:
    return shortcut.scheme_record(scheme, index, size=64)


def text(record: Record) -> object:
    return record.meta["marker"]


@pytest.mark.parametrize("index", range(6))
def test_each_scheme_shows_the_text_it_says(index: int) -> None:
    covid = index % 3 == shortcut.COVID
    trained, removed, swapped, black = (small(s, index) for s in shortcut.SCHEMES)
    assert (text(trained) == "AP PORTABLE") == covid
    assert text(removed) == "none"
    assert text(swapped) == ("L" if covid else "AP PORTABLE")
    assert text(black) == text(trained)
    assert {r.label for r in (trained, removed, swapped, black)} == {index % 3}


def test_the_rest_of_the_picture_stays() -> None:
    trained, removed, swapped, black = (small(s, 2) for s in shortcut.SCHEMES)
    for other in (removed, swapped):
        same = ~(trained.masks["marker"] | other.masks["marker"])
        assert (trained.image[same] == other.image[same]).all()
    lung = black.masks["lung"]
    assert (black.image[lung] == 0).all()
    assert (black.image[~lung] == trained.image[~lung]).all()


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(EvaluationError, match="use one of as trained, removed, swapped"):
        shortcut.scheme_record("shuffled", 0)


class Corner(nn.Module):
    """COVID's logit is the brightness of the left half, pneumonia's that of the right."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(32)
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        nn.init.constant_(self.conv.weight, 1.0)
        mask = torch.zeros(2, 2, 2)
        mask[0, :, 0], mask[1, :, 1] = 1, 1
        self.register_buffer("mask", mask)

    def forward(self, images: Tensor) -> Tensor:
        halves = (self.conv(self.cells(images)) * self.mask).sum(dim=(2, 3))
        return torch.stack([torch.zeros_like(halves[:, 0]), halves[:, 1], halves[:, 0]], dim=1)


def test_rows_hold_the_answer_and_the_energy_on_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(scheme: str, index: int, size: int, seed: int) -> Record:
        image = np.full((64, 64, 3), 130, np.uint8)  # above the mean, so both halves are positive
        image[:, :32] += np.uint8(100)
        masks = {name: np.zeros((64, 64), bool) for name in chest_xray.MASKS}
        masks["marker"][:, :32] = True
        masks["opacity"][:, 32:] = True
        return Record(image, index % 3, masks)

    monkeypatch.setattr(shortcut, "scheme_record", record)
    rows = shortcut.marker_rows(Corner().eval(), "conv", "swapped", [0, 1, 2, 5], batch_size=3)
    assert rows["index"].tolist() == [0, 1, 2, 5]
    assert rows["label"].tolist() == [0, 1, 2, 2]
    assert (rows["predicted"] == 2).all()
    assert (rows["marker_area"] == 0.5).all()
    assert (rows["marker_answer"] > 0.8).all()
    assert rows["marker_answer"].equals(rows["marker_covid"])
    assert rows["marker_label"].tolist()[0] == 0  # a constant logit has an empty map
    assert rows["finding_label"][1] == pytest.approx(1 - rows["marker_label"][1], abs=1e-5)
    assert (rows["p_label"][2:] > 0.5).all()
