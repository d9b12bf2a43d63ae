"""Near duplicates by perceptual hash: all pairs within a Hamming distance, without comparing all
pairs.
"""

import itertools

import numpy as np

from radcbir.core.errors import InputError

BITS = 64

MAX_PAIRS = 50_000_000
"""More pairs of images than this are refused: the distance is then too large to mean anything."""

BLOCK = 4_000_000
"""Candidate pairs compared at a time."""


def near_pairs(
    left: np.ndarray, right: np.ndarray, distance: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of 64-bit hashes of two lists (uint64) whose Hamming distance is at most
    ``distance``.

    Returns places in ``left``, places in ``right``, and the distances, sorted by the first two.
    Hashes that differ in at most d bits agree wholly in one of d + 1 bands of bits, so only hashes
    that share a band are compared (the pigeonhole principle; Manku, Jain, Das Sarma, Detecting
    near-duplicates for web crawling, WWW 2007).

    Raises :class:`InputError` where there are more than :data:`MAX_PAIRS`.
    """
    left_unique, left_of = np.unique(left.astype(np.uint64), return_inverse=True)
    right_unique, right_of = np.unique(right.astype(np.uint64), return_inverse=True)
    rows, columns = _unique_pairs(left_unique, right_unique, distance)
    apart = np.bitwise_count(left_unique[rows] ^ right_unique[columns]).astype(np.int64)
    left_sizes, right_sizes = np.bincount(left_of), np.bincount(right_of)
    if len(rows) and float(left_sizes[rows].astype(float) @ right_sizes[columns]) > MAX_PAIRS:
        raise InputError(
            f"more than {MAX_PAIRS} pairs of images are within the distance {distance} of each "
            "other: lower "
            "`audit: distance:` in the configuration"
        )
    left_members, left_starts = _members(left_of, left_sizes)
    right_members, right_starts = _members(right_of, right_sizes)
    counts = left_sizes[rows] * right_sizes[columns] if len(rows) else np.empty(0, dtype=np.int64)
    pair = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = right_sizes[columns[pair]] if len(pair) else np.empty(0, dtype=np.int64)
    first = left_members[left_starts[rows[pair]] + within // width] if len(pair) else pair
    second = right_members[right_starts[columns[pair]] + within % width] if len(pair) else pair
    order = np.lexsort((second, first))
    return first[order], second[order], apart[pair][order]


def _unique_pairs(
    left: np.ndarray, right: np.ndarray, distance: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of places in two sorted lists of distinct hashes."""
    found = [np.empty(0, dtype=np.int64)]
    edges = np.linspace(0, BITS, distance + 2).astype(np.uint64)
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        left_band, right_band = (left >> low) & mask, (right >> low) & mask
        order = np.argsort(right_band, kind="stable")
        starts = np.searchsorted(right_band[order], left_band, "left")
        counts = np.searchsorted(right_band[order], left_band, "right") - starts
        total = np.cumsum(counts)
        begin = 0
        while begin < len(left):
            done = total[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(total, done + BLOCK, "right")))
            here = counts[begin:end]
            rows = np.repeat(np.arange(begin, end), here)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(here) - here, here)
            columns = order[np.repeat(starts[begin:end], here) + within]
            near = np.bitwise_count(left[rows] ^ right[columns]) <= distance
            found.append(rows[near] * len(right) + columns[near])
            begin = end
    codes = np.unique(np.concatenate(found))
    return codes // max(1, len(right)), codes % max(1, len(right))


def _members(group_of: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The members of each group one after the other, and where each group begins."""
    return np.argsort(group_of, kind="stable"), np.cumsum(sizes) - sizes
