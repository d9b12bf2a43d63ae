"""Calibration: how often predictions are right, by their confidence."""

import numpy as np
import pandas as pd

BINS = 15
"""Bins of the calibration error (Guo et al., arXiv 1706.04599)."""


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """How often predictions are right, by their confidence: columns bin, lower, upper, queries,
    confidence, accuracy.

    Bins are of equal width and open below: bin b is lower < confidence <= upper, and the first one
    includes 0 (Guo et al., arXiv 1706.04599). Empty bins have no confidence and no accuracy.
    """
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    queries = np.bincount(place, minlength=bins)
    means = [
        np.divide(
            np.bincount(place, each, minlength=bins),
            queries,
            out=np.full(bins, np.nan),
            where=queries > 0,
        )
        for each in (confidence, right)
    ]
    return pd.DataFrame(
        {
            "bin": np.arange(1, bins + 1),
            "lower": edges[:-1],
            "upper": edges[1:],
            "queries": queries,
            "confidence": means[0],
            "accuracy": means[1],
        }
    )


def calibration_error(table: pd.DataFrame) -> float:
    """ECE: the mean over queries of the gap between accuracy and confidence in their bin of
    :func:`reliability`.
    """
    gap = (table["accuracy"] - table["confidence"]).abs().fillna(0)
    return float((gap * table["queries"]).sum() / table["queries"].sum())
