"""The machinery of the ledger: claims, rules, records and digests; it knows no claim by name."""

from xaihelpers.extras import require

require("study")

from xaihelpers.claims.types import Claim, Measure, Verdict
from xaihelpers.errors import ClaimError

__all__ = ["Claim", "ClaimError", "Measure", "Verdict"]
