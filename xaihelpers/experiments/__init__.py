"""One folder per question, with its measures and its claims; all claims, and their ledger.

Every claim is judged by a rule that was written before its figures were measured. A rule reads
measures by name; a measure that cannot be taken on some data is NaN there, and a verdict that would
rest on it is "not testable here".
"""

from xaihelpers.extras import require

require("study")

from xaihelpers.claims.ledger import Ledger
from xaihelpers.claims.types import Claim
from xaihelpers.experiments.chest.claims import CLAIMS as CHEST
from xaihelpers.experiments.failures.claims import CLAIMS as FAILURES
from xaihelpers.experiments.heads.claims import CLAIMS as HEADS
from xaihelpers.experiments.identities.claims import CLAIMS as IDENTITIES
from xaihelpers.experiments.language.claims import CLAIMS as LANGUAGE
from xaihelpers.experiments.marker.claims import CLAIMS as MARKER
from xaihelpers.experiments.objects.claims import CLAIMS as OBJECTS
from xaihelpers.experiments.retinopathy.claims import CLAIMS as RETINOPATHY

_ALL = (*RETINOPATHY, *CHEST, *MARKER, *IDENTITIES, *OBJECTS, *FAILURES, *LANGUAGE, *HEADS)

#: All claims by id, in order.
CLAIMS: dict[str, Claim] = {c.id: c for c in sorted(_ALL, key=lambda c: int(c.id[1:]))}

#: What became of them: chapters settle claims in it.
LEDGER = Ledger(CLAIMS)

__all__ = ["CLAIMS", "LEDGER"]
