"""A whole data set through networks and their maps, one row per image, layer and method.

`run_study` makes the rows, `summaries` turns them into figures with intervals, and a
`ResumableTable` keeps what is measured.
"""

from xaihelpers.extras import require

require("study")

from xaihelpers.study.case import Case, Prediction
from xaihelpers.study.maps import (
    NO_LAYER,
    DatasetMaps,
    compute_maps,
    lift_by_kind,
    priors_once,
    score_maps,
    without_own,
)
from xaihelpers.study.plan import BASELINES, PRIORS, Plan, Subject
from xaihelpers.study.rows import MapScorer, finding_mask
from xaihelpers.study.run import run_study
from xaihelpers.study.scores import SCORES, Score
from xaihelpers.study.summaries import (
    interval_table,
    mean_of,
    mean_table,
    method_table,
    paired,
    paired_table,
    wide,
)
from xaihelpers.study.table import ResumableTable, read_table
from xaihelpers.study.tensors import LayerTensors, layer_tensors

__all__ = [
    "BASELINES",
    "NO_LAYER",
    "Case",
    "DatasetMaps",
    "LayerTensors",
    "MapScorer",
    "PRIORS",
    "Plan",
    "Prediction",
    "ResumableTable",
    "SCORES",
    "Score",
    "Subject",
    "compute_maps",
    "finding_mask",
    "interval_table",
    "layer_tensors",
    "lift_by_kind",
    "mean_of",
    "mean_table",
    "method_table",
    "paired",
    "paired_table",
    "priors_once",
    "read_table",
    "run_study",
    "score_maps",
    "wide",
    "without_own",
]
