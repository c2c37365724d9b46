"""Scores of a batch of maps, by hand and against the metrics that they are made of."""

import pytest
import torch
from torch import Tensor

from xaihelpers import metrics
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, corners
from xaihelpers.study import SCORES, Case, LayerTensors, MapScorer


def score(name: str, heat: Tensor, case: Case) -> Tensor:
    return MapScorer((name,)).scores(case, heat, "grad_cam")[name]


def test_energies_and_peaks_are_those_of_localization() -> None:
    generator = torch.Generator().manual_seed(0)
    heat = torch.rand(6, 32, 32, generator=generator)
    heat[5] = 0.0
    finding, retina = torch.rand(2, 6, 32, 32, generator=generator) > 0.5
    case = Case(finding, {"retina": retina})
    for energy, hit, mask in (
        ("energy", "hit", finding),
        ("outside", "peak_outside", ~retina),
        ("corner", "peak_corner", corners.corner_triangles((32, 32)).expand(6, 32, 32)),
    ):
        torch.testing.assert_close(score(energy, heat, case), metrics.energy_in_mask(heat, mask))
        assert score(hit, heat, case).tolist() == metrics.pointing_hit(heat, mask).tolist()
    values = MapScorer(("energy",)).scores(case, heat, "grad_cam")
    assert values["empty"].tolist() == [False] * 5 + [True]


def test_lift_is_one_for_a_flat_map_and_four_for_a_map_that_is_the_mask() -> None:
    mask = torch.zeros(2, 16, 16, dtype=torch.bool)
    mask[:, :, :4] = True
    heat = torch.stack([torch.ones(16, 16), mask[1].float()])
    torch.testing.assert_close(score("lift", heat, Case(mask)), torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(score("energy", heat, Case(mask)), torch.tensor([0.25, 1.0]))


def test_a_peak_15_px_from_a_finding_is_no_hit_and_one_within_15_px() -> None:
    heat, finding = torch.zeros(2, 40, 40), torch.zeros(2, 40, 40, dtype=torch.bool)
    heat[:, 20, 20] = 1.0
    finding[0, 20, 35] = finding[1, 20, 36] = True
    assert score("hit", heat, Case(finding)).tolist() == [0, 0]
    assert score("hit_15px", heat, Case(finding)).tolist() == [1, 0]


def test_what_a_case_does_not_know_is_unknown() -> None:
    heat = torch.rand(2, 16, 16)
    for name in ("energy", "lift", "hit", "hit_15px", "outside", "peak_outside", "pearson"):
        assert score(name, heat, Case()).isnan().all()
    for name in ("negative_cells", "negative", "flipped", "dominance"):
        assert score(name, heat, Case()).isnan().all()
    for name in ("corner", "entropy", "half", "variation"):
        assert score(name, heat, Case()).isfinite().all()


def test_a_score_that_runs_the_network_wants_a_prediction() -> None:
    with pytest.raises(EvaluationError, match="give the case its prediction"):
        score("deletion", torch.rand(1, 16, 16), Case())


def test_equal_maps_agree_fully_at_either_size() -> None:
    heat = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0))
    for name in agreement.AGREEMENTS:
        for full_name in (name, f"{name}_quarter"):
            assert score(full_name, heat, Case(reference=heat)).tolist() == pytest.approx([1, 1])


def test_signs_of_a_layer_are_counted_by_hand_and_given_to_methods_alone() -> None:
    activations = torch.tensor([[[[1.0, -2.0]], [[3.0, 4.0]], [[-1.0, -1.0]]]])
    layer = LayerTensors(activations, torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2))
    case, heat = Case(tensors=layer), torch.rand(1, 4, 4)
    assert score("negative_cells", heat, case).tolist() == pytest.approx([3 / 6])
    assert score("negative", heat, case).tolist() == pytest.approx([2 / 3])  # sums -1, 7, -2
    assert score("flipped", heat, case).tolist() == [0]
    values = MapScorer(("negative",)).scores(case, heat, "edges")
    assert values["negative"].isnan().all()


def test_what_no_layer_changes_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, heat = MapScorer(("entropy", "pearson")), torch.rand(2, 16, 16)
    first = scorer.scores(Case(reference=heat), heat, "edges")
    monkeypatch.setitem(SCORES, "entropy", None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        scorer.scores(Case(reference=heat), heat, "grad_cam")
    monkeypatch.undo()
    again = scorer.scores(Case(reference=torch.rand(2, 16, 16)), heat, "edges")
    assert torch.equal(first["entropy"], again["entropy"])
    assert not torch.equal(first["pearson"], again["pearson"])
