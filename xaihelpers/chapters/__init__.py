"""The chapters as files and as runs."""

from xaihelpers.extras import require

require("notebooks")
