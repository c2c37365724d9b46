"""The machinery of the ledger: claims, rules, records and digests; it knows no claim by name."""

from xaihelpers.extras import require

require("study")

from xaihelpers.claims.types import Amendment, Claim, Measure
from xaihelpers.claims.verdicts import Judgement, Verdict
from xaihelpers.errors import ClaimError

__all__ = ["Amendment", "Claim", "ClaimError", "Judgement", "Measure", "Verdict"]
