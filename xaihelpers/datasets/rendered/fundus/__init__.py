"""Rendered fundus pictures of diabetic retinopathy with a mask for every lesion."""

from xaihelpers.datasets.rendered.fundus.lesions import LESIONS
from xaihelpers.datasets.rendered.fundus.renderer import (
    CLASSES,
    COUNTS,
    MASKS,
    SIZE,
    VERSION,
    render,
)

__all__ = ["CLASSES", "COUNTS", "LESIONS", "MASKS", "SIZE", "VERSION", "render"]
