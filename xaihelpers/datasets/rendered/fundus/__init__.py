"""Rendered fundus pictures of diabetic retinopathy with a mask for every lesion."""

from xaihelpers.datasets.rendered.fundus.lesions import LESIONS
from xaihelpers.datasets.rendered.fundus.renderer import GRADES, SIZES, SPLIT_SIZES, VERSION, render

__all__ = ["GRADES", "LESIONS", "SIZES", "SPLIT_SIZES", "VERSION", "render"]
