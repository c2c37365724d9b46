"""What the rendered chest radiographs promise."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xaihelpers.datasets.rendered.chest import CLASSES, COUNTS, MASKS, render
from xaihelpers.datasets.rendered.chest.markers import MARKERS

NORMAL, VIRAL, COVID = range(3)


def _mask_hash(size: int) -> str:
    digest = hashlib.sha256()
    for index in range(6):
        masks = render("test", index, size=size).masks
        for name in MASKS:
            digest.update(np.packbits(masks[name]).tobytes())
    return digest.hexdigest()[:16]


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def _halve(mask: np.ndarray) -> np.ndarray:
    side = len(mask) // 2
    return mask.reshape(side, 2, side, 2).mean((1, 3)) >= 0.5


@pytest.mark.parametrize("size", [64, 99, 224, 512])
def test_record_has_a_grey_rgb_image_and_three_masks_of_the_asked_size(size: int) -> None:
    record = render("train", 4, size=size)
    assert record.image.shape == (size, size, 3)
    assert record.image.dtype == np.uint8
    assert (record.image == record.image[..., :1]).all()
    assert set(record.masks) == set(MASKS)
    assert all(m.shape == (size, size) and m.dtype == bool for m in record.masks.values())


def test_label_cycles_through_the_classes_and_names_are_unique() -> None:
    records = [render("val", i, size=64) for i in range(6)]
    assert [r.label for r in records] == [0, 1, 2, 0, 1, 2]
    assert len({r.name for r in records}) == 6
    assert len(CLASSES) == 3


def test_same_arguments_give_the_same_picture() -> None:
    first, second = (render("train", 7, size=96) for _ in range(2))
    assert (first.image == second.image).all()
    assert all((first.masks[m] == second.masks[m]).all() for m in MASKS)


@pytest.mark.parametrize("other", [("val", 7, 0), ("train", 8, 0), ("train", 7, 1)])
def test_split_index_and_seed_each_give_another_patient(other: tuple[str, int, int]) -> None:
    lung = render("train", 7, size=96, label=0).masks["lung"]
    split, index, seed = other
    assert _iou(lung, render(split, index, seed=seed, size=96, label=0).masks["lung"]) < 0.97


@pytest.mark.parametrize(
    ("size", "expected"), [(96, "c5a475becd5d2eed"), (224, "5cbfad5e448ad6c2")]
)
def test_masks_are_the_same_bits_everywhere(size: int, expected: str) -> None:
    assert _mask_hash(size) == expected


def test_image_is_the_same_everywhere_up_to_rounding() -> None:
    image = render("test", 1, size=96).image[::24, ::24, 0].astype(int)
    expected = np.array(
        [[17, 17, 170, 17], [109, 73, 190, 53], [75, 47, 205, 42], [17, 196, 217, 198]]
    )
    assert np.abs(image - expected).max() <= 2


@pytest.mark.parametrize("index", [1, 2, 5, 10])
def test_anatomy_and_finding_are_the_same_at_every_size(index: int) -> None:
    small, large = render("test", index, size=224), render("test", index, size=448)
    assert _iou(small.masks["lung"], _halve(large.masks["lung"])) > 0.97
    assert _iou(small.masks["opacity"], _halve(large.masks["opacity"])) > 0.85


@pytest.mark.parametrize("index", range(6))
def test_normal_has_no_opacity_and_the_others_have_one_inside_the_lung(index: int) -> None:
    masks = render("train", index, size=96).masks
    assert masks["opacity"].any() == (index % 3 != NORMAL)
    assert not (masks["opacity"] & ~masks["lung"]).any()


@pytest.mark.parametrize("label", [VIRAL, COVID])
def test_opacity_is_where_the_class_changes_the_patient(label: int) -> None:
    for index in range(4):
        healthy = render("test", index, label=NORMAL, marker="none")
        ill = render("test", index, label=label, marker="none")
        change = ill.image[..., 0].astype(int) - healthy.image[..., 0]
        opacity = ill.masks["opacity"]
        assert (healthy.masks["lung"] == ill.masks["lung"]).all()
        assert change[opacity].mean() > 8
        assert np.abs(change[~opacity]).mean() < 1.5
        assert np.abs(change[~opacity]).max() < change[opacity].max()


def test_covid_is_bilateral_and_peripheral_more_than_viral() -> None:
    both, low = {VIRAL: 0, COVID: 0}, {VIRAL: [], COVID: []}
    for label in (VIRAL, COVID):
        for index in range(20):
            masks = render("train", index, size=96, label=label).masks
            columns = masks["opacity"].sum(0)
            both[label] += columns[:48].sum() > 20 and columns[48:].sum() > 20
            low[label].append(np.nonzero(masks["opacity"])[0].mean())
    assert both[COVID] == 20
    assert both[VIRAL] < 16
    assert np.mean(low[COVID]) > np.mean(low[VIRAL]) + 5


@pytest.mark.parametrize("text", MARKERS)
def test_forced_marker_changes_no_pixel_outside_itself(text: str) -> None:
    plain = render("test", 2, marker="none")
    marked = render("test", 2, marker=text)
    mask = marked.masks["marker"]
    assert marked.meta["marker"] == text
    assert mask.any() == (text != "none")
    assert (plain.image[~mask] == marked.image[~mask]).all()
    assert (plain.image[mask] != marked.image[mask]).any() == (text != "none")
    assert not plain.masks["marker"].any()
    assert all((plain.masks[m] == marked.masks[m]).all() for m in ("opacity", "lung"))


def test_correlation_one_ties_the_text_to_covid() -> None:
    for index in range(12):
        text = render("train", index, size=64, marker_correlation=1.0).meta["marker"]
        assert (text == "AP PORTABLE") == (index % 3 == COVID)


def test_correlation_zero_leaves_the_text_independent_of_the_class() -> None:
    for index in range(12):
        texts = {render("train", index, size=64, label=k).meta["marker"] for k in range(3)}
        assert len(texts) == 1


def test_correlation_between_mixes() -> None:
    texts = [
        render("train", i, size=64, label=COVID, marker_correlation=0.5).meta["marker"]
        for i in range(60)
    ]
    assert 0.45 < np.mean([t == "AP PORTABLE" for t in texts]) < 0.85


def test_portable_text_stands_mostly_top_left() -> None:
    records = [render("train", i, size=64, marker="AP PORTABLE") for i in range(30)]
    left = [r.masks["marker"][:20, :32].any() for r in records]
    assert all(not r.masks["marker"][20:].any() for r in records)
    assert 0.65 < np.mean(left) < 1.0


def test_global_grey_statistics_do_not_give_the_class_away() -> None:
    def features(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = []
        for index in range(count):
            grey = render(split, index, size=64).image[..., 0].astype(float)
            rows.append([grey.mean(), grey.std(), *np.percentile(grey, [5, 25, 50, 75, 95])])
        return np.array(rows), np.arange(count) % 3

    train, labels = features("train", 450)
    test, truth = features("test", 240)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train, labels)
    assert balanced_accuracy_score(truth, model.predict(test)) <= 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev'"),
        ({"index": -1}, "index and seed must be 0 or more"),
        ({"seed": -1}, "index and seed must be 0 or more"),
        ({"size": 32}, "size 32 is out of range"),
        ({"size": 1024}, "size 1024 is out of range"),
        ({"label": 3}, "unknown label 3"),
        ({"marker": "R"}, "unknown marker 'R'"),
        ({"marker_correlation": 1.5}, "marker_correlation 1.5 is out of range"),
    ],
)
def test_bad_arguments_say_what_was_expected(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(**{"split": "train", "index": 0, **arguments})


def test_split_sizes_are_multiples_of_the_class_count() -> None:
    assert all(count % len(CLASSES) == 0 for count in COUNTS.values())


def test_hidden_disease_leaves_the_patient_and_takes_the_finding() -> None:
    shown, unseen, perhaps = (render("test", 5, size=64, hidden=h) for h in (0.0, 1.0, 0.5))
    healthy = render("test", 5, size=64, label=0)
    assert shown.masks["opacity"].any()
    assert not unseen.masks["opacity"].any()
    assert (unseen.image == healthy.image).all()
    assert unseen.label == shown.label == perhaps.label == 2
    for other in (0, 1):  # the other classes stay as they are
        same = render("test", other, size=64, hidden=1.0)
        assert (same.image == render("test", other, size=64).image).all()


def test_about_half_of_the_patients_are_hidden_where_asked() -> None:
    shown = [render("val", i, size=64, hidden=0.5).masks["opacity"].any() for i in range(2, 92, 3)]
    assert 8 <= sum(shown) <= 22


def test_a_share_of_hidden_patients_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden 1.5 is out of range"):
        render("test", 5, hidden=1.5)
