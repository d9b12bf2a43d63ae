"""Paper mode: the figures as the reference's scripts compute them, each of their quirks a switch of its own.

The reference is the code of Denner et al. (arXiv 2403.06567). Its retrieval evaluation goes from neighbor lists to P@k, its
kNN classification takes the shares of labels among the first n neighbors for probabilities and chooses k on the
validation split by micro F1. With every switch off, the figures are the corrected ones.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from radcbir.catalog import normal_label
from radcbir.classification import best_k, classification_metrics, voted_predictions
from radcbir.embeddings import read_ids
from radcbir.errors import InputError
from radcbir.files import atomic_write
from radcbir.metrics import capped_precision, with_one_label

QUIRKS = {
    "cut_list": "P@k cuts the list at n = min(k, index images of the query's class) and divides by n; corrected: the hits among "
    "the first k over k, whatever the class",
    "stop_before_last_k": "k ends one before the length of the lists, for P@k and for the choice of k; corrected: it ends "
    "where they end",
    "silent_gaps": "queries whose class has no index image, and queries without an embedding, leave the averages without a word; "
    "corrected: they leave them too, but the export counts them",
    "count_missing_images": "n counts every index image that is listed, with an embedding or without; corrected: those that can "
    "be found",
    "invented_neighbors": "where k is beyond the end of the index, the lists go on with its last image again and again; "
    "corrected: they end with the index",
    "spread_as_std": "the standard deviation of the queries' values (macro: its mean over classes) stands beside each mean as if "
    "it were its uncertainty; corrected: the export leaves it out",
    "label_leak": "the votes are cut at the number of index images of the query's true class, which the classifier cannot know; "
    "corrected: k votes for every query",
    "k_off_by_one": "the row number, from 0, of the best k is used for k, so that one neighbor less votes than was chosen; "
    "corrected: the best k itself",
    "first_column_wins": "equal votes go to the class whose column comes first in the dataset CSVs; corrected: to the one "
    "with the nearest neighbor",
    "macro_over_predicted": "macro F1, precision and recall count a class that is predicted but has no query as 0; corrected: "
    "they run over the classes that have queries",
}
"""The reference's quirks -> what it does, and what is done instead when the switch is off."""

PRECISION_AT = (1, 3, 5, 10)
PRECISION_COLUMNS = ["micro_precision_mean", "micro_precision_std", "macro_precision_mean", "macro_precision_std"]
"""The columns of the reference's ``retrieval.csv``, after that of the row numbers."""
CLASSIFICATION = {
    "micro_roc_auc": ("roc_auc", "micro"),
    "micro_f1": ("f1", "micro"),
    "macro_roc_auc": ("roc_auc", "macro"),
    "macro_f1": ("f1", "macro"),
    "macro_precision": ("precision", "macro"),
    "macro_recall": ("recall", "macro"),
    "macro_accuracy": ("accuracy", "micro"),
}
"""The columns of the reference's ``knn_classification.csv`` -> metric and average; its macro accuracy is plain accuracy."""

QUERIES_PER_BLOCK = 4096


# --- the reference's orders -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """What the reference takes from the dataset CSVs beside their content: orders, which settle ties."""

    columns: list[str]
    """The labels, in the order of the columns, datasets one after the other."""
    position: dict[tuple[str, str], int]
    """Dataset and path -> the row's place, datasets one after the other."""


def read_listing(csvs: Mapping[str, str | Path]) -> Listing:
    """The orders of rows and label columns in dataset CSVs (by dataset, in the order in which they are pooled)."""
    columns: dict[str, None] = {}
    position: dict[tuple[str, str], int] = {}
    for dataset, path in csvs.items():
        with open(path, newline="", encoding="utf-8-sig") as handle:
            header = [name.strip() for name in next(csv.reader(handle))]
        written = next((name for name in ("label", "labels") if name in header), None)
        if written:
            given = _column(path, header, written).dropna().str.split("|" if written == "labels" else "\n", regex=False)
            labels: Iterable[str] = sorted(set(given.explode()))
        else:
            labels = [name for name in header if re.match(r"^[^/]+/[^/]+/.+$", name) and not name.startswith("x_")]
        columns |= dict.fromkeys(normal_label(label) for label in labels)
        for given in _column(path, header, "filepath").fillna(""):
            key = dataset, str(PurePosixPath(given.strip().replace("\\", "/")))
            position.setdefault(key, len(position))
    return Listing(list(columns), position)


