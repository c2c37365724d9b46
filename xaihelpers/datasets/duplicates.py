"""Pictures that are the same, or nearly: a perceptual hash, close pairs, and clusters of them.

The hash is that of Zauner (2010), "Implementation and benchmarking of perceptual image hash
functions", with 256 bits: the signs, against their median, of the lowest frequencies of a cosine
transform. It is the same for a picture that was resized, squashed, recompressed or made grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BITS = 256
#: Radiographs up to this many bits apart are copies. In two public sets of 317 and 609 chest
#: radiographs nothing changes between 20 and 26 bits, and pairs that differ begin beyond 30.
NEAR = 20
#: Photographs of retinas are more alike: pairs of different patients begin at 16 bits.
NEAR_RETINA = 12
_BLOCK = 1024


def perceptual_hash(image: np.ndarray) -> str:
    """The hash of a picture as 64 hexadecimal digits.

    Args:
        image: (H, W, 3) uint8 RGB.

    >>> stripes = np.zeros((90, 90, 3), np.uint8)
    >>> stripes[:, ::30] = stripes[:, 1::30] = 255
    >>> larger = cv2.resize(stripes, (180, 180))
    >>> distance(perceptual_hash(stripes), perceptual_hash(larger)) < 20
    True
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:16, :16].ravel()
    return np.packbits(low > np.median(low[1:])).tobytes().hex()


def distance(first: str, second: str) -> int:
    """Number of bits in which two hashes differ.

    >>> distance("0f", "ff")
    4
    """
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _signs(hashes: Sequence[str]) -> np.ndarray:
    """Hashes (N,) as (N, BITS) float32 of -1 and 1, so that a dot product counts equal bits."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def near_pairs(
    first: Sequence[str], second: Sequence[str], within: int = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Positions i, j of all pairs of hashes that differ in at most `within` bits.

    Args:
        first: hashes of one set.
        second: hashes of another, or of the same set (then each picture is a pair with itself).
        within: largest number of bits.

    >>> near_pairs(["0f" * 32], ["0f" * 32, "f0" * 32])
    (array([0]), array([0]))
    """
    if not first or not second:
        return np.empty(0, int), np.empty(0, int)
    rows, others = _signs(first), _signs(second)
    found = []
    for start in range(0, len(rows), _BLOCK):
        dots = rows[start : start + _BLOCK] @ others.T
        i, j = np.nonzero(dots >= BITS - 2 * within)
        found.append((i + start, j))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def cluster(hashes: Sequence[str], groups: Sequence[str], within: int) -> np.ndarray:
    """A number per picture, equal where pictures belong together.

    Args:
        hashes: one per picture; "" for a picture that could not be read, which stands alone.
        groups: one per picture, for example the patient; pictures of one group belong together,
            "" is no group.
        within: pictures that differ in at most so many bits belong together.

    >>> codes = ["00" * 32, "01" + "00" * 31, "ff" * 32, ""]
    >>> cluster(codes, ["", "", "a", "a"], within=2).tolist()
    [0, 0, 1, 1]
    """
    readable = np.array([n for n, code in enumerate(hashes) if code], dtype=int)
    codes = [hashes[n] for n in readable]
    i, j = near_pairs(codes, codes, within)
    first = {group: n for n, group in reversed(list(enumerate(groups))) if group}
    members = [n for n, group in enumerate(groups) if group]
    rows = np.concatenate([readable[i], np.array(members, dtype=int)])
    columns = np.concatenate([readable[j], np.array([first[groups[n]] for n in members], int)])
    size = len(hashes)
    linked = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(size, size))
    return connected_components(linked, directed=False)[1]
