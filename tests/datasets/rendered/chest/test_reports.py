"""A finding's words follow from the masks, and their masks are where they say."""

import numpy as np
import pytest

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.datasets.rendered.chest import reports as findings


def radiograph(spots: list[tuple[slice, slice]], pattern: str = "ground_glass") -> Record:
    """Two lungs of 16 x 8 px in 20 x 20: columns 1-8 and 11-18, rows 2-17."""
    lung, opacity = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    lung[2:18, 1:9] = lung[2:18, 11:19] = True
    for place in spots:
        opacity[place] = True
    masks = {"lung": lung, "opacity": opacity & lung, "marker": np.zeros((20, 20), bool)}
    return Record(np.zeros((20, 20, 3), np.uint8), 1, masks, meta={"pattern": pattern})


LOWER, UPPER = slice(12, 18), slice(2, 7)


@pytest.mark.parametrize(
    ("spots", "text"),
    [
        ([], "clear lungs"),
        ([(LOWER, slice(1, 4))], "right peripheral opacity in the lower zones"),
        ([(UPPER, slice(5, 9))], "right central opacity in the upper zones"),
        ([(UPPER, slice(16, 19))], "left peripheral opacity in the upper zones"),
        ([(slice(2, 18), slice(11, 13))], "left central opacity in the middle zones"),
        (
            [(LOWER, slice(1, 4)), (LOWER, slice(16, 19))],
            "bilateral peripheral opacity in the lower zones",
        ),
    ],
)
def test_the_sentence_follows_from_where_the_opacity_lies(spots, text: str) -> None:
    assert findings.finding(radiograph(spots)) == text


def test_a_trace_in_the_other_lung_does_not_make_it_bilateral() -> None:
    spots = [(LOWER, slice(1, 4)), (slice(17, 18), slice(17, 18))]
    assert findings.finding(radiograph(spots)).startswith("right")


def test_the_patients_right_lung_is_on_the_left_of_the_picture() -> None:
    halves = findings.sides(radiograph([]).masks)
    assert halves["right"][:, :10].any()
    assert not halves["right"][:, 10:].any()


def test_a_sides_mask_leaves_the_other_lung_out() -> None:
    record = radiograph([(LOWER, slice(1, 4)), (LOWER, slice(16, 19))])
    assert findings.word_mask(record, "left").sum() == 18
    assert findings.word_mask(record, "opacity").sum() == 36


def test_rendered_findings_use_known_words_and_agree_with_their_class() -> None:
    for index in range(12):
        record = chest_xray.render("val", index, size=96)
        text = findings.finding(record)
        assert set(text.split()) <= set(findings.WORDS)
        assert (text == findings.CLEAR) == (record.label == 0)
