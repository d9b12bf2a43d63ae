"""Which epoch and which C: chosen on images that do not train, never on those that are tested.

Either one set of validation images chooses, or several folds of the training images
(:func:`patient_folds`), after which the chosen setting trains on all of them. Where patients are
too few for folds, the setting is fixed.
"""

import dataclasses
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold

from radcbir.analyses.linear_probing.linear_probe import (
    BATCH_SIZE,
    GRADIENT_TOLERANCE,
    INVERSE_PENALTIES,
    ITERATIONS,
    LinearProbe,
    adamw_epochs,
    lbfgs_path,
    probe_of,
    threads,
    validated,
)
from radcbir.core.logs import logger
from radcbir.core.machine.devices import torch_device
from radcbir.metrics.selection import FEWEST_PATIENTS

FOLDS = 5

LARGE = 100_000
"""Training images from which on one fold chooses in place of five: its fifth of the images is
enough, and the others would take five times as long."""

FIXED_INVERSE_PENALTY = 100.0
"""C where nothing can choose it."""

CHOOSING = {"tolerance": 3e-4, "iterations": 400}
"""How far the fits go that only choose C. The classifier that is tested goes all the way
(:func:`lbfgs_path`)."""

C_PATIENCE = 2
"""How many weaker penalties in a row may be no better before the weaker ones that are left are not
tried: these take most of the time, and a penalty that weak only follows the training images more
closely."""

LEAST_STEPS = 1000
"""Steps of AdamW before training may end. On a small index an epoch is one step, and as many epochs
as on a large one leave the layer about where it started."""


def patient_folds(
    vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int = 0
) -> list["Fold"]:
    """Up to :data:`FOLDS` folds of the training images, by patient (``groups``) and balanced by
    class (scikit-learn's ``StratifiedGroupKFold``); none where patients are too few.

    They are too few below :data:`~radcbir.metrics.selection.FEWEST_PATIENTS` patients, or where
    less than half of the images have a class that a second patient has: an image whose class does
    not train cannot be right, so that it does not validate.
    """
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    answerable = np.bincount(pairs[0])[labels] > 1
    if len(np.unique(groups)) < FEWEST_PATIENTS or answerable.mean() < 0.5:
        return []
    count = min(FOLDS, int(np.bincount(labels).max()))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for train, apart in splitter.split(labels, labels, groups):
            apart = apart[np.isin(labels[apart], labels[train])]
            if len(apart):
                found.append(_fold(vectors, labels, train, apart))
            if found and len(labels) >= LARGE:
                break
    return found


@dataclass(frozen=True)
class Fold:
    """Images that train, ``(n, d)`` unit vectors and labels ``(n,)``, and others that validate."""

    vectors: np.ndarray
    labels: np.ndarray
    validation_vectors: np.ndarray
    validation_labels: np.ndarray
    trains: np.ndarray
    """``(N,)``: which of the images that were divided into folds train this one."""


def _fold(vectors: np.ndarray, labels: np.ndarray, train: np.ndarray, apart: np.ndarray) -> Fold:
    """The fold with these rows of the images."""
    trains = np.zeros(len(labels), dtype=bool)
    trains[train] = True
    return Fold(vectors[train], labels[train], vectors[apart], labels[apart], trains)


@dataclass
class _Scores:
    """Right answers and summed cross-entropy of each setting, over all folds."""

    right: int = 0
    loss: float = 0.0
    images: int = 0

    def add(self, right: int, loss: float, images: int) -> None:
        self.right, self.loss = self.right + right, self.loss + loss
        self.images += images

    @property
    def accuracy(self) -> float:
        return self.right / self.images


