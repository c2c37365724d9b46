"""A whole data set through networks and their maps, one row per image, layer and method."""

from xaihelpers.extras import require

require("study")
