"""The errors of this package."""


class FigureError(ValueError):
    """An image, map or mask that cannot be drawn; says what was expected and what to do."""


class UploadError(ValueError):
    """A file that is no usable picture; says what is wrong with it and what to choose instead."""


class ViewError(ValueError):
    """Something chosen in the explorer that does not exist; says what there is."""
