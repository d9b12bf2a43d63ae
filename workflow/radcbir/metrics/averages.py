"""Averages over queries (micro) and over classes (macro)."""

import numpy as np
import pandas as pd

from radcbir.metrics.per_query import RankedLists, ratio


def precision_curve(lists: RankedLists, labels: np.ndarray) -> pd.DataFrame:
    """P@k for k = 1 .. K: columns definition (capped, plain), average (micro, macro), k, value,
    queries, classes.

    ``labels`` ``(q,)`` are the queries' label codes. The plain curve ends with the shortest list.
    Exact up to the last division: hits are counted per class and R, never averaged query by query.
    """
    answerable = lists.relevant > 0
    labels, relevant = labels[answerable], lists.relevant[answerable]
    width = lists.relevance.shape[1]
    base = int(relevant.max(initial=0)) + 1
    groups, group, sizes = np.unique(
        labels * base + relevant, return_inverse=True, return_counts=True
    )
    hits = np.cumsum(
        sums(lists.relevance[answerable][np.argsort(group, kind="stable")], sizes), axis=1
    )
    _, groups_of_class = np.unique(groups // base, return_counts=True)
    queries = sums(sizes[:, None], groups_of_class)[:, 0]

    ks = np.arange(1, width + 1)
    cut = np.minimum(ks, (groups % base)[:, None])
    capped = sums(np.take_along_axis(hits, cut - 1, axis=1) / cut, groups_of_class)
    shortest = int(lists.retrieved[answerable].min(initial=width))
    plain = sums(hits[:, :shortest] / ks[:shortest], groups_of_class)
    curves = [
        pd.DataFrame(
            {"definition": definition, "average": average, "k": ks[: len(values)], "value": values}
        )
        for definition, sums in (("capped", capped), ("plain", plain))
        for average, values in (
            ("micro", ratio(sums.sum(axis=0), queries.sum())),
            ("macro", ratio((sums / queries[:, None]).sum(axis=0), np.int64(len(queries)))),
        )
    ]
    return pd.concat(curves, ignore_index=True).assign(queries=len(labels), classes=len(queries))


def group_means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """The means ``(count,)`` of ``values`` ``(n,)`` by group code, NaN for a group without
    values.
    """
    return ratio(np.bincount(groups, values, minlength=count), np.bincount(groups, minlength=count))


def sums(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sums ``(groups, K)`` of the rows ``(n, K)``, the first ``sizes[0]`` of them, then
    ``sizes[1]``, and so on.
    """
    kind = np.int64 if rows.dtype.kind in "bi" else np.float64
    if not len(sizes):
        return np.zeros((0, rows.shape[1]), dtype=kind)
    return np.add.reduceat(rows, np.cumsum(sizes) - sizes, axis=0, dtype=kind)
