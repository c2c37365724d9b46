"""Near-duplicates are found however they were saved, and different pictures stay apart."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.datasets.layouts import chest, eye
from xaihelpers.datasets import rendered
from xaihelpers.datasets.duplicates import (
    BITS,
    NEAR,
    NEAR_RETINA,
    cluster,
    distance,
    near_pairs,
    perceptual_hash,
)

PICTURE = rendered.chest.render("test", 1, size=200).image


def recompressed(image: np.ndarray) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.array(Image.open(buffer).convert("RGB"))


@pytest.mark.parametrize(
    "copy",
    [
        cv2.resize(PICTURE, (120, 120), interpolation=cv2.INTER_AREA),
        cv2.resize(PICTURE, (200, 150), interpolation=cv2.INTER_AREA),
        recompressed(PICTURE),
        cv2.add(PICTURE, np.full_like(PICTURE, 10)),
        np.repeat(PICTURE[..., :1], 3, axis=2),
    ],
    ids=["smaller", "squashed", "recompressed", "brighter", "grey"],
)
def test_a_copy_is_near(copy: np.ndarray) -> None:
    assert distance(perceptual_hash(PICTURE), perceptual_hash(copy)) <= NEAR


@pytest.mark.parametrize(("draw", "within"), [(chest, NEAR), (eye, NEAR_RETINA)])
def test_different_pictures_are_not_near(draw: object, within: int) -> None:
    hashes = [perceptual_hash(draw(0, n, 96)) for n in range(12)]  # type: ignore[operator]
    first, second = near_pairs(hashes, hashes, within)
    assert (first == second).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=12), st.integers(0, 255))
def test_pairs_are_those_whose_distance_is_small(codes: list[bytes], within: int) -> None:
    hashes = [code.hex() for code in codes]
    found = set(zip(*(a.tolist() for a in near_pairs(hashes, hashes, within)), strict=True))
    expected = {
        (i, j)
        for i, a in enumerate(hashes)
        for j, b in enumerate(hashes)
        if distance(a, b) <= within
    }
    assert found == expected
    assert len(hashes[0]) * 4 == BITS


def test_clusters_join_chains_of_copies_and_the_pictures_of_a_patient() -> None:
    codes = ["00" * 32, "0f" + "00" * 31, "ff" + "00" * 31, "ff" * 32, "00ff" * 16]
    assert cluster(codes, [""] * 5, within=4).tolist() == [0, 0, 0, 1, 2]
    assert cluster(codes, ["", "", "p", "p", ""], within=4).tolist() == [0, 0, 0, 0, 1]


def test_a_picture_that_could_not_be_read_joins_nothing_but_its_patient() -> None:
    assert cluster(["", "", "00" * 32], ["", "", ""], within=20).tolist() == [0, 1, 2]
