"""Leakage: how much of the precision comes from images of the same patient, of the same study, or
from near duplicates.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.metrics.intervals import average, difference_interval, patients_as_clusters
from radcbir.metrics.lists import ranked_lists, relevant_in_index
from radcbir.metrics.per_query import capped_precision
from radcbir.retrieval.joined import Neighborhood, label_codes, patient_codes, study_codes

PRECISION_AT = (1, 5, 10)
NEAR_DUPLICATES, EMBEDDING_DUPLICATES = "no_near_duplicates", "no_embedding_duplicates"
VARIANTS = ["all", "other_patients", "other_studies", NEAR_DUPLICATES, EMBEDDING_DUPLICATES]
"""Which neighbors count, in the order of the table."""
COLUMNS = [
    "neighbors",
    "k",
    "precision",
    "precision_all",
    "leakage",
    "low",
    "high",
    "effective_patients",
    "queries",
    "queries_without_relevant",
    "queries_too_short",
    "left_out",
]


def leakage(
    catalog: pd.DataFrame, hood: Neighborhood, duplicates: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """P@k with and without the neighbors that are close to the query for another reason than its
    finding.

    ``duplicates`` has lists of pairs of image ids (columns image, other; either order) by what
    neighbors without them are called. Returns a row per k (:data:`PRECISION_AT`) and ``neighbors``:
    ``all``, ``other_patients`` and ``other_studies`` where patients and studies are known of
    queries and index, and each of ``duplicates``. What is left out counts neither as found nor as
    to be found (R). Columns:

    - ``precision``: P@k, capped; ``precision_all``: that of all neighbors for the very same
      queries; ``leakage``: their difference, the part of P@k that is lost; ``low``, ``high``: its
      95 % interval by patient, from ``effective_patients``;
    - ``queries`` in these averages; ``queries_without_relevant``, which nothing else could answer;
      ``queries_too_short``, whose list ends before min(k, R) other neighbors are reached: neither
      kind enters an average;
    - ``left_out``: the mean number of neighbors left out among the first k.
    """
    label = label_codes(catalog)
    query, asking, near = hood.queries, hood.asking, hood.neighbors
    right = label[near] == label[asking]
    deepest = max(PRECISION_AT)
    relevant = relevant_in_index(label[query], label[hood.index])
    every = ranked_lists(hood.offsets, right, None, relevant, deepest)
    variants: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "all": (np.zeros(len(near), dtype=bool), relevant)
    }
    for name, group in (
        ("other_patients", patient_codes(catalog)),
        ("other_studies", study_codes(catalog)),
    ):
        if (group[query] >= 0).any() and (group[hood.index] >= 0).any():
            others = relevant_in_index(
                label[query], label[hood.index], group[query], group[hood.index]
            )
            variants[name] = (group[near] == group[asking]) & (group[asking] >= 0), others
    for name, listed in duplicates.items():
        pairs = _pairs(catalog, listed)
        left_out = np.isin(asking.astype(np.int64) * len(catalog) + near, pairs)
        variants[name] = left_out, relevant - _relevant_duplicates(pairs, label, hood, len(catalog))
    rank = np.arange(len(near)) - np.repeat(hood.offsets[:-1], np.diff(hood.offsets))
    clusters, _ = patients_as_clusters(catalog["patient_id"].iloc[query])
    rows = []
    for name, (left_out, to_find) in variants.items():
        lists = ranked_lists(hood.offsets, right, left_out, to_find, deepest)
        for k in PRECISION_AT:
            short = (to_find > 0) & (lists.retrieved < np.minimum(k, to_find))
            counted = (to_find > 0) & ~short
            precision = capped_precision(lists.relevance, to_find, k)[counted]
            everything = capped_precision(every.relevance, relevant, k)[counted]
            mean, mean_all = (
                float(each.mean()) if len(each) else np.nan for each in (precision, everything)
            )
            patients = np.unique(clusters[counted], return_inverse=True)[1]
            lost = average((everything - precision)[:, None], patients)
            low, high = difference_interval(lost.value, lost.moves, lost.effective)
            if name not in duplicates and not left_out.any():  # 0 for other patients as well
                low, high = 0 * low, 0 * high
            rows.append(
                {
                    "neighbors": name,
                    "k": k,
                    "precision": mean,
                    "precision_all": mean_all,
                    "leakage": mean_all - mean,
                    "low": float(low[0]),
                    "high": float(high[0]),
                    "effective_patients": lost.effective,
                    "queries": int(counted.sum()),
                    "queries_without_relevant": int((to_find == 0).sum()),
                    "queries_too_short": int(short.sum()),
                    "left_out": float((left_out & (rank < k)).sum() / max(len(query), 1)),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def embedding_duplicates(
    catalog: pd.DataFrame, tables: Sequence[Sequence[str | Path]], similarity: float
) -> pd.DataFrame:
    """Queries and index images that most models hold for the same: by cosine ``similarity`` or
    more.

    ``tables`` has the paths of each model's neighbor tables (query, neighbor, score); a single
    model's space may be so narrow that everything in it is alike, hence the majority. Returns the
    pairs (image, other), how many ``models`` agree, their mean ``similarity``, and of both images
    path, dataset, split, label and patient; most similar first. Pairs beyond the first k neighbors
    of a query are not seen.
    """
    columns, close = ["query", "neighbor", "score"], [("score", ">=", similarity)]
    found = [
        pd.read_parquet(path, columns=columns, filters=close)
        for of_model in tables
        for path in of_model
    ]
    pairs = pd.concat(found) if found else pd.DataFrame(columns=columns, dtype=np.int64)
    pairs = pairs.groupby(["query", "neighbor"])["score"].agg(["size", "mean"]).reset_index()
    pairs.columns = ["image", "other", "models", "similarity"]
    pairs = pairs[pairs["models"] > len(tables) / 2]
    facts = catalog.set_index("id")[["path", "dataset", "split", "label", "patient_id"]]
    for side in ("image", "other"):
        pairs = pairs.join(facts.add_prefix(f"{side}_"), on=side)
    return pairs.sort_values(
        ["similarity", "image", "other"], ascending=[False, True, True], ignore_index=True
    )


def without_embedding_duplicates(
    catalog: pd.DataFrame,
    hoods: Iterable[tuple[str, str, Neighborhood]],
    pairs: pd.DataFrame | None,
) -> pd.DataFrame:
    """The rows of :func:`leakage` without near duplicates by embedding, of all models.

    ``hoods`` yields model, query split and neighborhood. ``pairs`` are those of
    :func:`embedding_duplicates`; None, where no model can tell them, gives a table without rows.
    """
    tables = []
    known = {} if pairs is None else {EMBEDDING_DUPLICATES: pairs}
    for model, split, hood in hoods if known else ():
        table = leakage(catalog, hood, known)
        table = table[table["neighbors"] == EMBEDDING_DUPLICATES]
        tables.append(
            table.assign(model=model, query_split=split)[["model", "query_split", *table]]
        )
    columns = ["model", "query_split", *COLUMNS]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _pairs(catalog: pd.DataFrame, near_duplicates: pd.DataFrame) -> np.ndarray:
    """Near duplicates as sorted numbers, row of the one x rows of the catalog + row of the other,
    both ways round.
    """
    ids = pd.Index(catalog["id"].to_numpy(np.int64))
    one, other = (
        ids.get_indexer(near_duplicates[name].to_numpy(np.int64)) for name in ("image", "other")
    )
    known = (one >= 0) & (other >= 0)
    one, other = one[known].astype(np.int64), other[known].astype(np.int64)
    return np.unique(np.concatenate([one * len(catalog) + other, other * len(catalog) + one]))


def _relevant_duplicates(
    pairs: np.ndarray, label: np.ndarray, hood: Neighborhood, images: int
) -> np.ndarray:
    """Per query, how many of its near duplicates are index images with its label."""
    one, other = pairs // max(images, 1), pairs % max(images, 1)
    in_index = np.zeros(images, dtype=bool)
    in_index[hood.index] = True
    counted = in_index[other] & (label[one] == label[other])
    return np.bincount(one[counted], minlength=images)[hood.queries]
