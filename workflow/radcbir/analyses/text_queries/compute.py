"""What texts find: images classified by the nearest label's text, and images of a label found by
its text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from radcbir.analyses.text_queries.page import TOP
from radcbir.metrics.averages import group_means
from radcbir.metrics.per_query import RankedLists
from radcbir.metrics.registry import query_metrics

RETRIEVAL_METRICS = (
    "precision_at_1",
    "precision_at_5",
    "precision_at_10",
    "average_precision",
    "ndcg",
)


def read_label_vectors(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(l,)`` and their unit vectors ``(l, d)``."""
    with h5py.File(path) as file:
        return file["labels"].asstr()[:].astype(object), file["vectors"][:]


def zero_shot(
    vectors: np.ndarray, truth: np.ndarray, labels: np.ndarray, label_vectors: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Classify images ``(q, d)`` with the labels ``truth`` ``(q,)`` by the text that is nearest.

    Returns the summary (metric, average, value, count, classes) and, per label that an image has or
    gets, label, images, predicted, recall, precision (NaN where the label was never predicted).
    """
    scores = np.einsum("qd,ld->ql", vectors.astype(np.float64), label_vectors.astype(np.float64))
    place = pd.Index(labels).get_indexer(truth)
    predicted = scores.argmax(axis=1)
    own = scores[np.arange(len(place)), place][:, None]
    in_top = (scores > own).sum(axis=1) < TOP
    present, codes = np.unique(place, return_inverse=True)
    rows = []
    for metric, right in (("accuracy", predicted == place), (f"top_{TOP}_accuracy", in_top)):
        rows.append((metric, "micro", right.mean(), len(place), len(present)))
        rows.append(
            (
                metric,
                "macro",
                group_means(right.astype(float), codes, len(present)).mean(),
                len(place),
                len(present),
            )
        )
    images, guesses = (np.bincount(each, minlength=len(labels)) for each in (place, predicted))
    hits = np.bincount(place[predicted == place], minlength=len(labels))
    with np.errstate(invalid="ignore"):
        by_label = pd.DataFrame(
            {
                "label": labels,
                "images": images,
                "predicted": guesses,
                "recall": hits / images,
                "precision": hits / guesses,
            }
        )
    summary = pd.DataFrame(rows, columns=["metric", "average", "value", "count", "classes"])
    return summary, by_label[(images > 0) | (guesses > 0)].reset_index(drop=True)


def text_retrieval(
    ids: np.ndarray,
    vectors: np.ndarray,
    truth: np.ndarray,
    labels: np.ndarray,
    label_vectors: np.ndarray,
    k: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Find the images ``(n, d)`` of the index, with the labels ``truth`` ``(n,)``, that are nearest
    to each label's text.

    Returns the summary over labels that have images (metric, average, value, count, classes), the
    metrics per label, and the first images found (label, rank, neighbor, score), k deep.
    Definitions are those of image queries.
    """
    scores = np.einsum(
        "ld,nd->ln", label_vectors.astype(np.float64), vectors.astype(np.float64)
    ).astype(np.float32)
    order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores))[:, :k]
    relevance = truth[order] == labels[:, None]
    relevant = (truth[None, :] == labels[:, None]).sum(axis=1)
    lists = RankedLists(relevance, np.full(len(labels), order.shape[1]), relevant)
    found = query_metrics(lists)
    by_label = pd.DataFrame(
        {
            "label": labels,
            "index_images": relevant,
            **{name: found[name] for name in RETRIEVAL_METRICS},
        }
    )
    answerable = relevant > 0
    rows = [
        (
            name,
            "macro",
            found[name][answerable].mean() if answerable.any() else np.nan,
            int(answerable.sum()),
        )
        for name in RETRIEVAL_METRICS
    ]
    summary = pd.DataFrame(rows, columns=["metric", "average", "value", "count"]).assign(
        classes=int(answerable.sum())
    )
    first = pd.DataFrame(
        {
            "label": np.repeat(labels, order.shape[1]),
            "rank": np.tile(np.arange(1, order.shape[1] + 1), len(labels)),
            "neighbor": ids[order].ravel(),
            "score": np.take_along_axis(scores, order, axis=1).ravel(),
        }
    )
    return summary, by_label, first


@dataclass(frozen=True)
class TextEvaluation:
    """The tables of one model."""

    summary: pd.DataFrame
    """task, query_split (empty for retrieval), metric, average, value, count, classes."""
    zero_shot: pd.DataFrame
    """query_split, label, images, predicted, recall, precision."""
    retrieval: pd.DataFrame
    """label, index_images, :data:`RETRIEVAL_METRICS`."""
    found: pd.DataFrame
    """label, rank, neighbor, score."""


def evaluate_texts(
    catalog: pd.DataFrame,
    ids: np.ndarray,
    vectors: np.ndarray,
    labels: np.ndarray,
    label_vectors: np.ndarray,
    index_split: str,
    query_splits: Sequence[str],
    k: int,
) -> TextEvaluation:
    """Both tasks for one model: zero-shot classification of each query split that has images,
    retrieval from the index.

    ``ids`` ``(n,)``, sorted, and ``vectors`` ``(n, d)`` are the embedded images; those that the
    catalog lacks are left out.
    """
    known = catalog.set_index("id").reindex(ids)
    truth, split = known["label"].to_numpy(object), known["split"].to_numpy(object)
    summaries, by_label = [], []
    for name in query_splits:
        rows = split == name
        if not rows.any():
            continue
        summary, table = zero_shot(vectors[rows], truth[rows], labels, label_vectors)
        summaries.append(summary.assign(task="zero_shot", query_split=name))
        by_label.append(table.assign(query_split=name))
    rows = split == index_split
    summary, retrieval, found = text_retrieval(
        ids[rows], vectors[rows], truth[rows], labels, label_vectors, k
    )
    summaries.append(summary.assign(task="retrieval", query_split=""))
    first = ["task", "query_split"]
    stacked = pd.concat(summaries, ignore_index=True)
    per_label = pd.concat(by_label, ignore_index=True)
    return TextEvaluation(
        stacked[[*first, *stacked.columns.drop(first)]],
        per_label[["query_split", *per_label.columns.drop("query_split")]],
        retrieval,
        found,
    )
