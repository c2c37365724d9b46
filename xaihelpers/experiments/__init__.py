"""One folder per question, with its measures and its claims."""

from xaihelpers.extras import require

require("study")
