"""How much a larger index helps: the same queries, searched exactly in nested random parts of the
index.

The neighbor lists of the whole index would tell what a part of it holds only as far as they reach
(1 % of an index: a hundred times as deep), so each part is searched anew. The default shares cost
0.44 of a full search per seed, and one full search. FAISS is used through ``search`` alone,
imported on use.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from radcbir.core.logs import logger
from radcbir.metrics import averages
from radcbir.metrics.evaluation import evaluate
from radcbir.retrieval import exact
from radcbir.retrieval.fused import fused_neighbor_table
from radcbir.retrieval.index_file import index_in_memory
from radcbir.retrieval.neighbor_table import Queries

METRICS = ("precision_at_1", "precision_at_10", "plain_precision_at_10")

DEPTH = 10


def nested_parts(
    patients: list[str | None] | np.ndarray, shares: Sequence[float], seed: int
) -> list[np.ndarray]:
    """Which images ``(n,)`` bool each part holds, in the order of ``shares``: each share's part
    holds the smaller ones'.

    Patients are put in a random order, and a part holds the images of the first of them: the share
    of the number of patients, rounded up. An image whose patient is not known (None) is a patient
    of its own.
    """
    patient = pd.factorize(pd.Series(patients, dtype=object))[0]
    unknown = patient < 0
    patient[unknown] = patient.max(initial=-1) + 1 + np.arange(unknown.sum())
    count = int(patient.max(initial=-1)) + 1
    place = np.random.default_rng(seed).permutation(count)
    # The tolerance keeps 0.1 x 30 from being four patients.
    return [place[patient] < np.ceil(share * count - 1e-9) for share in shares]


def index_size_table(
    index_images: pd.DataFrame,
    index_vectors: np.ndarray,
    query_images: pd.DataFrame,
    query_vectors: np.ndarray,
    catalog: pd.DataFrame,
    index_split: str,
    query_split: str,
    shares: Sequence[float],
    seeds: int,
    k: int,
    fused: Mapping | None = None,
) -> pd.DataFrame:
    """P@1 and P@10 of the queries of one split against nested parts of the index, exact.

    ``index_images`` and ``query_images`` have a row per vector (columns id, patient_id),
    ``catalog`` is the pooled one; metrics deeper than ``k`` are missing. ``fused`` says how a
    fusion by score or rank puts its members together (keys by, widths, as for
    ``fusion.fused_neighbor_table``).

    Returns neighbors, share, seed, patients, index_images, metric, average, counting, value,
    queries, answerable. The queries are those that the whole index can answer, the same at each
    size; ``answerable`` of them have an image of their class in the part. The others count 0
    (``counting`` = ``all``) or are left out (``answerable``). The whole index stands under each
    seed.
    """
    shares = sorted({*shares, 1.0})
    depth = min(DEPTH, k)
    patients = index_images["patient_id"].to_numpy(object)

    def searched(held: np.ndarray) -> pd.DataFrame:
        """The metrics of single queries against the part of the index that is held."""
        part = index_images[held]
        ids, vectors = part["id"].to_numpy(), index_vectors[held]
        asked = Queries(
            query_images["id"].to_numpy(),
            query_vectors,
            depth,
            query_images["patient_id"].to_numpy(object),
            part.set_index("id")["patient_id"],
        )
        if fused:
            table = fused_neighbor_table(fused["by"], fused["widths"], ids, vectors, asked)
        else:
            table = exact.neighbor_table(index_in_memory(ids, vectors), asked)
        embedded = np.concatenate([part["id"], query_images["id"]])
        found = evaluate(table.to_pandas(), catalog, embedded, index_split, query_split, depth)
        return found.per_query

    everything = searched(np.ones(len(index_images), dtype=bool))
    rows: list[dict] = []
    for seed in range(seeds):
        parts = nested_parts(patients, shares, seed)
        for smaller, larger in itertools.pairwise(parts):
            if (smaller & ~larger).any():
                raise AssertionError("the parts of the index are not nested")
        for share, held in zip(shares, parts, strict=True):
            per_query = everything if held.all() else searched(held)
            about = {"share": share, "seed": seed, "index_images": int(held.sum())}
            about["patients"] = _count(patients[held])
            for variant, asked in everything.groupby("neighbors", sort=False):
                # A part without a known patient has the one variant that leaves out nobody.
                there = variant if (per_query["neighbors"] == variant).any() else "all"
                same = (
                    per_query[per_query["neighbors"] == there]
                    .set_index("query")
                    .reindex(asked["query"])
                )
                rows += _averages(asked, same, about | {"neighbors": variant})
            logger.info(
                "%s, seed %d: %d of %d index images", query_split, seed, held.sum(), len(held)
            )
    columns = [
        "neighbors",
        "share",
        "seed",
        "patients",
        "index_images",
        "metric",
        "average",
        "counting",
        "value",
    ]
    return pd.DataFrame(rows)[[*columns, "queries", "answerable"]]


def _averages(asked: pd.DataFrame, found: pd.DataFrame, about: dict) -> list[dict]:
    """Rows of the table: ``asked`` are the queries' metrics with the whole index, ``found`` theirs
    with the part.
    """
    can = asked["relevant_in_index"].to_numpy() > 0
    answerable = found["relevant_in_index"].fillna(0).to_numpy()[can] > 0
    labels = pd.factorize(asked["label"][can], sort=True)[0]
    rows = []
    for metric in METRICS:
        known = asked[metric].to_numpy()[can]
        values = found[metric].to_numpy(float)[can]
        unknown = np.isnan(known).any() or np.isnan(values[answerable]).any()
        for counting, kept in (
            ("all", np.ones(len(values), dtype=bool)),
            ("answerable", answerable),
        ):
            counted = np.where(answerable, values, 0.0)[kept]
            classes = np.unique(labels[kept], return_inverse=True)[1]
            macro = averages.group_means(counted, classes, int(classes.max(initial=-1)) + 1)
            for average, each in (("micro", counted), ("macro", macro)):
                value = np.nan if unknown or not len(each) else float(each.mean())
                row = {"metric": metric, "average": average, "counting": counting, "value": value}
                rows.append(
                    about | row | {"queries": int(can.sum()), "answerable": int(answerable.sum())}
                )
    return rows


def _count(patients: np.ndarray) -> int:
    """How many patients; images whose patient is unknown count one each."""
    series = pd.Series(patients, dtype=object)
    return int(series.nunique() + series.isna().sum())
