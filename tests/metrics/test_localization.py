"""Localisation metrics against figures worked out by hand and against independent libraries."""

import cv2
import numpy as np
import pytest
import torch
from skimage import measure
from sklearn.metrics import confusion_matrix
from torchmetrics.functional.classification import (
    binary_jaccard_index,
    multiclass_jaccard_index,
)
from torchvision import ops

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import localization, prior_maps, segmentation


def test_energy_is_the_share_of_the_sum_inside_the_mask() -> None:
    heat = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    mask = torch.tensor([[[False, True], [False, True]]])
    assert localization.energy_in_mask(heat, mask).item() == pytest.approx(6 / 10)


def test_an_empty_map_scores_zero_energy_no_hit_and_an_empty_box() -> None:
    heat, mask = torch.zeros(1, 3, 3), torch.ones(1, 3, 3, dtype=torch.bool)
    assert localization.is_empty(heat).tolist() == [True]
    assert localization.energy_in_mask(heat, mask).tolist() == [0.0]
    assert localization.pointing_hit(heat, mask).tolist() == [False]
    assert localization.box_of_largest_component(heat).tolist() == [[0, 0, 0, 0]]


def test_energy_stays_finite_for_the_smallest_and_largest_values() -> None:
    heat = torch.stack([torch.full((2, 2), 1e-44), torch.full((2, 2), 1e30)])
    mask = torch.tensor([[True, False], [False, False]]).expand(2, 2, 2)
    assert torch.isfinite(localization.energy_in_mask(heat, mask)).all()


@pytest.mark.parametrize(("tolerance", "hit"), [(0, False), (4.9, False), (5, True)])
def test_pointing_tolerance_is_a_euclidean_radius(tolerance: float, hit: bool) -> None:
    heat, mask = torch.zeros(1, 10, 10), torch.zeros(1, 10, 10, dtype=torch.bool)
    heat[0, 1, 2] = 1
    mask[0, 4, 6] = True  # 3 rows and 4 columns away: distance 5
    assert localization.pointing_hit(heat, mask, tolerance).tolist() == [hit]


def test_pointing_hits_when_the_peak_is_on_the_mask() -> None:
    heat = torch.tensor([[[0.0, 1.0], [0.5, 0.2]], [[0.9, 0.0], [0.0, 0.1]]])
    mask = torch.tensor([[False, True], [False, False]]).expand(2, 2, 2)
    assert localization.pointing_hit(heat, mask).tolist() == [True, False]


def test_the_box_is_that_of_the_largest_region_not_of_the_brightest() -> None:
    heat = torch.zeros(1, 6, 8)
    heat[0, 0, 0] = 1.0
    heat[0, 3:5, 2:6] = 0.2
    assert localization.box_of_largest_component(heat, 0.15).tolist() == [[2, 3, 6, 5]]
    assert localization.box_of_largest_component(heat, 0.25).tolist() == [[0, 0, 1, 1]]


def test_a_value_exactly_at_the_fraction_belongs_to_the_box() -> None:
    heat = torch.tensor([[[1.0, 0.5, 0.25]]])
    assert localization.box_of_largest_component(heat, 0.5).tolist() == [[0, 0, 2, 1]]


def test_diagonal_neighbours_are_one_region() -> None:
    heat = torch.eye(3)[None]
    assert localization.box_of_largest_component(heat).tolist() == [[0, 0, 3, 3]]


def test_the_box_of_a_mask_is_tight_and_empty_for_an_empty_mask() -> None:
    mask = torch.zeros(2, 5, 7, dtype=torch.bool)
    mask[0, 1, 2] = mask[0, 3, 5] = True
    assert localization.box_of_mask(mask).tolist() == [[2, 1, 6, 4], [0, 0, 0, 0]]


def test_box_iou_by_hand() -> None:
    one = torch.tensor([[0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 0, 0]])
    other = torch.tensor([[1, 1, 3, 3], [5, 5, 6, 6], [0, 0, 0, 0]])
    assert localization.box_iou(one, other).tolist() == pytest.approx([1 / 7, 0, 0])


def test_box_iou_agrees_with_torchvision_on_all_pairs() -> None:
    corner = torch.randint(0, 20, (12, 2))
    boxes = torch.cat([corner, corner + torch.randint(1, 15, (12, 2))], dim=1)
    ours = localization.box_iou(boxes[:, None], boxes[None])
    torch.testing.assert_close(ours, ops.box_iou(boxes.float(), boxes.float()))


def test_mask_iou_agrees_with_torchmetrics() -> None:
    masks, others = torch.rand(2, 4, 9, 11) > 0.6
    expected = [binary_jaccard_index(m.int(), o.int()) for m, o in zip(masks, others, strict=True)]
    torch.testing.assert_close(localization.mask_iou(masks, others), torch.stack(expected))


