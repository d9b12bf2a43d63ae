"""Retrieval from one dataset into another: exact searches restricted to the images of one dataset.

FAISS is used through :mod:`radcbir.retrieval.exact`, imported on use.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from radcbir.metrics.lists import relevant_in_index
from radcbir.metrics.per_query import capped_precision
from radcbir.retrieval.exact import search
from radcbir.retrieval.index_file import index_in_memory
from radcbir.retrieval.joined import Neighborhood, codes

PRECISION_AT = (1, 10)

PURITY_AT = (1, 10)


Read = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Those of some ids that are embedded, sorted, and their unit vectors."""


def nearest(
    index_ids: np.ndarray, index_vectors: np.ndarray, queries: np.ndarray, k: int
) -> np.ndarray:
    """The ids ``(q, k)`` of the nearest among some images, exactly, k at most as many as there
    are.
    """
    index = index_in_memory(index_ids, index_vectors)
    return search(index, queries, min(k, len(index_ids)))[0]


def cross_dataset(
    catalog: pd.DataFrame, read: Read, index_split: str, query_split: str
) -> pd.DataFrame:
    """P@k of the queries of each dataset in the index images of each dataset, a row per pair.

    Both sides are restricted to the classes that have queries in the one dataset and index images
    in the other. Columns: query_dataset, index_dataset, classes, queries, index_images, ``chance``
    (P@1 of a random index image), precision_at_1, precision_at_10 (capped); and
    ``own_precision_at_1``, ``own_chance``: the same queries in the index of their own dataset,
    restricted to those classes, over the ``own_queries`` that it can answer. A pair without a
    common class has 0 queries and no values. Index images of the query's own patient are left out
    everywhere: splits may share patients, and these are at home in one dataset alone.
    """
    usable = catalog[catalog["label"].notna()]
    label = pd.Series(codes(usable["label"])[0], index=usable["id"].to_numpy(np.int64))
    patient = pd.Series(pd.factorize(usable["patient_id"])[0], index=label.index)
    datasets = sorted(usable["dataset"].unique())
    ids = {
        (split, dataset): usable.loc[
            (usable["split"] == split) & (usable["dataset"] == dataset), "id"
        ].to_numpy(np.int64)
        for split in (index_split, query_split)
        for dataset in datasets
    }
    rows = []
    for asking in datasets:
        query_ids, query_vectors = read(ids[query_split, asking])
        query_labels = label.loc[query_ids].to_numpy()
        own_ids, own_vectors = read(ids[index_split, asking])
        for asked in datasets:
            index_ids, index_vectors = (
                (own_ids, own_vectors) if asked == asking else read(ids[index_split, asked])
            )
            shared = np.intersect1d(query_labels, label.loc[index_ids].to_numpy())
            chosen = np.isin(query_labels, shared)
            found = _precision(
                query_ids[chosen],
                query_vectors[chosen],
                index_ids,
                index_vectors,
                label,
                patient,
                shared,
            )
            own = (
                found
                if asked == asking
                else _precision(
                    query_ids[chosen],
                    query_vectors[chosen],
                    own_ids,
                    own_vectors,
                    label,
                    patient,
                    shared,
                )
            )
            rows.append(
                {
                    "query_dataset": asking,
                    "index_dataset": asked,
                    "classes": len(shared),
                    **found,
                    "own_precision_at_1": own["precision_at_1"],
                    "own_chance": own["chance"],
                    "own_queries": own["queries"],
                }
            )
    return pd.DataFrame(rows)


def _precision(
    query_ids: np.ndarray,
    query_vectors: np.ndarray,
    index_ids: np.ndarray,
    index_vectors: np.ndarray,
    label: pd.Series,
    patient: pd.Series,
    classes: np.ndarray,
) -> dict[str, float]:
    """P@k of some queries in the index images of some classes and of other patients; queries that
    nothing there could answer are left out.

    ``label`` and ``patient`` have the code of every image, -1 for a patient who is not known.
    """
    index_labels = label.loc[index_ids].to_numpy()
    kept = np.isin(index_labels, classes)
    index_ids, index_vectors, index_labels = (
        index_ids[kept],
        index_vectors[kept],
        index_labels[kept],
    )
    query_labels = label.loc[query_ids].to_numpy()
    patients = patient.loc[query_ids].to_numpy(), patient.loc[index_ids].to_numpy()
    relevant = relevant_in_index(query_labels, index_labels, *patients)
    answerable = relevant > 0
    values: dict[str, float] = {"queries": int(answerable.sum()), "index_images": len(index_ids)}
    if not answerable.any():
        return values | {"chance": np.nan} | {f"precision_at_{k}": np.nan for k in PRECISION_AT}
    relevant, query_labels = relevant[answerable], query_labels[answerable]
    asking = patients[0][answerable]
    own_images = np.bincount(patients[1] + 1, minlength=int(patient.max()) + 2)[asking + 1]
    own_images[asking < 0] = 0
    depth = max(PRECISION_AT) + int(own_images.max())
    found = nearest(index_ids, index_vectors, query_vectors[answerable], depth)
    neighbors = patient.loc[found.ravel()].to_numpy().reshape(found.shape)
    own = (neighbors == asking[:, None]) & (asking[:, None] >= 0)
    relevance = label.loc[found.ravel()].to_numpy().reshape(found.shape) == query_labels[:, None]
    # Those of other patients move to the front of the list, in their order.
    relevance = np.take_along_axis(relevance & ~own, np.argsort(own, axis=1, kind="stable"), axis=1)
    values["chance"] = float((relevant / (len(index_ids) - own_images)).mean())
    return values | {
        f"precision_at_{k}": float(capped_precision(relevance, relevant, k).mean())
        for k in PRECISION_AT
    }


def source_purity(
    catalog: pd.DataFrame, hood: Neighborhood, ks: Sequence[int] = PURITY_AT
) -> pd.DataFrame:
    """The share of the first k neighbors that come from the query's own dataset: query_dataset, k,
    purity, chance, queries.

    ``chance`` is the share of index images from that dataset: what a random neighbor gives.
    """
    code, names = codes(catalog["dataset"])
    own = code[hood.neighbors] == code[hood.asking]
    position = np.repeat(np.arange(len(hood.queries)), np.diff(hood.offsets))
    rank = np.arange(len(own)) - hood.offsets[position]
    of_index = np.bincount(code[hood.index], minlength=len(names)) / max(len(hood.index), 1)
    rows = []
    for k in ks:
        first = rank < k
        asked = np.bincount(position[first], minlength=len(hood.queries))
        share = np.bincount(position[first], own[first], minlength=len(hood.queries)) / np.maximum(
            asked, 1
        )
        for dataset, name in enumerate(names):
            here = code[hood.queries] == dataset
            if here.any():
                rows.append(
                    (name, k, float(share[here].mean()), float(of_index[dataset]), int(here.sum()))
                )
    return pd.DataFrame(rows, columns=["query_dataset", "k", "purity", "chance", "queries"])