def train_adamw(
    vectors: np.ndarray,
    labels: np.ndarray,
    validation_vectors: np.ndarray,
    validation_labels: np.ndarray,
    classes: int,
    *,
    epochs: int = 100,
    patience: int = 20,
    least_steps: int = LEAST_STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> LinearProbe:
    """A linear layer trained as in Denner et al.: cross-entropy, AdamW, batches of 512 in seeded
    random order.

    ``vectors`` ``(n, d)`` float32 of length one, ``labels`` ``(n,)`` below ``classes``. Training
    ends after ``epochs``, or once the validation accuracy has not risen for ``patience`` epochs,
    but not before ``least_steps`` batches. The epoch with the highest accuracy (the first of equal
    ones) is returned.
    """
    held_out = [_on_device(validation_vectors, validation_labels, device)]
    last = _most_epochs(vectors, epochs, least_steps)
    training = adamw_epochs(vectors, labels, classes, seed, device)
    with threads(min(len(vectors), BATCH_SIZE) * classes * vectors.shape[1]):
        return _best_epoch(training, held_out, last, patience, least_steps, _batches(vectors))


def cross_validated_adamw(
    vectors: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    classes: int,
    *,
    epochs: int = 100,
    patience: int = 20,
    least_steps: int = LEAST_STEPS,
    seed: int = 0,
    device: str = "cpu",
) -> LinearProbe:
    """:func:`train_adamw` on all images for as many epochs as are best in ``folds``; without folds,
    for all ``epochs`` and at least ``least_steps``.

    The folds are trained side by side on the same batches, each without the images that are apart
    in it (:func:`adamw_epochs`), so that an epoch has as many steps as one over all images. Their
    validation images together give the accuracy of an epoch.
    """
    last = _most_epochs(vectors, epochs, least_steps)
    chosen, accuracy, at_edge = last, np.nan, False
    products = min(len(vectors), BATCH_SIZE) * classes * vectors.shape[1]
    if folds:
        held_out = [
            _on_device(each.validation_vectors, each.validation_labels, device) for each in folds
        ]
        trains = np.stack([each.trains for each in folds])
        training = adamw_epochs(vectors, labels, classes, seed, device, trains)
        with threads(products * len(folds)):
            best = _best_epoch(training, held_out, last, patience, least_steps, _batches(vectors))
        chosen, accuracy, at_edge = int(best.setting), best.validation_accuracy, best.at_edge
    with threads(products):
        training = adamw_epochs(vectors, labels, classes, seed, device)
        weights, biases = next(itertools.islice(training, chosen - 1, None))
    return probe_of(weights[0], biases[0], chosen, accuracy, at_edge)


def _best_epoch(
    training: Iterator[tuple[torch.Tensor, torch.Tensor]],
    held_out: Sequence[tuple[torch.Tensor, torch.Tensor]],
    last: int,
    patience: int,
    least_steps: int,
    steps: int,
) -> LinearProbe:
    """The epoch (of ``steps`` steps) with the highest accuracy over the held-out images of all
    layers, with the weights of the first layer.
    """
    best: LinearProbe | None = None
    for epoch, (weights, biases) in enumerate(training, start=1):
        scores = _Scores()
        for weight, bias, (images, truth) in zip(weights, biases, held_out, strict=True):
            scores.add(*validated(weight, bias, images, truth))
        if best is None or scores.accuracy > best.validation_accuracy:
            best = probe_of(weights[0], biases[0], epoch, scores.accuracy)
        waited = epoch - best.setting >= patience and epoch * steps >= least_steps
        if epoch == last or waited:
            break
    assert best is not None
    logger.info(
        "AdamW: epoch %d of %d, validation accuracy %.4f",
        best.setting,
        epoch,
        best.validation_accuracy,
    )
    return dataclasses.replace(best, at_edge=best.setting == last)


def _batches(vectors: np.ndarray) -> int:
    return math.ceil(len(vectors) / BATCH_SIZE)


def _most_epochs(vectors: np.ndarray, epochs: int, least_steps: int) -> int:
    """``epochs``, or as many as ``least_steps`` batches take where these are more."""
    return max(epochs, math.ceil(least_steps / _batches(vectors)))


def train_lbfgs(
    vectors: np.ndarray,
    labels: np.ndarray,
    validation_vectors: np.ndarray,
    validation_labels: np.ndarray,
    classes: int,
    *,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
    iterations: int = ITERATIONS,
    tolerance: float = GRADIENT_TOLERANCE,
    device: str = "cpu",
) -> LinearProbe:
    """Multinomial logistic regression by L-BFGS for each C (:func:`lbfgs_path`), chosen on validation
    images.

    The C with the highest validation accuracy is returned, of equal ones that with the lowest
    validation cross-entropy. C rises until :data:`C_PATIENCE` in a row are no better.
    """
    settings: Any = {"iterations": iterations, "tolerance": tolerance, "device": device}
    held_out = _on_device(validation_vectors, validation_labels, device)
    best: LinearProbe | None = None
    lowest, waited = np.inf, 0
    for inverse_penalty, weight, bias in lbfgs_path(
        vectors, labels, classes, inverse_penalties, **settings
    ):
        right, loss, images = validated(weight, bias, *held_out)
        accuracy = right / images
        waited += 1
        if best is None or (accuracy, -loss) > (best.validation_accuracy, -lowest):
            best, lowest = probe_of(weight, bias, inverse_penalty, accuracy), loss
            waited = 0
        if waited == C_PATIENCE:
            break
    assert best is not None
    logger.info("L-BFGS: C = %g, validation accuracy %.4f", best.setting, best.validation_accuracy)
    return dataclasses.replace(best, at_edge=_at_edge(best.setting, inverse_penalties))


def cross_validated_lbfgs(
    vectors: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    classes: int,
    *,
    fixed: float = FIXED_INVERSE_PENALTY,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
    device: str = "cpu",
) -> LinearProbe:
    """:func:`train_lbfgs` on all images with the C that is best in ``folds``; without folds, with
    ``fixed``.

    The validation images of all folds together give accuracy and cross-entropy of a C.
    """
    chosen, accuracy, at_edge = fixed, np.nan, False
    if folds:
        settings: Any = {"device": device, **CHOOSING}
        held_out = [
            _on_device(each.validation_vectors, each.validation_labels, device) for each in folds
        ]
        paths = [
            lbfgs_path(each.vectors, each.labels, classes, inverse_penalties, **settings)
            for each in folds
        ]
        best, waited = _Scores(), 0
        for inverse_penalty, *fits in zip(inverse_penalties, *paths, strict=True):
            scores = _Scores()
            for (_, weight, bias), images in zip(fits, held_out, strict=True):
                scores.add(*validated(weight, bias, *images))
            waited += 1
            if not best.images or (scores.accuracy, -scores.loss) > (best.accuracy, -best.loss):
                best, chosen, waited = scores, inverse_penalty, 0
            if waited == C_PATIENCE:
                break
        accuracy, at_edge = best.accuracy, _at_edge(chosen, inverse_penalties)
        logger.info("L-BFGS: C = %g, accuracy over the folds %.4f", chosen, accuracy)
    grid = [*(each for each in inverse_penalties if each < chosen), chosen]
    *_, (_, weight, bias) = lbfgs_path(vectors, labels, classes, grid, device=device)
    return probe_of(weight, bias, chosen, accuracy, at_edge)


def _at_edge(chosen: float, grid: Sequence[float]) -> bool:
    return len(grid) > 1 and chosen in (min(grid), max(grid))


def _on_device(
    vectors: np.ndarray, labels: np.ndarray, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and labels as tensors on the device."""
    where = torch_device(device)
    return torch.from_numpy(vectors).to(where), torch.from_numpy(labels.astype(np.int64)).to(where)
