"""Figures of one map or a batch of maps: localisation, faithfulness, agreement, intervals."""

from xaihelpers.extras import require

require("study")
