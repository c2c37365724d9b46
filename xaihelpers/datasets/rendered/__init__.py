"""Pictures that this package draws itself, with a pixel-exact mask for everything in them."""

from xaihelpers.datasets.rendered import chest, fundus, scenes
from xaihelpers.datasets.rendered.renderer import Renderer

__all__ = ["Renderer", "chest", "fundus", "scenes"]
