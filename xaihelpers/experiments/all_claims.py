"""All claims of the sources, each with the rule that judges it, written before it was measured.

A rule reads measures by name; intervals are of 95 %, `m["x"].lowest` and `.highest` are their ends
(the value itself where there is no interval). A measure that cannot be taken on some data is NaN
there, and a verdict that would rest on it is "not testable here".
"""

from __future__ import annotations

from xaihelpers.claims.types import Claim
from xaihelpers.experiments import claims_of_papers, claims_of_studies

_ALL = (*claims_of_studies.ALL, *claims_of_papers.ALL)

#: All claims by name, in order.
CLAIMS: dict[str, Claim] = {c.id: c for c in sorted(_ALL, key=lambda c: int(c.id[1:]))}
