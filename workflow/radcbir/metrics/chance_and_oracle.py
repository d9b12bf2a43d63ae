"""What to compare a model with: random neighbors as the floor, the label oracle as the ceiling.

Both follow from how many index images each query's class has (R of N); nothing is drawn at
random. Random means that every order of the N index images is equally likely, and that the first K
are the list. The oracle ranks all R right images first.
"""

import numpy as np
import pandas as pd

from radcbir.metrics.averages import group_means
from radcbir.metrics.lists import relevant_in_index
from radcbir.metrics.per_query import RankedLists
from radcbir.metrics.registry import averaged_name, chance_metrics, query_metrics


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
            # Queries of one class have the same values: each pair of R and N is computed once.
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
                    averages = {"micro": np.nan, "macro": np.nan}
                    if len(each):
                        averages = {"micro": each.mean(), "macro": macro.mean()}
                    rows += [
                        (name, split, variant, averaged_name(metric), average, value)
                        for average, value in averages.items()
                    ]
                tables.append(
                    pd.DataFrame(rows, columns=COLUMNS).assign(queries=int(answered.sum()))
                )
    return pd.concat(tables, ignore_index=True)


COLUMNS = ["model", "query_split", "neighbors", "metric", "average", "value"]