def _column(path: str | Path, header: Sequence[str], name: str) -> pd.Series:
    place = header.index(name)
    return pd.read_csv(path, usecols=[place], dtype=str, encoding="utf-8-sig").iloc[:, 0]


# --- neighbor lists as arrays ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PaperLists:
    """The neighbor lists of one query split, k wide, as the reference would have them."""

    queries: np.ndarray
    """``(q,)`` int: the queries' rows in the catalog, in the order of the CSVs."""
    labels: np.ndarray
    """``(q,)`` int: their labels, as places among the columns."""
    neighbors: np.ndarray
    """``(q, K)`` int: the neighbors' rows in the catalog, -1 beyond the end of the index."""
    neighbor_labels: np.ndarray
    """``(q, K)`` int: their labels, -1 beyond the end."""
    listed: np.ndarray
    """``(q,)`` int: listed index images of the query's class."""
    findable: np.ndarray
    """``(q,)`` int: those of them that have an embedding."""
    last: int
    """The row of the index image that comes last, which FAISS's -1 turns into."""
    classes: int
    """How many label columns there are."""
    without_embedding: int
    """Queries that are listed and have no embedding."""
    label_of_row: np.ndarray
    """``(n,)`` int: the label of every row of the catalog."""


def paper_lists(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    listing: Listing,
    index_split: str,
    query_split: str,
    k: int,
) -> PaperLists:
    """Lay a neighbor table (query, rank, neighbor) out as the reference's lists of the first k neighbors.

    ``catalog`` is the experiment's pooled catalog, ``embedded`` the ids (n,) of its images that have an embedding.
    Neighbors of the query's own patient stay in, as they do there.
    """
    ids = pd.Index(catalog["id"].to_numpy(np.int64))
    column_of = {label: place for place, label in enumerate(listing.columns)}
    for label in sorted(set(catalog["label"]) - set(column_of)):
        column_of[label] = len(column_of)
    labels = catalog["label"].map(column_of).to_numpy(np.int64)
    keys = zip(catalog["dataset"], catalog["path"], strict=True)
    position = np.array([listing.position.get(key, len(listing.position)) for key in keys], dtype=np.int64)
    is_embedded = ids.isin(np.asarray(embedded, dtype=np.int64))
    split = catalog["split"].to_numpy(object)
    index = np.flatnonzero((split == index_split) & is_embedded)
    first = neighbors[neighbors["rank"] <= k]
    query = ids.get_indexer(first["query"].to_numpy())
    rows = np.unique(query)
    rows = rows[np.argsort(position[rows], kind="stable")]
    place = np.empty(len(catalog), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    table = np.full((len(rows), k), -1, dtype=np.int64)
    table[place[query], first["rank"].to_numpy() - 1] = ids.get_indexer(first["neighbor"].to_numpy())
    counts = [np.bincount(labels[each], minlength=len(column_of)) for each in (split == index_split, index)]
    return PaperLists(
        queries=rows,
        labels=labels[rows],
        neighbors=table,
        neighbor_labels=np.where(table >= 0, labels[table], -1),
        listed=counts[0][labels[rows]],
        findable=counts[1][labels[rows]],
        last=int(index[np.argmax(position[index])]),
        classes=len(column_of),
        without_embedding=int(((split == query_split) & ~is_embedded).sum()),
        label_of_row=labels,
    )


def switches(settings: Mapping) -> dict[str, bool]:
    """The switches among an experiment's ``paper_mode`` settings."""
    return {name: settings[name] for name in QUIRKS}


def read_lists(files: Any, settings: Any) -> tuple[pd.DataFrame, dict[str, PaperLists]]:
    """The pooled catalog, and the lists of the ``test`` and the ``validation`` split (where there is one).

    The paper knows images with one label only; those with several are left out of both.
    ``files`` has ``neighbors`` (a table per split), ``catalog``, ``embeddings`` and ``csvs``, ``settings`` has ``splits``,
    ``datasets``, ``index_split`` and ``k``: a script's inputs and parameters, which the rules of this stage share.
    """
    pooled = pd.read_parquet(files.catalog)
    embedded = np.concatenate([read_ids(path) for path in files.embeddings])
    listing = read_listing(dict(zip(settings.datasets, files.csvs, strict=True)))
    lists = {}
    for role, split, path in zip(("test", "validation"), settings.splits, files.neighbors, strict=False):
        neighbors = pd.read_parquet(path, columns=["query", "rank", "neighbor"])
        neighbors, catalog = with_one_label(neighbors, pooled)
        lists[role] = paper_lists(neighbors, catalog, embedded, listing, settings.index_split, split, settings.k)
    return catalog, lists


def _neighbor_labels(lists: PaperLists, quirks: Mapping[str, bool]) -> np.ndarray:
    if not quirks["invented_neighbors"]:
        return lists.neighbor_labels
    return np.where(lists.neighbor_labels < 0, lists.label_of_row[lists.last], lists.neighbor_labels)


def _relevant(lists: PaperLists, quirks: Mapping[str, bool]) -> np.ndarray:
    return lists.listed if quirks["count_missing_images"] else lists.findable


def _ks(lists: PaperLists, quirks: Mapping[str, bool]) -> range:
    return range(1, lists.neighbors.shape[1] + (0 if quirks["stop_before_last_k"] else 1))


# --- figures --------------------------------------------------------------------------------------------------------


def retrieval_table(lists: PaperLists, quirks: Mapping[str, bool]) -> pd.DataFrame:
    """The reference's ``retrieval.csv``: a row per k from 1, mean and spread of P@k over queries (micro) and classes (macro).

    Spreads divide by n - 1; that of macro is the mean over the classes with two queries or more. A query whose class has no
    index image is in no figure.
    """
    relevance = _neighbor_labels(lists, quirks) == lists.labels[:, None]
    relevant = _relevant(lists, quirks)
    answerable = relevant > 0
    relevance, relevant, labels = relevance[answerable], relevant[answerable], lists.labels[answerable]
    length = np.full(len(labels), relevance.shape[1])
    if not quirks["invented_neighbors"]:
        length = (lists.neighbors[answerable] >= 0).sum(axis=1)
    present, classes = np.unique(labels, return_inverse=True)
    sizes = np.bincount(classes, minlength=len(present))
    rows = []
    for k in _ks(lists, quirks):
        if quirks["cut_list"]:
            values = capped_precision(relevance, relevant, k)
        else:
            values = np.where(length >= k, np.count_nonzero(relevance[:, :k], axis=1) / k, np.nan)
        means = np.bincount(classes, values, minlength=len(present)) / sizes
        squares = np.bincount(classes, (values - means[classes]) ** 2, minlength=len(present))
        several = sizes > 1
        rows.append(
            {
                "micro_precision_mean": values.mean() if len(values) else np.nan,
                "micro_precision_std": values.std(ddof=1) if len(values) > 1 else np.nan,
                "macro_precision_mean": means.mean() if len(means) else np.nan,
                "macro_precision_std": np.sqrt(squares[several] / (sizes[several] - 1)).mean()
                if several.any()
                else np.nan,
            }
        )
    table = pd.DataFrame(rows, columns=PRECISION_COLUMNS)
    if not quirks["spread_as_std"]:
        table = table.drop(columns=[name for name in PRECISION_COLUMNS if name.endswith("_std")])
    if not quirks["silent_gaps"]:
        table["queries"] = int(answerable.sum())
        table["queries_without_index_image"] = int((~answerable).sum())
        table["queries_without_embedding"] = lists.without_embedding
    return table


def classification_tables(
    validation: PaperLists, test: PaperLists, quirks: Mapping[str, bool]
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """The reference's ``knn_validation_val.csv`` (a row per k from 1), ``knn_classification.csv`` (one row), and the k used.

    With ``k_off_by_one`` the k used is 0 where 1 was best; then nobody votes, and all figures are NaN (the reference stops
    with an error there, as it does on a query whose class has no index image; here such queries are left out).

    Raises :class:`InputError` where no query of the validation split can be classified.
    """
    ks = list(_ks(test, quirks))
    rows = []
    for k, values in _classified(validation, ks, quirks):
        rows.append({"k": k, **values})
    table = pd.DataFrame(rows, columns=["k", *CLASSIFICATION])
    curve = pd.DataFrame({"metric": "f1", "average": "micro", "k": table["k"], "value": table["micro_f1"]})
    if not len(curve.dropna(subset="value")):
        raise InputError(
            "no k can be chosen, since no query of the validation split has a class with index images (or k is 1, where the "
            "reference's range of k is empty): choose another `val_split:`, or a larger `k:`"
        )
    chosen = best_k(curve, one_less=quirks["k_off_by_one"])
    if chosen:
        ((_, values),) = _classified(test, [chosen], quirks)
    else:
        values = dict.fromkeys(CLASSIFICATION, np.nan)
    return table.drop(columns="k"), pd.DataFrame([values]), chosen


def _classified(
    lists: PaperLists, ks: Sequence[int], quirks: Mapping[str, bool]
) -> Iterable[tuple[int, dict[str, float]]]:
    """The columns of :data:`CLASSIFICATION` for each k."""
    relevant = _relevant(lists, quirks)
    labels = np.where(relevant > 0, lists.labels, -1)
    found = voted_predictions(
        _neighbor_labels(lists, quirks),
        labels,
        ks,
        at_most=relevant if quirks["label_leak"] else None,
        ties="first_class" if quirks["first_column_wins"] else "nearest",
    )
    for k, predictions in found:
        values = classification_metrics(predictions, lists.classes)
        figures = {column: values[key] for column, key in CLASSIFICATION.items()}
        if quirks["macro_over_predicted"]:
            counted = labels >= 0
            present = len(np.unique(labels[counted]))
            everyone = len(np.union1d(labels[counted], predictions.predicted[counted]))
            for column in ("macro_f1", "macro_precision", "macro_recall"):
                figures[column] *= present / max(everyone, 1)
        yield k, figures


# --- both ways side by side -----------------------------------------------------------------------------------------


def side_by_side(lists: Mapping[str, PaperLists], quirks: Mapping[str, bool]) -> pd.DataFrame:
    """Each headline figure the paper's way and corrected: metric, paper, corrected, difference, and a column per quirk.

    ``lists`` has ``test`` and, where k can be chosen, ``validation``; ``quirks`` are the switches of the paper's way. A
    quirk's column is its own effect: the figure minus that with this one quirk off and the others as they are. Effects need
    not add up to the difference. A figure that one of the ways does not have is missing there, and so is the effect of a
    quirk that it comes or goes with.
    """
    known: dict[tuple[bool, ...], dict[str, float]] = {}

    def figures(switches: Mapping[str, bool]) -> dict[str, float]:
        key = tuple(switches[name] for name in QUIRKS)
        if key not in known:
            known[key] = headline_figures(lists, switches)
        return known[key]

    paper, corrected = figures(quirks), figures(dict.fromkeys(QUIRKS, False))
    metrics = list(dict.fromkeys([*paper, *corrected]))
    table = pd.DataFrame({"metric": metrics})
    table["paper"] = table["metric"].map(paper).astype(float)
    table["corrected"] = table["metric"].map(corrected).astype(float)
    table["difference"] = table["paper"] - table["corrected"]
    for name in QUIRKS:
        if quirks[name]:
            without = table["metric"].map(figures({**quirks, name: False})).astype(float)
            table[name] = (table["paper"] - without).mask(table["paper"].isna() & without.isna(), 0.0)
        else:
            table[name] = 0.0
    return table


def headline_figures(lists: Mapping[str, PaperLists], quirks: Mapping[str, bool]) -> dict[str, float]:
    """P@k for a few k and for the last one, and where k can be chosen the metrics of kNN classification and that k."""
    precision = retrieval_table(lists["test"], quirks)
    width = lists["test"].neighbors.shape[1]
    values = {}
    for average in ("micro", "macro"):
        for k in sorted({*(k for k in PRECISION_AT if k <= width), width}):
            if k <= len(precision):
                values[f"{average}_precision_at_{k}"] = float(precision[f"{average}_precision_mean"].iloc[k - 1])
        if quirks["spread_as_std"] and len(precision):
            values[f"{average}_precision_std_at_1"] = float(precision[f"{average}_precision_std"].iloc[0])
    if not quirks["silent_gaps"] and len(precision):
        counts = ("queries_without_index_image", "queries_without_embedding")
        values |= {name: float(precision[name].iloc[0]) for name in counts}
    if "validation" in lists and len(_ks(lists["test"], quirks)):
        _, row, k = classification_tables(lists["validation"], lists["test"], quirks)
        values |= {f"knn_{name}": float(value) for name, value in row.iloc[0].items()} | {"knn_k": float(k)}
    return values


def page_rows(table: pd.DataFrame) -> list[dict]:
    """Rows of the page from :func:`side_by_side`: texts, and the quirks that move the figure, the strongest first."""
    rows = []
    for row in table.to_dict("records"):
        effects = {name: row[name] for name in QUIRKS if not abs(row[name]) <= 1e-12}
        strongest = sorted(effects, key=lambda name: -abs(np.nan_to_num(effects[name], nan=np.inf)))
        causes = [(name, "" if np.isnan(effects[name]) else _signed(effects[name])) for name in strongest]
        rows.append(
            {
                "metric": row["metric"],
                "paper": _text(row["paper"]),
                "corrected": _text(row["corrected"]),
                "difference": "" if np.isnan(row["difference"]) else _signed(row["difference"]),
                "causes": causes,
            }
        )
    return rows


def _text(value: float) -> str:
    if np.isnan(value):
        return "none"
    return f"{value:.0f}" if value > 1 or value == 0 else f"{value:.4f}"


def _signed(value: float) -> str:
    if abs(value) <= 1e-12:
        return "0"
    return f"{value:+.0f}" if abs(value) >= 1 else f"{value:+.4f}"


# --- files ----------------------------------------------------------------------------------------------------------


def write_neighbor_lists(
    path: str | Path,
    splits: Sequence[PaperLists],
    catalog: pd.DataFrame,
    datasets: Sequence[str],
    quirks: Mapping[str, bool],
) -> None:
    """Write the reference's ``knn.csv``: query, 1, 2 ... k; per dataset first the test queries, then those of validation.

    Beyond the end of the index stands its last image again (``invented_neighbors``), or nothing.
    """
    paths = np.append(catalog["path"].to_numpy(object), "")
    dataset = catalog["dataset"].to_numpy(object)
    width = splits[0].neighbors.shape[1]
    with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerow(["query", *range(1, width + 1)])
        for name in datasets:
            for lists in splits:
                rows = np.flatnonzero(dataset[lists.queries] == name)
                for start in range(0, len(rows), QUERIES_PER_BLOCK):
                    block = rows[start : start + QUERIES_PER_BLOCK]
                    neighbors = lists.neighbors[block]
                    neighbors = np.where(neighbors < 0, lists.last if quirks["invented_neighbors"] else -1, neighbors)
                    table = pd.DataFrame(paths[np.column_stack([lists.queries[block], neighbors])])
                    table.to_csv(handle, index=False, header=False, lineterminator="\n")


def write_numbered(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as the reference does: with row numbers, from 0, in a first column without a name."""
    with atomic_write(path) as part:
        table.to_csv(part)
