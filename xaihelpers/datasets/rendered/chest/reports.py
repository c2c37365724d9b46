"""What a radiograph shows, in one sentence in a reader's words, with the mask of each word.

Everything is read from the masks of a rendered radiograph (`chest_xray.render`): the side is the
patient's, so the right lung stands on the left of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xaihelpers.datasets.records import Record

CLEAR = "clear lungs"
NOUNS = {
    "ground_glass": "opacity",
    "focal": "consolidation",
    "lobar": "consolidation",
    "nodular": "nodules",
    "interstitial": "streaks",
}
SIDES, PLACES, ZONES = ("right", "left", "bilateral"), ("central", "peripheral"), ("upper", "lower")
#: Every word of the findings.
WORDS: tuple[str, ...] = (
    *CLEAR.split(),
    *SIDES,
    *PLACES,
    *dict.fromkeys(NOUNS.values()),
    *("in", "the", "middle", *ZONES, "zones"),
)
CONTENT = (*SIDES, *PLACES, *dict.fromkeys(NOUNS.values()), "middle", *ZONES)

_ONE_LUNG = 0.1  # share of all opacity, in the lung with less of it, up to which one is affected
_OUTER, _MOSTLY, _PARTLY = 0.55, 0.66, 0.34


def finding(record: Record) -> str:
    """The finding of a radiograph: "bilateral peripheral opacity in the lower zones".

    Side: both lungs unless one holds less than 10 % of the opacity. Place: peripheral if 55 % of
    it lies in the outer half of the lung's width. Zone: upper or lower if two thirds of it lie
    above or below the middle of the lungs' height, else middle.
    """
    opacity, lung = record.masks["opacity"], record.masks["lung"]
    if not opacity.any():
        return CLEAR
    halves = sides(record.masks)
    shares = {side: (opacity & half).sum() / opacity.sum() for side, half in halves.items()}
    side = max(shares, key=lambda name: float(shares[name]))
    if min(shares.values()) >= _ONE_LUNG:
        side = "bilateral"
    outer = sum((opacity & _outer(half, name)).sum() for name, half in halves.items())
    place = PLACES[int(outer / opacity.sum() >= _OUTER)]
    rows = np.flatnonzero(lung.any(axis=1))
    lower = opacity[int(rows[0] + rows[-1]) // 2 :].sum() / opacity.sum()
    zone = "lower" if lower > _MOSTLY else "upper" if lower < _PARTLY else "middle"
    return f"{side} {place} {NOUNS[str(record.meta['pattern'])]} in the {zone} zones"


def sides(masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The patient's "right" and "left" lung, (H, W) bool each."""
    lung = masks["lung"]
    column = np.arange(lung.shape[1])[None] < lung.shape[1] // 2
    return {"right": lung & column, "left": lung & ~column}


def _outer(half: np.ndarray, side: str) -> np.ndarray:
    """The half of one lung, row by row, that is nearer to the chest wall."""
    there = half.cumsum(axis=1)
    total = there[:, -1:]
    inner = there * 2 > total
    return half & (~inner if side == "right" else inner)


def word_mask(record: Record, word: str) -> np.ndarray:
    """Where the evidence for a word of the finding lies: all opacity, or that of the named side.

    A lung without opacity is empty; so is every mask of clear lungs.
    """
    opacity = record.masks["opacity"]
    return opacity & sides(record.masks)[word] if word in ("right", "left") else opacity
