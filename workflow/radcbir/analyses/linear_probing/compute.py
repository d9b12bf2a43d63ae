"""Linear probing of one model on an experiment: which images train, select and test, and how the
figures grow with them.

The index split trains, the validation split selects, the other query splits are tested. Without a
validation split a tenth of the index is held out for it, by patient.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radcbir.analyses.linear_probing.linear_probe import LinearProbe, train_adamw, train_lbfgs
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress, logger
from radcbir.metrics.calibration import reliability
from radcbir.metrics.classification import (
    classification_counts,
    classification_metrics,
    from_probabilities,
    in_front,
)

HELD_OUT = 0.1
"""The share of the index that selects where there is no validation split."""

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
    validation: LabelledVectors
    tested: dict[str, LabelledVectors]
    names: np.ndarray
    """``(C,)``: the labels of the training images, sorted; codes refer to them."""
    selected_on: str
    """The name of the validation split, or ``held-out`` for a part of the index."""


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
            "%d images of '%s' are of patients who are asked for, too: they do not train",
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

    train, selected_on = images(training), validation_split or "held-out"
    if validation_split:
        validation = images((split == validation_split) & (labels >= 0))
    else:
        apart = held_out(train.labels, train.groups, HELD_OUT, SEED)
        train, validation = train[~apart], train[apart]
    if not len(validation):
        raise InputError(
            "there is no image to choose a linear classifier on: "
            f"{_why_none(validation_split, index_split)}; name another "
            "`val_split:` for the experiment, or take `linear_probing` out of its `analyses:`"
        )
    tested = {each: images(split == each) for each in query_splits if each != validation_split}
    for name, part in tested.items():
        if not len(part):
            raise InputError(
                f"no image of the query split '{name}' is embedded, so that nothing can be tested "
                "on it: see the ledger "
                "for why its images were rejected, or take it out of `query_splits:`"
            )
    return ProbingData(train, validation, tested, names, selected_on)


def _why_none(validation_split: str | None, index_split: str) -> str:
    if validation_split:
        return f"no embedded image of '{validation_split}' has a label that an image of '{index_split}' has"
    return f"no patient of '{index_split}' can be held out without leaving a label with no image to train on"


def held_out(labels: np.ndarray, groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """About ``share`` of the images, whole groups in seeded order, as a mask ``(n,)``; every label
    keeps an image.

    Groups that would make it more than twice as many are passed over; where none is small enough,
    the smallest that can be spared is taken.
    """
    remaining, apart, wanted = (
        np.bincount(labels),
        np.zeros(len(labels), dtype=bool),
        share * len(labels),
    )
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    members = [members[each] for each in np.random.default_rng(seed).permutation(len(members))]

    def can_be_spared(group: np.ndarray) -> bool:
        taken = np.bincount(labels[group], minlength=len(remaining))
        return bool(((remaining > taken) | (taken == 0)).all())

    count = 0
    for group in members:
        if count >= wanted:
            break
        if count + len(group) <= 2 * wanted and can_be_spared(group):
            remaining -= np.bincount(labels[group], minlength=len(remaining))
            apart[group], count = True, count + len(group)
    if not count:
        apart[next(filter(can_be_spared, sorted(members, key=len)), np.empty(0, dtype=int))] = True
    return apart


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
    """Tidy tables of one model."""

    metrics: pd.DataFrame
    """probe, selected_on, setting, train_images, query_split, metric, average, value, counts."""
    reliability: pd.DataFrame
    """probe, query_split, bin, lower, upper, queries, confidence, accuracy."""
    label_fractions: pd.DataFrame
    """subset (fraction, shots), amount, try, train_images, train_classes, setting, query_split,
    metric, average, value, counts."""


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

    The subsets are nested in each of the ``tries``, drawn by patient; they are chosen on the same
    validation images as the whole. All training images give the same result in every try, so that
    they are tried once.
    """
    selection = (data.validation.vectors, data.validation.labels, len(data.names))
    probes = {
        "adamw": train_adamw(
            data.train.vectors,
            data.train.labels,
            *selection,
            epochs=epochs,
            seed=SEED,
            device=device,
        ),
        "lbfgs": train_lbfgs(data.train.vectors, data.train.labels, *selection, device=device),
    }
    metrics: list[pd.DataFrame] = []
    calibration: list[pd.DataFrame] = []
    for name, probe in probes.items():
        about = {
            "probe": name,
            "selected_on": data.selected_on,
            "setting": probe.setting,
            "train_images": len(data.train),
        }
        metrics.append(_test(probe, data, calibration, name).pipe(in_front, about))
    parts = []
    subsets = list(_subsets(data.train, fractions, shots, tries))
    progress = Progress(len(subsets), "subsets")
    for subset, amount, attempt, rows in subsets:
        part, probe = data.train[rows], probes["lbfgs"]
        if len(part) < len(data.train):
            probe = train_lbfgs(part.vectors, part.labels, *selection, device=device)
        about = {
            "subset": subset,
            "amount": amount,
            "try": attempt,
            "train_images": len(part),
            "train_classes": len(np.unique(part.labels)),
            "setting": probe.setting,
        }
        parts.append(_test(probe, data).pipe(in_front, about))
        progress.advance()
    return ProbingTables(
        metrics=pd.concat(metrics, ignore_index=True),
        reliability=pd.concat(calibration, ignore_index=True),
        label_fractions=pd.concat(parts, ignore_index=True),
    )


def _subsets(
    train: LabelledVectors, fractions: Iterable[float], shots: Iterable[int], tries: int
) -> Iterable[tuple[str, float, int, np.ndarray]]:
    for amount in sorted(fractions):
        for attempt in range(1, tries + 1 if amount < 1 else 2):
            yield "fraction", amount, attempt, fraction_subset(train.groups, amount, attempt)
    for amount in sorted(shots):
        for attempt in range(1, tries + 1):
            yield (
                "shots",
                amount,
                attempt,
                shots_subset(train.labels, train.groups, amount, attempt),
            )


def _test(
    probe: LinearProbe, data: ProbingData, calibration: list | None = None, name: str = ""
) -> pd.DataFrame:
    """The metrics of a classifier on every tested split; its reliability is added to
    ``calibration``.
    """
    tables = []
    for split, part in data.tested.items():
        predictions = from_probabilities(probe.probabilities(part.vectors), part.labels)
        values = classification_metrics(predictions, len(data.names))
        table = pd.DataFrame(
            [(*names, value) for names, value in values.items()],
            columns=["metric", "average", "value"],
        )
        counts = classification_counts(part.labels, np.arange(len(data.names)))
        tables.append(table.assign(**counts).pipe(in_front, {"query_split": split}))
        if calibration is not None:
            counted = part.labels >= 0
            right = predictions.predicted[counted] == part.labels[counted]
            bins = reliability(predictions.confidence[counted], right)
            calibration.append(bins.pipe(in_front, {"probe": name, "query_split": split}))
    return pd.concat(tables, ignore_index=True)
