"""The international grades of diabetic retinopathy, which two of the sets share."""

from collections.abc import Iterable

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
REFERABLE = ("Not referable", "Referable")
FIRST_REFERABLE = 2  # "Moderate": from here on a patient is referred to an ophthalmologist


def is_referable(grades: Iterable[int]) -> list[int]:
    """1 for grades from 2, 0 for the others.

    >>> is_referable([0, 1, 2, 4])
    [0, 0, 1, 1]
    """
    return [int(grade >= FIRST_REFERABLE) for grade in grades]
