"""How many hits are enough: the first k of which at least one is right, with a stated probability.

Hierarchical conformal prediction (Lee, Barber, Willett, *Distribution-free inference with
hierarchical data*, arXiv 2306.06342, section 3). The unit that may be exchanged is the patient:
each patient's queries share a weight of 1 / (G + 1), and the new patient has as much, at infinity.
A query's score is the rank of its first right hit. Nothing is fitted, so that all patients
calibrate. The guarantee is for a random query of a new patient, over the draw of all patients: at
least one of its first k hits is right with probability 1 - alpha or more.
"""

import math

import numpy as np

ROUNDING = 1e-9

PATIENTS_PER_BLOCK = 4096


def first_right(relevance: np.ndarray) -> np.ndarray:
    """The rank ``(q,)`` of the first right hit in lists ``(q, K)`` bool; K + 1 without one."""
    return np.where(relevance.any(axis=1), relevance.argmax(axis=1), relevance.shape[1]) + 1


def fewest_patients(alpha: float) -> int:
    """Below so many patients no k can be given: G / (G + 1) would be less than 1 - alpha."""
    return math.ceil((1 - alpha) / alpha - ROUNDING)


def shares_by_k(first: np.ndarray, clusters: np.ndarray, deepest: int) -> np.ndarray:
    """The mean over patients ``(K,)`` of the share of their queries with a right hit among the first
    k = 1 .. K.
    """
    codes = np.unique(clusters, return_inverse=True)[1]
    weights = 1 / np.bincount(codes)[codes]
    summed = np.bincount(np.minimum(first, deepest + 1), weights, deepest + 2)
    return np.cumsum(summed)[1 : deepest + 1] / max(1, codes.max(initial=-1) + 1)


def set_size(first: np.ndarray, clusters: np.ndarray, alpha: float, deepest: int) -> int | None:
    """The smallest k with the guarantee; None where there are too few patients, or where none of
    the first ``deepest`` reaches it.

    ``first`` ``(q,)`` are ranks of :func:`first_right`, ``clusters`` ``(q,)`` the queries' patients.
    """
    patients = len(np.unique(clusters))
    reached = shares_by_k(first, clusters, deepest) * patients / (patients + 1)
    enough = np.flatnonzero(reached >= 1 - alpha - ROUNDING)
    return int(enough[0]) + 1 if len(enough) else None


def left_out_coverage(
    first: np.ndarray, clusters: np.ndarray, alpha: float, deepest: int
) -> np.ndarray:
    """Per patient the share of its queries that the k of all other patients covers; NaN where these
    give none.
    """
    codes = np.unique(clusters, return_inverse=True)[1]
    patients = int(codes.max(initial=-1)) + 1
    total = shares_by_k(first, clusters, deepest) * patients
    place, sizes = np.minimum(first, deepest + 1) - 1, np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    bounds = np.append(0, np.cumsum(sizes))
    covered = np.empty(patients)
    for start in range(0, patients, PATIENTS_PER_BLOCK):
        stop = min(start + PATIENTS_PER_BLOCK, patients)
        rows = order[bounds[start] : bounds[stop]]
        counts = np.zeros((stop - start, deepest + 1))
        np.add.at(counts, (codes[rows] - start, place[rows]), 1)
        own = np.cumsum(counts, axis=1)[:, :deepest] / sizes[start:stop, None]
        enough = (total - own) / patients >= 1 - alpha - ROUNDING
        size = enough.argmax(axis=1)
        share = np.take_along_axis(own, size[:, None], axis=1)[:, 0]
        covered[start:stop] = np.where(enough.any(axis=1), share, np.nan)
    return covered
