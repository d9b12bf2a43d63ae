"""How the slices of units lie: which are of one series, where, and in which order."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

TOGETHER = ("study_id", "series_id", "view")
"""Slices of a unit that share these lie in one row."""


@dataclass(frozen=True)
class Lying:
    """Per slice, in the order of the table of slices ``(n,)``:"""

    series: np.ndarray
    """int: the number of its series. A series here is of one unit and one view."""
    placed: np.ndarray
    """bool: whether all slices of its series have a position"""
    positions: np.ndarray
    """float: in mm where its series is placed, else its number in the series"""
    orders: np.ndarray
    """int: its number in its series, from 0: by position where that is placed, else as in the table"""


def lying(table: pa.Table, bounds: np.ndarray) -> Lying:
    """How the slices in ``table`` lie, unit by unit between ``bounds``."""
    units = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    frame = table.select([*TOGETHER, "position"]).to_pandas().assign(unit=units)
    groups = frame.groupby(["unit", *TOGETHER], sort=False, dropna=False)
    series = groups.ngroup()
    placed = frame["position"].notna().groupby(series).transform("all").to_numpy()
    places = np.where(placed, frame["position"].to_numpy(float), groups.cumcount())
    order = np.lexsort((places, series))
    orders = np.empty(len(frame), dtype=np.int64)
    orders[order] = series.iloc[order].groupby(series).cumcount()
    return Lying(series.to_numpy(), placed, np.where(placed, places, orders), orders)
