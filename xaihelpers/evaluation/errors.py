"""The one error of this package."""


class EvaluationError(ValueError):
    """Maps, masks, boxes or values that cannot be scored; says what was expected."""
