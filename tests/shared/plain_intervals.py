"""Intervals by hand where every patient has one query: a second way to the ends that the library
gives."""

import numpy as np
from scipy import stats


def of_share(share: float, patients: int) -> tuple[float, float]:
    """The 95 % score interval of the share of patients that are right, with t of n - 1 degrees of
    freedom and the sample variance (the sample size is then n - 1)."""
    size, squared = patients - 1, stats.t.ppf(0.975, patients - 1) ** 2
    center = (share + squared / (2 * size)) / (1 + squared / size)
    half = np.sqrt(squared * (share * (1 - share) / size + squared / (4 * size**2)))
    return center - half / (1 + squared / size), center + half / (1 + squared / size)


def of_mean(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of a mean by Student's t, cut at -1 and 1."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return max(-1, np.mean(values) - half), min(1, np.mean(values) + half)
