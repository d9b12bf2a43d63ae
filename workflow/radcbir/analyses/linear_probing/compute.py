"""Linear probing of one model on an experiment: which images train, select and test, and how the
figures grow with them.

The index split trains, the validation split selects, the other query splits are tested. Without a
validation split, folds of the index select, by patient.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.linear_probing.linear_probe import LinearProbe
from radcbir.analyses.linear_probing.selection import (
    cross_validated_adamw,
    cross_validated_lbfgs,
    patient_folds,
    train_adamw,
    train_lbfgs,
)
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.metrics.calibration import reliability
from radcbir.metrics.classification import (
    classification_counts,
    classification_metrics,
    from_probabilities,
    in_front,
    with_intervals,
)
from radcbir.metrics.selection import selection_doubt, validation_in_words

SEED = 0


@dataclass(frozen=True)
class LabelledVectors:
    """Unit vectors ``(n, d)`` float32, label codes ``(n,)`` (-1: a label that no training image
    has), groups ``(n,)``.

    A group is a patient, or an image whose patient is not known.
    """

    vectors: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: np.ndarray) -> "LabelledVectors":
        """Some of the images, by mask or by number."""
        return LabelledVectors(self.vectors[rows], self.labels[rows], self.groups[rows])


@dataclass(frozen=True)
class ProbingData:
    """The images of an experiment by what they do in linear probing."""

    train: LabelledVectors
    validation: LabelledVectors | None
    """None: folds of the training images select."""
    tested: dict[str, LabelledVectors]
    names: np.ndarray
    """``(C,)``: the labels of the training images, sorted; codes refer to them."""
    selected_on: str
    """The name of the validation split, or ``cross-validation``."""


def probing_data(
    catalog: pd.DataFrame,
    ids: np.ndarray,
    vectors: np.ndarray,
    index_split: str,
    query_splits: Sequence[str],
    validation_split: str | None,
) -> ProbingData:
    """Divide an experiment's embedded images (``ids`` ``(n,)``, unit ``vectors`` ``(n, d)``) by
    what they do.

    ``catalog`` has a row per image: id, split, label, patient_id. Index images of a patient who is
    in a query split as well do not train: where splits share patients, a linear classifier would be
    tested on people it has seen.

    Images with several labels (their ``label`` is missing) do nothing here.

    Raises :class:`InputError` where nothing is left to train or to select on, or a tested split has
    no image.
    """
    rows = catalog.set_index("id").loc[ids]
    one_label = rows["label"].notna().to_numpy()
    rows, ids, vectors = rows[one_label], ids[one_label], vectors[one_label]
    split = rows["split"].to_numpy(object)
    patients = rows["patient_id"].astype(object)
    groups = pd.factorize(patients.where(patients.notna(), pd.Series(ids, rows.index)))[0]
    asked = np.isin(split, list(query_splits))
    training = (split == index_split) & ~(
        patients.notna().to_numpy() & np.isin(groups, groups[asked])
    )
    if left_out := int((split == index_split).sum() - training.sum()):
        logger.info(
            "%d images of '%s' are of patients who also have queries: they do not train",
            left_out,
            index_split,
        )
    if not training.any():
        raise InputError(
            f"no embedded image of '{index_split}' is left to train a linear classifier on: every "
            "patient there is in a "
            "query split, too; split by patient, or take `linear_probing` out of `analyses:`"
        )
    names = np.unique(rows["label"].to_numpy(str)[training])
    labels = pd.Index(names).get_indexer(rows["label"])

    def images(wanted: np.ndarray) -> LabelledVectors:
        return LabelledVectors(vectors[wanted], labels[wanted], groups[wanted])

    validation = None
    if validation_split:
        validation = images((split == validation_split) & (labels >= 0))
        if not len(validation):
            raise InputError(
                "there is no image to choose a linear classifier on: no embedded image of "
                f"'{validation_split}' has a label that an image of '{index_split}' has; name "
                "another `val_split:` for the experiment, or take `linear_probing` out of its "
                "`analyses:`"
            )
    tested = {each: images(split == each) for each in query_splits if each != validation_split}
    for name, part in tested.items():
        if not len(part):
            raise InputError(
                f"no image of the query split '{name}' is embedded, so that nothing can be tested "
                "on it: see the ledger "
                "for why its images were rejected, or take it out of `query_splits:`"
            )
    return ProbingData(
        images(training), validation, tested, names, validation_split or "cross-validation"
    )


def fraction_subset(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The smallest number of whole groups, in seeded order, that has ``share`` of the images: their
    rows, sorted.

    With one seed, a smaller share is a part of a larger one.
    """
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups]
    sizes = np.bincount(order)
    last = int(np.searchsorted(np.cumsum(sizes), share * len(groups) - 1e-9))
    return np.flatnonzero(order <= last)


