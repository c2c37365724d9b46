"""A picture in, heat maps on the picture out.

from xaihelpers import explain_image
explain_image(model, "cat.jpg", "tabby", transform=weights.transforms(), classes=names)
"""

from xaihelpers.extras import require

require("study")

from xaihelpers.show.picture.explain import explain_image
from xaihelpers.show.picture.loading import Picture, read_picture
from xaihelpers.show.picture.result import ExplainedImage, ExplainedImages, Panel

__all__ = [
    "ExplainedImage",
    "ExplainedImages",
    "Panel",
    "Picture",
    "explain_image",
    "read_picture",
]
