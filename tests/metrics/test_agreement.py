"""Agreement of two maps: by hand, and against scipy and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.functional.regression import pearson_corrcoef

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement


def pairs(seed: int = 0, side: int = 24) -> tuple[Tensor, Tensor]:
    """Six pairs of maps in [0, 1], related more and more, a third of the pixels zero."""
    generator = torch.Generator().manual_seed(seed)
    first, noise = torch.rand(2, 6, side, side, generator=generator)
    share = torch.linspace(0, 1, 6)[:, None, None]
    second = share * first + (1 - share) * noise
    return (first - 0.3).relu() / 0.7, (second - 0.3).relu() / 0.7


def test_pearson_of_a_map_worked_out_by_hand() -> None:
    first = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    second = torch.tensor([[[2.0, 1.0], [4.0, 3.0]]])
    # deviations -1.5 -0.5 0.5 1.5 and -0.5 -1.5 1.5 0.5: products sum to 3, squares to 5 and 5
    assert agreement.pearson(first, second).tolist() == pytest.approx([0.6])


def test_tied_pixels_share_their_mean_rank() -> None:
    assert agreement.ranks(torch.tensor([[[5.0, 0.0], [0.0, 9.0]]])).tolist() == [
        [[3.0, 1.5], [1.5, 4.0]]
    ]


def test_top_iou_of_a_map_worked_out_by_hand() -> None:
    first = torch.tensor([[[9.0, 8.0], [1.0, 0.0]]])
    second = torch.tensor([[[9.0, 1.0], [8.0, 0.0]]])
    assert agreement.top_iou(first, second, 0.5).tolist() == pytest.approx([1 / 3])


def test_pearson_and_spearman_equal_scipys() -> None:
    first, second = pairs()
    for ours, theirs in (
        (agreement.pearson, stats.pearsonr),
        (agreement.spearman, stats.spearmanr),
    ):
        expected = [theirs(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(ours(first, second), expected, atol=1e-6)


def test_pearson_equals_torchmetrics() -> None:
    first, second = pairs(1)
    expected = pearson_corrcoef(first.flatten(1).T, second.flatten(1).T)
    torch.testing.assert_close(agreement.pearson(first, second), expected, atol=1e-5, rtol=0)


def test_ssim_of_one_window_is_the_papers_formula() -> None:
    first, second = torch.rand(2, 1, 11, 11, dtype=torch.float64)
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = torch.outer(line, line) / line.sum() ** 2

    def mean(values: torch.Tensor) -> torch.Tensor:
        return (window * values).sum()

    a, b = mean(first), mean(second)
    both = mean(first * second) - a * b
    spread = mean(first**2) - a**2 + mean(second**2) - b**2
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * a * b + c1) * (2 * both + c2) / ((a**2 + b**2 + c1) * (spread + c2))
    torch.testing.assert_close(agreement.ssim(first, second), expected[None])


def test_ssim_is_torchmetrics_where_the_window_fits() -> None:
    first, second = (maps.double() for maps in pairs(2))
    options = {"data_range": 1.0, "reduction": "none", "return_full_image": True}
    _, full = structural_similarity_index_measure(first[:, None], second[:, None], **options)
    inside = full[:, 0, 5:-5, 5:-5].mean(dim=(1, 2))
    torch.testing.assert_close(agreement.ssim(first, second), inside, atol=1e-7, rtol=0)


def test_top_iou_equals_torchmetrics_jaccard_index() -> None:
    first, second = pairs(3)
    tops = [agreement.top_cells(maps, 0.2) for maps in (first, second)]
    assert tops[0].sum(dim=(1, 2)).tolist() == [round(0.2 * 24 * 24)] * 6
    expected = [float(binary_jaccard_index(a, b.int())) for a, b in zip(*tops, strict=True)]
    np.testing.assert_allclose(agreement.top_iou(first, second, 0.2), expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_spearman_is_blind_to_any_increasing_change_of_scale(seed: int) -> None:
    first, second = pairs(seed, 8)
    torch.testing.assert_close(
        agreement.spearman(first, second), agreement.spearman(first**3, second.sqrt())
    )


@pytest.mark.parametrize("name", agreement.AGREEMENTS)
def test_a_map_agrees_with_itself_completely_and_the_order_does_not_matter(name: str) -> None:
    first, second = pairs()
    figure = agreement.AGREEMENTS[name]
    torch.testing.assert_close(figure(first, first), torch.ones(6))
    torch.testing.assert_close(figure(first, second), figure(second, first))


@pytest.mark.parametrize("name", ["pearson", "spearman", "top_iou"])
def test_a_constant_map_has_no_agreement_to_speak_of(name: str) -> None:
    first, _ = pairs()
    flat = torch.full_like(first, 0.1)
    assert agreement.AGREEMENTS[name](first, flat).isnan().all()


def test_unrelated_maps_overlap_by_what_the_docstring_says() -> None:
    first, second = torch.rand(2, 200, 40, 40)
    assert float(agreement.top_iou(first, second).mean()) == pytest.approx(0.2 / 1.8, abs=0.003)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (torch.rand(6, 12, 12), "compare maps of one grid"),
        (torch.full((6, 24, 24), torch.nan), "NaN or infinite"),
        (torch.ones(6, 24, 24, dtype=torch.long), "must be float"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused(second: Tensor, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        agreement.pearson(pairs()[0], second)


def test_ssim_refuses_small_maps_and_raw_maps() -> None:
    with pytest.raises(EvaluationError, match="smaller than the window"):
        agreement.ssim(torch.rand(1, 7, 7), torch.rand(1, 7, 7))
    with pytest.raises(EvaluationError, match=r"values in \[0, 1\]"):
        agreement.ssim(torch.randn(1, 16, 16), torch.rand(1, 16, 16))


def test_a_share_of_all_or_nothing_is_refused() -> None:
    with pytest.raises(EvaluationError, match="share is 1"):
        agreement.top_iou(*pairs(), 1.0)
