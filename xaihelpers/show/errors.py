"""The one error of this package."""


class FigureError(ValueError):
    """An image, map or mask that cannot be drawn; says what was expected and what to do."""
