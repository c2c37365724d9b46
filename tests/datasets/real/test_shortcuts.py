import numpy as np
import pandas as pd
import pytest

from xaihelpers.datasets.real.shortcuts import FOLDS, shortcuts


def made(n: int, leak: str) -> tuple[pd.DataFrame, np.ndarray, list[int]]:
    """`n` noise thumbnails of two classes whose label is given away by `leak` alone."""
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(n)]
    pictures = rng.integers(0, 200, (n, 32, 32, 3), dtype=np.uint8)
    table = pd.DataFrame([{"format": "JPEG", "mode": "L", "width": 90, "height": 90}] * n)
    table["bytes"] = rng.integers(4000, 5000, n)
    table["cluster"] = range(n)
    for place, label in enumerate(labels):
        if leak == "border" and label:
            pictures[place, :2] += 50
        if leak == "middle" and label:
            pictures[place, 12:20, 12:20] += 50
        if leak == "file" and label:
            table.loc[place, "mode"] = "RGB"
    return table, pictures, labels


def found(leak: str) -> list[bool]:
    """Whether each of border, file and thumbnail gives the label away."""
    return [one.balanced_accuracy > 0.75 for one in shortcuts(*made(200, leak))]


@pytest.mark.parametrize(
    ("leak", "expected"),
    [
        ("border", [True, False, True]),
        ("middle", [False, False, True]),
        ("file", [False, True, False]),
        ("none", [False, False, False]),
    ],
)
def test_a_leak_shows_where_it_is_and_nowhere_else(leak: str, expected: list[bool]) -> None:
    assert found(leak) == expected


def test_figures_stand_beside_chance_and_number() -> None:
    table, pictures, labels = made(40, "none")
    one = shortcuts(table, pictures, labels)[0]
    assert (one.chance, one.n) == (0.5, 40)
    assert str(one).startswith("outer 3 of 32 pixels 0.")


def test_copies_of_a_picture_are_never_on_both_sides_of_a_fold() -> None:
    table, pictures, labels = made(20, "none")
    table = pd.concat([table] * 6, ignore_index=True)
    thumbnail = shortcuts(table, np.concatenate([pictures] * 6), labels * 6)[2]
    assert thumbnail.balanced_accuracy < 0.75  # remembered pictures would give 1


def test_classes_of_few_clusters_are_left_out() -> None:
    table, pictures, labels = made(30, "none")
    labels[0] = 7
    assert shortcuts(table, pictures, labels)[0].chance == 0.5
    few = [0] * 26 + [1] * (FOLDS - 1)
    assert shortcuts(table, pictures, few) == []