def test_two_empty_masks_have_iou_zero() -> None:
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    assert localization.mask_iou(nothing, nothing).tolist() == [0.0]


def _two_images() -> dict[str, torch.Tensor]:
    """Image 0: class right, box right. Image 1: label ranked second, box right."""
    heat = torch.zeros(2, 4, 4)
    heat[:, 1:3, 1:3] = 1
    return {
        "logits": torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]),
        "labels": torch.tensor([0, 1]),
        "heat": heat,
        "truth": torch.tensor([[1, 1, 3, 3], [1, 1, 3, 3]]),
    }


def test_a_wrong_class_counts_as_a_localisation_error() -> None:
    errors = localization.localization_error(**_two_images())
    assert errors == {
        "class_top1": 0.5,
        "localization_top1": 0.5,
        "class_top5": 0.0,
        "localization_top5": 0.0,
    }


def test_a_wrong_box_counts_as_a_localisation_error_even_with_the_right_class() -> None:
    case = _two_images() | {"truth": torch.tensor([[0, 0, 1, 1], [1, 1, 3, 3]])}
    errors = localization.localization_error(**case)
    assert errors["localization_top1"] == 1.0
    assert errors["localization_top5"] == 0.5


def test_an_overlap_of_exactly_one_half_is_a_hit() -> None:
    case = _two_images() | {"truth": torch.tensor([[1, 1, 3, 2], [1, 1, 3, 2]])}
    assert localization.localization_error(**case)["localization_top1"] == 0.5


def test_any_of_several_true_boxes_will_do_and_padding_matches_nothing() -> None:
    case = _two_images()
    boxes = localization.box_of_largest_component(case["heat"])
    truth = torch.tensor([[[0, 0, 0, 0], [1, 1, 3, 3]], [[0, 0, 0, 0], [0, 0, 1, 1]]])
    hit = localization.localization_hit(case["logits"], case["labels"], boxes, truth, top=5)
    assert hit.tolist() == [True, False]


def test_the_threshold_curve_by_hand() -> None:
    heat = torch.tensor([[[0.1, 0.1, 1.0, 1.0]]])
    curve = localization.threshold_curve(heat, torch.tensor([[2, 0, 4, 1]]), [0.0, 0.5], [0.4, 0.7])
    # at 0 the box is the whole row: IoU 2/4; at one half it is exact
    assert curve.accuracy.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert curve.max_box_acc == 1.0


def test_the_curve_scores_the_best_match_of_all_regions_and_all_true_boxes() -> None:
    heat = torch.tensor([[[1.0, 0.0, 1.0, 1.0]]])
    truth = [torch.tensor([[9, 9, 10, 10], [0, 0, 1, 1]])]
    assert localization.threshold_curve(heat, truth, [0.5], [0.7]).accuracy.tolist() == [[1.0]]


def test_an_empty_map_or_an_image_without_true_boxes_is_wrong_at_every_threshold() -> None:
    heat = torch.stack([torch.zeros(1, 4), torch.ones(1, 4)])
    truth = [torch.tensor([[0, 0, 4, 1]]), torch.zeros(0, 4, dtype=torch.int64)]
    assert localization.threshold_curve(heat, truth).accuracy.sum() == 0


def test_component_boxes_agree_with_skimage_and_cv2() -> None:
    torch.manual_seed(4)
    heat = torch.nn.functional.interpolate(torch.rand(12, 1, 7, 7), (40, 52), mode="bicubic")
    heat = heat[:, 0].relu()
    for fraction in (0.3, 0.6, 0.8):
        ours = localization.box_of_largest_component(heat, fraction)
        for found, image in zip(ours.tolist(), heat, strict=True):
            reached = (image >= fraction * image.max()).numpy()
            regions = measure.regionprops(measure.label(reached, connectivity=2))
            top, left, bottom, right = max(regions, key=lambda region: region.area).bbox
            assert found == [left, top, right, bottom]
            contour = max(regions, key=lambda region: region.area).coords[:, ::-1]
            x, y, width, height = cv2.boundingRect(contour.astype(np.int32).copy())
            assert found == [x, y, x + width, y + height]


