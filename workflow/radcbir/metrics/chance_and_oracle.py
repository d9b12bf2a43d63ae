"""What figures to hold a model against: random neighbors as the floor, the label oracle as the
ceiling.

Both follow from how many index images each query's class has (R of N); neither draws anything at
random. Random means: the N index images in an order of which each permutation is equally likely,
the first K of them the list. The oracle puts all R right ones first.
"""

import numpy as np
import pandas as pd
from scipy.special import gammaln

from radcbir.metrics.averages import group_means
from radcbir.metrics.lists import relevant_in_index
from radcbir.metrics.per_query import (
    AVERAGED_NAMES,
    HIT_RATE_AT,
    PRECISION_AT,
    RankedLists,
    query_metrics,
)


def chance_metrics(relevant: np.ndarray, index_images: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The expected metrics ``(q,)`` of random neighbors, from R and N ``(q,)``, by the names of
    ``metrics.query_metrics``.

    With p = R/N: precision in both definitions and R-precision p; hit rate 1 - C(N-R, k) / C(N, k);
    nDCG@K p x the sum of discounts over the ideal one; AP@K the sum over i <= K of p (1 +
    (i-1)(R-1)/(N-1)) / i over min(R, K), since a hit at rank i goes with (i-1)(R-1)/(N-1) further
    ones before it; MRR@K the sum over ranks of 1/i times the chance that the first hit stands
    there.
    """
    r, n = np.asarray(relevant, dtype=float), np.asarray(index_images, dtype=float)
    depth = np.minimum(n, k)
    share = np.divide(r, n, out=np.zeros_like(r), where=n > 0)
    ranks = np.arange(1, k + 1)
    within = ranks <= depth[:, None]
    missed = np.concatenate([np.ones((len(r), 1)), _missed(r[:, None], n[:, None], ranks)], axis=1)
    discounts = np.where(within, 1 / np.log2(ranks + 1), 0)
    best = np.minimum(r, depth).astype(int)
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(ranks + 1))])[best]
    before = (ranks - 1) * np.divide(r - 1, n - 1, out=np.zeros_like(r), where=n > 1)[:, None]
    precise = np.where(within, share[:, None] * (1 + before) / ranks, 0).sum(axis=1)
    first_hit = np.where(within, missed[:, :-1] - missed[:, 1:], 0)
    values = {
        f"precision_at_{each}": np.where(np.minimum(r, each) <= k, share, np.nan)
        for each in PRECISION_AT
    }
    values |= {
        f"plain_precision_at_{each}": np.where(depth >= each, share, np.nan)
        for each in PRECISION_AT
    }
    values["r_precision"] = share
    values["average_precision"] = precise / np.maximum(best, 1)
    values["ndcg"] = share * discounts.sum(axis=1) / np.where(ideal > 0, ideal, 1)
    values["reciprocal_rank"] = (first_hit / ranks).sum(axis=1)
    for each in HIT_RATE_AT:
        values[f"hit_rate_at_{each}"] = (
            1 - missed[:, each] if each <= k else np.full(len(r), np.nan)
        )
    return {name: np.where(r > 0, value, np.nan) for name, value in values.items()}


def oracle_metrics(relevant: np.ndarray, index_images: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The metrics ``(q,)`` of an encoder that puts all right index images first: what R and k alone
    allow.
    """
    relevant, depth = np.asarray(relevant), np.minimum(index_images, k)
    lists = RankedLists(np.arange(k) < np.minimum(relevant, depth)[:, None], depth, relevant)
    return query_metrics(lists)


def bounds(
    catalog: pd.DataFrame, index_split: str, query_splits: list[str], k: int
) -> pd.DataFrame:
    """Floor and ceiling per query split, as a comparison's ``summary.csv``: model (``chance``,
    ``oracle``), metric, ...

    From the pooled ``catalog``, so that the bounds are one for all models; images that a model
    rejected count here, those with several labels (``label`` is missing) do not. Where patients are
    known, the variant ``other_patients`` leaves the query's own patient out of R and N.
    """
    catalog = catalog[catalog["label"].notna()]
    label = pd.factorize(catalog["label"], sort=True)[0]
    patient = pd.factorize(catalog["patient_id"])[0]
    index = np.flatnonzero(catalog["split"] == index_split)
    tables = []
    for split in query_splits:
        queries = np.flatnonzero(catalog["split"] == split)
        variants = {
            "all": (
                relevant_in_index(label[queries], label[index]),
                np.full(len(queries), len(index)),
            )
        }
        if (patient[queries] >= 0).any() and (patient[index] >= 0).any():
            others = relevant_in_index(
                label[queries], label[index], patient[queries], patient[index]
            )
            own = np.bincount(patient[index] + 1, minlength=int(patient.max()) + 2)
            own[0] = 0
            variants["other_patients"] = others, len(index) - own[patient[queries] + 1]
        for variant, (relevant, size) in variants.items():
            # Queries of one class stand alike: each pair of R and N is worked out once.
            pairs, place = np.unique(
                np.stack([relevant, size], axis=1), axis=0, return_inverse=True
            )
            answered = relevant > 0
            _, classes = np.unique(label[queries][answered], return_inverse=True)
            for name, compute in (("chance", chance_metrics), ("oracle", oracle_metrics)):
                values = compute(pairs[:, 0], pairs[:, 1], k)
                rows = []
                for metric in chance_metrics(pairs[:0, 0], pairs[:0, 1], k):
                    each = values[metric][place.ravel()][answered]
                    macro = group_means(each, classes, int(classes.max(initial=-1)) + 1)
                    averages = (
                        {"micro": each.mean(), "macro": macro.mean()}
                        if len(each)
                        else {"micro": np.nan}
                    )
                    rows += [
                        (name, split, variant, AVERAGED_NAMES.get(metric, metric), average, value)
                        for average, value in averages.items()
                    ]
                tables.append(
                    pd.DataFrame(rows, columns=COLUMNS).assign(queries=int(answered.sum()))
                )
    return pd.concat(tables, ignore_index=True)


COLUMNS = ["model", "query_split", "neighbors", "metric", "average", "value"]


def _missed(r: np.ndarray, n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """C(n-r, k) / C(n, k): the chance that none of the first k is right; 0 where k > n - r."""
    rest = np.maximum(n - r - k, 0)
    logarithm = (
        gammaln(n - r + 1) + gammaln(np.maximum(n - k, 0) + 1) - gammaln(rest + 1) - gammaln(n + 1)
    )
    return np.where(n - r >= k, np.exp(logarithm), 0.0)
