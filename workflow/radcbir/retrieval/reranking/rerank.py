"""The neighbor table of a reranked model, from what its base found and the vectors of its base."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from radcbir.retrieval.exact import exact_searcher
from radcbir.retrieval.neighbor_table import NEIGHBOR_SCHEMA, Queries, table_of
from radcbir.retrieval.reranking.diffusion import Diffusion
from radcbir.retrieval.reranking.expansion import expanded
from radcbir.retrieval.reranking.graph import Graph
from radcbir.retrieval.reranking.k_reciprocal import Neighborhoods
from radcbir.retrieval.reranking.lists import Lists


def rerank(
    settings: Mapping[str, Any],
    found: pa.Table,
    queries: Queries,
    index: tuple[np.ndarray, np.ndarray],
    graph: Graph | None,
) -> tuple[pa.Table, dict[str, float]]:
    """The neighbors of ``queries`` in the order that ``settings`` ask for (``by``, and its
    settings).

    ``found`` is the neighbor table of the base, ``index`` the ids ``(n,)`` and vectors ``(n, d)`` of
    the index, ``graph`` their neighbors, which ``query_expansion`` does not need. ``query_expansion`` and
    ``database_augmentation`` search again; ``k_reciprocal`` and ``diffusion`` order the lists of the
    base anew. Also returns what it took: ``queries``, ``preparation_seconds``,
    ``milliseconds_per_query``.
    """
    ids, vectors = index
    way, start = settings["by"], time.perf_counter()
    lists = lists_of(found, queries, ids)
    if way == "query_expansion":
        nearest = exact_searcher(vectors)
    elif way == "database_augmentation":
        assert graph is not None
        nearest = exact_searcher(_augmented(vectors, graph, queries, ids, settings))
    elif way == "k_reciprocal":
        assert graph is not None
        scored: Any = Neighborhoods(graph, vectors, settings)
    else:
        assert graph is not None
        scored = Diffusion(graph, settings)
    prepared = time.perf_counter()
    if way in ("query_expansion", "database_augmentation"):
        asked = queries.vectors
        if way == "query_expansion":
            first = lists.first(settings["neighbors"])
            asked = expanded(asked, vectors, *first, settings["alpha"])
        table = table_of(
            lambda block, depth: nearest(asked[block], depth), ids, queries, {"score": way}
        )
    else:
        table = _reordered(found, lists, scored.scores(lists), way)
    seconds = time.perf_counter() - prepared
    return table, {
        "queries": len(lists),
        "preparation_seconds": prepared - start,
        "milliseconds_per_query": 1000 * seconds / max(len(lists), 1),
    }


def lists_of(found: pa.Table, queries: Queries, ids: np.ndarray) -> Lists:
    """The lists of a neighbor table, whose queries are those of ``queries`` in the same order."""
    asked = found["query"].to_numpy()
    starts = np.flatnonzero(np.diff(asked, prepend=-1))
    if not np.array_equal(asked[starts], queries.ids):
        raise ValueError("the neighbor table is that of other queries")
    return Lists(
        queries.vectors,
        np.append(starts, len(asked)),
        pd.Index(ids).get_indexer(found["neighbor"].to_numpy()),
        found["score"].to_numpy(),
        found["same_patient"].to_numpy(zero_copy_only=False),
    )


def _augmented(
    vectors: np.ndarray, graph: Graph, queries: Queries, ids: np.ndarray, settings: Mapping
) -> np.ndarray:
    """The index's vectors, each averaged with its neighbors; images of patients who ask lend
    nothing to others.
    """
    places = graph.places[:, : settings["neighbors"]]
    if queries.patients is not None and queries.index_patients is not None:
        asking = set(pd.Series(queries.patients, dtype=object).dropna())
        patients = pd.Series(queries.index_patients, dtype=object).reindex(ids)
        places = np.where(patients.isin(asking).to_numpy()[places], -1, places)
    scores = graph.scores[:, : settings["neighbors"]]
    return expanded(vectors, vectors, places, scores, settings["alpha"])


def _reordered(found: pa.Table, lists: Lists, scores: np.ndarray, way: str) -> pa.Table:
    """A neighbor table with new scores, each list by falling score, then as it was."""
    scores = scores.astype(np.float32)
    row = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    order = np.lexsort((np.arange(len(row)), -scores, row))
    metadata = {**(found.schema.metadata or {}), b"score": way.encode()}
    columns = {
        "query": found["query"].to_numpy(),
        "rank": found["rank"].to_numpy(),
        "neighbor": found["neighbor"].to_numpy()[order],
        "score": scores[order],
        "same_patient": lists.own[order],
    }
    return pa.table(columns, schema=NEIGHBOR_SCHEMA.with_metadata(metadata))
