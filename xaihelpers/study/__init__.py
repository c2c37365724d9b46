"""A whole data set through networks and their maps, one row per image, layer and method.

`run_study` makes the rows, `summaries` turns them into figures with intervals, and a
`ResumableTable` keeps what is measured.
"""

from xaihelpers.extras import require

require("study")

from xaihelpers.study.plan import BASELINES, PRIORS, Plan, Subject
from xaihelpers.study.rows import finding_mask
from xaihelpers.study.run import run_study
from xaihelpers.study.scores import SCORES
from xaihelpers.study.summaries import mean_table, method_table, paired_table, wide
from xaihelpers.study.table import ResumableTable, read_table

__all__ = [
    "BASELINES",
    "PRIORS",
    "SCORES",
    "Plan",
    "ResumableTable",
    "Subject",
    "finding_mask",
    "mean_table",
    "method_table",
    "paired_table",
    "read_table",
    "run_study",
    "wide",
]