def shots_subset(labels: np.ndarray, groups: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """``shots`` images of every label, or all where there are fewer, in seeded order: their rows,
    sorted.

    Images of a group follow only when every group of that label has given as many. With one seed,
    fewer shots are a part of more.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    table = pd.DataFrame({"row": shuffled, "label": labels[shuffled], "group": groups[shuffled]})
    table["turn"] = table.groupby(["label", "group"]).cumcount()
    table = table.sort_values(["label", "turn"], kind="stable")
    return np.sort(table.loc[table.groupby("label").cumcount() < shots, "row"].to_numpy())


@dataclass(frozen=True)
class ProbingTables:
    """Tidy tables of one model.

    ``selected_on`` is the validation split, ``cross-validation`` or ``fixed``; ``chosen_by`` the
    same in words, with the number of patients; ``doubt`` why the choice means little, or empty;
    ``at_edge`` whether the last epoch, or the first or last C, was chosen.
    """

    metrics: pd.DataFrame
    """probe, selected_on, chosen_by, setting, at_edge, doubt, train_images, query_split, metric,
    average, value, low, high, effective_patients, counts."""
    reliability: pd.DataFrame
    """probe, query_split, bin, lower, upper, queries, confidence, accuracy."""
    label_fractions: pd.DataFrame
    """subset (fraction, shots), amount, try, train_images, train_share, train_classes, selected_on,
    chosen_by, setting, at_edge, doubt, query_split, metric, average, value, counts."""


def probe_linearly(
    data: ProbingData,
    *,
    epochs: int,
    fractions: Sequence[float],
    shots: Sequence[int],
    tries: int,
    device: str = "cpu",
) -> ProbingTables:
    """Train both linear classifiers on all training images, and the L-BFGS one on subsets of them;
    test each.

    The subsets are nested in each of the ``tries``, drawn by patient. The validation split chooses
    for them as for the whole; without one, folds of the subset itself. All training images give the
    same result in every try, so that they are tried once.
    """
    probes = {
        "adamw": _train(
            train_adamw, cross_validated_adamw, data.train, data, device, epochs=epochs
        ),
        "lbfgs": _train(train_lbfgs, cross_validated_lbfgs, data.train, data, device),
    }
    metrics: list[pd.DataFrame] = []
    calibration: list[pd.DataFrame] = []
    for name, (probe, chosen) in probes.items():
        about = {"probe": name, **chosen, "train_images": len(data.train)}
        metrics.append(_test(probe, data, calibration, name).pipe(in_front, about))
    parts = []
    subsets = _subsets(data.train, fractions, shots, tries)
    progress = Progress(len(subsets), "subsets")
    for subset, amount, attempt, rows in subsets:
        part, (probe, chosen) = data.train[rows], probes["lbfgs"]
        if len(part) < len(data.train):
            probe, chosen = _train(train_lbfgs, cross_validated_lbfgs, part, data, device)
        about = {
            "subset": subset,
            "amount": amount,
            "try": attempt,
            "train_images": len(part),
            "train_share": len(part) / len(data.train),
            "train_classes": len(np.unique(part.labels)),
            **chosen,
        }
        parts.append(_test(probe, data).pipe(in_front, about))
        progress.advance()
    return ProbingTables(
        metrics=pd.concat(metrics, ignore_index=True),
        reliability=pd.concat(calibration, ignore_index=True),
        label_fractions=pd.concat(parts, ignore_index=True),
    )


def _train(
    by_validation: Callable[..., LinearProbe],
    by_folds: Callable[..., LinearProbe],
    part: LabelledVectors,
    data: ProbingData,
    device: str,
    **settings: int,
) -> tuple[LinearProbe, dict]:
    """A classifier of some training images, and what the tables say of how it was chosen."""
    classes, given = len(data.names), {"device": device, **settings}
    if data.validation is not None:
        held_out = data.validation
        probe = by_validation(
            part.vectors, part.labels, held_out.vectors, held_out.labels, classes, **given
        )
        patients, seen = len(np.unique(held_out.groups)), len(np.unique(held_out.labels))
        selected_on = data.selected_on
        chosen_by = validation_in_words(patients, seen, classes)
        doubt = selection_doubt(patients, seen, classes, probe.validation_accuracy)
    else:
        folds = patient_folds(part.vectors, part.labels, part.groups, SEED)
        probe = by_folds(part.vectors, part.labels, folds, classes, **given)
        patients = len(np.unique(part.groups))
        selected_on = data.selected_on if folds else "fixed"
        chosen_by = f"cross-validation over {patients} patients" if folds else "fixed"
        doubt = selection_doubt(patients, classes, classes, probe.validation_accuracy) * bool(folds)
    return probe, {
        "selected_on": selected_on,
        "chosen_by": chosen_by,
        "setting": probe.setting,
        "at_edge": probe.at_edge,
        "doubt": doubt,
    }


def _subsets(
    train: LabelledVectors, fractions: Iterable[float], shots: Iterable[int], tries: int
) -> list[tuple[str, float, int, np.ndarray]]:
    """subset, amount, try and rows of each draw.

    Patients are drawn whole, so that a small index has the same images for different amounts: of
    amounts whose draws coincide, only the largest is kept.
    """

    def fraction(amount: float, attempt: int) -> np.ndarray:
        return fraction_subset(train.groups, amount, attempt)

    def of_each(amount: int, attempt: int) -> np.ndarray:
        return shots_subset(train.labels, train.groups, amount, attempt)

    found = []
    kinds: Any = (("shots", of_each, shots), ("fraction", fraction, fractions))
    for subset, draw, amounts in kinds:
        kept: list[set[bytes]] = []
        for amount in sorted(amounts, reverse=True):
            once = subset == "fraction" and amount == 1
            draws = [draw(amount, attempt) for attempt in range(1, 2 if once else tries + 1)]
            images = {rows.tobytes() for rows in draws}
            if images in kept:
                logger.info("%s of %g: the same images as for more, left out", subset, amount)
                continue
            kept.append(images)
            found += [(subset, amount, each, rows) for each, rows in enumerate(draws, start=1)]
    return found[::-1]


def _test(
    probe: LinearProbe, data: ProbingData, calibration: list | None = None, name: str = ""
) -> pd.DataFrame:
    """The metrics of a classifier on every tested split; with ``calibration`` its reliability is
    added there, and the metrics get intervals.
    """
    tables = []
    for split, part in data.tested.items():
        predictions = from_probabilities(probe.probabilities(part.vectors), part.labels)
        values = classification_metrics(predictions, len(data.names))
        table = pd.DataFrame(
            [(*names, value) for names, value in values.items()],
            columns=["metric", "average", "value"],
        )
        if calibration is not None:
            table = with_intervals(table, predictions, part.groups)
        counts = classification_counts(part.labels, np.arange(len(data.names)))
        tables.append(table.assign(**counts).pipe(in_front, {"query_split": split}))
        if calibration is not None:
            counted = part.labels >= 0
            right = predictions.predicted[counted] == part.labels[counted]
            bins = reliability(predictions.confidence[counted], right)
            calibration.append(bins.pipe(in_front, {"probe": name, "query_split": split}))
    return pd.concat(tables, ignore_index=True)
