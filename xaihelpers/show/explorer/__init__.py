"""The explorer: pick a picture, a network, a layer and a question, and see the maps at once."""

from xaihelpers.extras import require

require("notebooks")

from xaihelpers.show.explorer.widget import Explorer

__all__ = ["Explorer"]
