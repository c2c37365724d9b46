"""The machinery of the ledger: claims, rules, records and digests; it knows no claim by name."""

from xaihelpers.extras import require

require("study")
