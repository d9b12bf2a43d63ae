"""Slices of series, as slabs are cut from them and laid over them."""

import numpy as np
import pandas as pd

from radcbir.retrieval.units.placement import Stack

SERIES = ["dataset", "split", "patient_id", "study_id", "series_id"]
"""What tells one series from another."""

SEED = 0


def placed(rows: pd.DataFrame) -> np.ndarray:
    """Which images have a series and a position, bool ``(n,)``."""
    return (rows["series_id"].notna() & rows["position"].notna()).to_numpy()


def asked_slices(count: int, queries: int) -> np.ndarray:
    """Which of so many slices are asked with: all, or ``queries`` of them, drawn at random."""
    if count <= queries:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, queries, replace=False))


class Images:
    """Some of the images, series by series."""

    def __init__(self, rows: pd.DataFrame, vectors: np.ndarray, some: np.ndarray):
        keys = rows[SERIES].fillna("").astype(str).agg("\0".join, axis=1)[some]
        order = np.lexsort((rows["position"].to_numpy()[some], keys.to_numpy()))
        self.rows = rows[some].iloc[order]
        self.stack = Stack(
            vectors[some][order],
            pd.factorize(keys.iloc[order])[0],
            self.rows["position"].to_numpy(float),
        )
        self.views = self.rows["view"].fillna("").to_numpy(str)
