"""Paper mode: the figures as the reference's scripts compute them, each of their quirks a switch of
its own.

The reference is the code of Denner et al. (arXiv 2403.06567). Its retrieval evaluation goes from
neighbor lists to P@k, its kNN classification takes the shares of labels among the first n neighbors
for probabilities and chooses k on the validation split by micro F1. With every switch off, the
figures are the corrected ones.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from radcbir.analyses.paper_mode.lists import PaperLists
from radcbir.core.errors import InputError
from radcbir.metrics.classification import classification_metrics
from radcbir.metrics.per_query import capped_precision
from radcbir.metrics.votes import best_k, voted_predictions

QUIRKS = {
    "cut_list": "P@k cuts the list at n = min(k, index images of the query's class) and divides by n; corrected: the hits among "
    "the first k, divided by k, for every class",
    "stop_before_last_k": "k ends one before the length of the lists, for P@k and for the choice of k; corrected: it ends "
    "where they end",
    "silent_gaps": "queries whose class has no index image, and queries without an embedding, are excluded without a message; "
    "corrected: they are excluded too, but the export counts them",
    "count_missing_images": "n counts every index image that is listed, with an embedding or without; corrected: those that can "
    "be found",
    "invented_neighbors": "where k is larger than the index, the lists repeat its last image; "
    "corrected: they end with the index",
    "spread_as_std": "the standard deviation of the queries' values (macro: its mean over classes) is given beside each mean as "
    "if it were its uncertainty; corrected: the export does not have it",
    "label_leak": "the votes are cut at the number of index images of the query's true class, which the classifier cannot know; "
    "corrected: k votes for every query",
    "k_off_by_one": "the row number (from 0) of the best k is used as k, so one neighbor less votes than was chosen; "
    "corrected: the best k itself",
    "first_column_wins": "equal votes go to the class whose column comes first in the dataset CSVs; corrected: to the one "
    "with the nearest neighbor",
    "macro_over_predicted": "macro F1, precision and recall count a class that is predicted but has no query as 0; corrected: "
    "only classes with queries are counted",
}
"""The reference's quirks -> what it does, and what is done instead when the switch is off."""

PRECISION_AT = (1, 3, 5, 10)

PRECISION_COLUMNS = [
    "micro_precision_mean",
    "micro_precision_std",
    "macro_precision_mean",
    "macro_precision_std",
]
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
"""The columns of the reference's ``knn_classification.csv`` -> metric and average; its macro
accuracy is plain accuracy."""

QUERIES_PER_BLOCK = 4096


def switches(settings: Mapping) -> dict[str, bool]:
    """The switches among an experiment's ``paper_mode`` settings."""
    return {name: settings[name] for name in QUIRKS}


def _neighbor_labels(lists: PaperLists, quirks: Mapping[str, bool]) -> np.ndarray:
    if not quirks["invented_neighbors"]:
        return lists.neighbor_labels
    return np.where(
        lists.neighbor_labels < 0, lists.label_of_row[lists.last], lists.neighbor_labels
    )


def _relevant(lists: PaperLists, quirks: Mapping[str, bool]) -> np.ndarray:
    return lists.listed if quirks["count_missing_images"] else lists.findable


def _ks(lists: PaperLists, quirks: Mapping[str, bool]) -> range:
    return range(1, lists.neighbors.shape[1] + (0 if quirks["stop_before_last_k"] else 1))


def retrieval_table(lists: PaperLists, quirks: Mapping[str, bool]) -> pd.DataFrame:
    """The reference's ``retrieval.csv``: a row per k from 1, mean and spread of P@k over queries
    (micro) and classes (macro).

    Spreads divide by n - 1; that of macro is the mean over the classes with two queries or more. A
    query whose class has no index image is in no figure.
    """
    relevance = _neighbor_labels(lists, quirks) == lists.labels[:, None]
    relevant = _relevant(lists, quirks)
    answerable = relevant > 0
    relevance, relevant, labels = (
        relevance[answerable],
        relevant[answerable],
        lists.labels[answerable],
    )
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
    """The reference's ``knn_validation_val.csv`` (a row per k from 1), ``knn_classification.csv``
    (one row), and the k used.

    With ``k_off_by_one`` the k used is 0 where 1 was best; then nobody votes, and all figures are
    NaN (the reference stops with an error there, as it does on a query whose class has no index
    image; here such queries are left out).

    Raises :class:`InputError` where no query of the validation split can be classified.
    """
    ks = list(_ks(test, quirks))
    rows = []
    for k, values in _classified(validation, ks, quirks):
        rows.append({"k": k, **values})
    table = pd.DataFrame(rows, columns=["k", *CLASSIFICATION])
    curve = pd.DataFrame(
        {"metric": "f1", "average": "micro", "k": table["k"], "value": table["micro_f1"]}
    )
    if not len(curve.dropna(subset="value")):
        raise InputError(
            "no k can be chosen, since no query of the validation split has a class with index "
            "images (or k is 1, where the "
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


def side_by_side(lists: Mapping[str, PaperLists], quirks: Mapping[str, bool]) -> pd.DataFrame:
    """Each headline figure the paper's way and corrected: metric, paper, corrected, difference, and
    a column per quirk.

    ``lists`` has ``test`` and, where k can be chosen, ``validation``; ``quirks`` are the switches
    of the paper's way. A quirk's column is its own effect: the figure minus that with this one
    quirk off and the others as they are. Effects need not add up to the difference. A figure that
    one of the ways does not have is missing there, and so is the effect of a quirk that it comes or
    goes with.
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
            table[name] = (table["paper"] - without).mask(
                table["paper"].isna() & without.isna(), 0.0
            )
        else:
            table[name] = 0.0
    return table


def headline_figures(
    lists: Mapping[str, PaperLists], quirks: Mapping[str, bool]
) -> dict[str, float]:
    """P@k for a few k and for the last one, and where k can be chosen the metrics of kNN
    classification and that k.
    """
    precision = retrieval_table(lists["test"], quirks)
    width = lists["test"].neighbors.shape[1]
    values = {}
    for average in ("micro", "macro"):
        for k in sorted({*(k for k in PRECISION_AT if k <= width), width}):
            if k <= len(precision):
                values[f"{average}_precision_at_{k}"] = float(
                    precision[f"{average}_precision_mean"].iloc[k - 1]
                )
        if quirks["spread_as_std"] and len(precision):
            values[f"{average}_precision_std_at_1"] = float(
                precision[f"{average}_precision_std"].iloc[0]
            )
    if not quirks["silent_gaps"] and len(precision):
        counts = ("queries_without_index_image", "queries_without_embedding")
        values |= {name: float(precision[name].iloc[0]) for name in counts}
    if "validation" in lists and len(_ks(lists["test"], quirks)):
        _, row, k = classification_tables(lists["validation"], lists["test"], quirks)
        values |= {f"knn_{name}": float(value) for name, value in row.iloc[0].items()} | {
            "knn_k": float(k)
        }
    return values