def test_iou_by_threshold_is_the_papers_box_at_each_fraction() -> None:
    heat = torch.tensor([[[0.1, 0.1, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]])
    truth = torch.tensor([[2, 0, 4, 1], [0, 0, 1, 1]])
    found = localization.iou_by_threshold(heat, truth, [0.0, 0.15])
    assert found.tolist() == [[0.5, 0.0], [1.0, 0.0]]
    with pytest.raises(EvaluationError, match="2 maps but true boxes for 1"):
        localization.iou_by_threshold(heat, truth[:1], [0.15])


def test_one_region_makes_both_threshold_curves_agree() -> None:
    heat = prior_maps.centre_gaussian(3, (24, 24))
    truth = torch.tensor([[4, 4, 20, 20], [0, 0, 12, 12], [8, 8, 16, 16]])
    steps = [0.1, 0.5, 0.9]
    curve = localization.threshold_curve(heat, truth, steps, [0.5])
    hits = (localization.iou_by_threshold(heat, truth, steps) >= 0.5).float().mean(dim=1)
    torch.testing.assert_close(curve.accuracy[0], hits)


def test_seeds_go_to_the_class_nearest_its_own_maximum() -> None:
    heat = torch.tensor([[[[4.0, 2.0, 0.0, 0.1]], [[0.0, 0.9, 1.0, 0.0]], [[9.0, 9.0, 9.0, 9.0]]]])
    present = torch.tensor([[True, True, False]])
    assert segmentation.seed_masks(heat, present, 0.2).tolist() == [[[1, 2, 2, 0]]]


def test_an_empty_map_seeds_background_only_even_at_fraction_zero() -> None:
    labels = segmentation.seed_masks(torch.zeros(1, 2, 2, 2), torch.ones(1, 2).bool(), 0.0)
    assert labels.sum() == 0


def test_class_iou_agrees_with_torchmetrics() -> None:
    labels, truth = torch.randint(0, 4, (2, 3, 8, 8))
    expected = multiclass_jaccard_index(labels, truth, num_classes=4, average="none")
    torch.testing.assert_close(segmentation.class_iou(labels, truth, 4).float(), expected)


def test_confusion_counts_sum_to_sklearns_over_the_data_set() -> None:
    labels, truth = torch.randint(0, 4, (2, 3, 8, 8))
    counts = segmentation.confusion(labels, truth, 4)
    assert counts.shape == (3, 4, 4)
    expected = confusion_matrix(truth.flatten(), labels.flatten(), labels=range(4))
    assert counts.sum(dim=0).tolist() == expected.tolist()
    one = segmentation.class_iou(labels[:1], truth[:1], 4)
    torch.testing.assert_close(segmentation.iou_of_confusion(counts[0]), one)


def test_labels_and_truth_of_different_shape_are_refused() -> None:
    with pytest.raises(EvaluationError, match="differ in shape"):
        segmentation.confusion(torch.zeros(1, 2, 2).long(), torch.zeros(1, 2, 3).long(), 2)


def test_class_iou_of_an_absent_class_is_nan_so_that_nanmean_leaves_it_out() -> None:
    labels = torch.tensor([[[0, 1]]])
    found = segmentation.class_iou(labels, labels, 3)
    assert found.isnan().tolist() == [False, False, True]
    assert found.nanmean() == 1


def test_the_centre_gaussian_peaks_in_the_middle_and_is_symmetric() -> None:
    bump = prior_maps.centre_gaussian(2, (5, 9))
    assert bump.shape == (2, 5, 9)
    assert bump[0, 2, 4] == bump.max() == 1
    torch.testing.assert_close(bump, bump.flip(1, 2))


def test_the_uniform_map_has_the_masks_area_as_energy() -> None:
    mask = torch.rand(3, 8, 8) > 0.7
    energy = localization.energy_in_mask(prior_maps.uniform(3, (8, 8)), mask)
    torch.testing.assert_close(energy, mask.float().mean(dim=(1, 2)))


@pytest.mark.parametrize(
    ("heat", "message"),
    [
        (torch.rand(4, 4), "must be float, \\(N, H, W\\)"),
        (torch.ones(1, 4, 4).int(), "must be float"),
        (torch.rand(0, 4, 4), "not empty"),
        (torch.full((1, 4, 4), torch.nan), "finite"),
        (-torch.ones(1, 4, 4), "rectify"),
    ],
)
def test_maps_that_cannot_be_scored_are_refused(heat: torch.Tensor, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        localization.box_of_largest_component(heat)


def test_a_mask_of_another_size_or_type_is_refused() -> None:
    with pytest.raises(EvaluationError, match="mask must be bool"):
        localization.energy_in_mask(torch.rand(1, 4, 4), torch.ones(1, 7, 7).bool())
    with pytest.raises(EvaluationError, match="mask must be bool"):
        localization.energy_in_mask(torch.rand(1, 4, 4), torch.ones(1, 4, 4))


def test_counts_that_differ_are_refused() -> None:
    case = _two_images() | {"labels": torch.tensor([0])}
    with pytest.raises(EvaluationError, match="same images"):
        localization.localization_error(**case)


def test_a_fraction_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        localization.box_of_largest_component(torch.rand(1, 4, 4), 15)
