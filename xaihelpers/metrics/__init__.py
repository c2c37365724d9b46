"""Figures of maps: where they lie, whom they resemble, whether they follow the network.

The functions that chapters use most are here; the rest stands in the modules.
"""

from xaihelpers.extras import require

require("study")

from xaihelpers.metrics.agreement import pearson, spearman, ssim, top_iou
from xaihelpers.metrics.faithfulness import (
    confidence,
    deletion,
    drop,
    increase,
    insertion,
    kept_confidence,
    pixel_flipping,
    road,
)
from xaihelpers.metrics.intervals import Interval, bootstrap_interval, paired_difference
from xaihelpers.metrics.localization import energy_in_mask, is_empty, pointing_hit

__all__ = [
    "Interval",
    "bootstrap_interval",
    "confidence",
    "deletion",
    "drop",
    "energy_in_mask",
    "increase",
    "insertion",
    "is_empty",
    "kept_confidence",
    "paired_difference",
    "pearson",
    "pixel_flipping",
    "pointing_hit",
    "road",
    "spearman",
    "ssim",
    "top_iou",
]
