"""Linear classifiers on frozen embeddings, trained with torch from arrays in memory: AdamW, and
L-BFGS over a grid.

Both are chosen on images that do not train them, never on those they are tested with: either one
set of validation images, or several folds of the training images (:class:`Fold`), after which the
chosen setting trains on all. The same input, seed, device and number of threads give the same
weights on a CPU.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch

from radcbir.core.devices import torch_device
from radcbir.core.logs import logger

LEARNING_RATE = 1e-3

WEIGHT_DECAY = 0.01

BATCH_SIZE = 512

INITIAL_DEVIATION = 0.01
"""The settings of Denner et al. (arXiv 2403.06567) for linear probing with AdamW; epochs and
patience are arguments."""

INVERSE_PENALTIES = tuple(10.0**power for power in range(-2, 7))
"""C of the grid, strongest penalty first; embeddings have length one, so that weights have to grow
large."""

ITERATIONS = 300
"""L-BFGS iterations per C at most; each starts from the weights of the C before."""

MEMORY = 10
"""Steps that L-BFGS remembers."""

FIXED_INVERSE_PENALTY = 100.0
"""C where nothing can choose it."""

GRADIENT_TOLERANCE = 1e-5
"""Where L-BFGS stops: the largest slope of the mean loss along the scaled axes that the fit walks
on."""

PARALLEL_FROM = 30_000_000
"""Multiplications per matrix product that are worth more than one thread: below, threads wait for
one another."""

ROWS_PER_BLOCK = 16384
"""Images that are in double precision at a time: memory for 768 dimensions and 185 classes stays
below 150 MB however many images there are."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier: logits are ``vectors @ weight.T + bias``."""

    weight: np.ndarray
    """``(C, d)`` float32."""
    bias: np.ndarray
    """``(C,)`` float32."""
    setting: float
    """What was chosen: the epoch (from 1) with AdamW, C with L-BFGS."""
    validation_accuracy: float
    """Of what was chosen, on the images that chose it; NaN where nothing was chosen."""
    at_edge: bool = False
    """Whether it is the last epoch, or the first or last C: a better one may be beyond."""

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """The softmax of the logits ``(n, C)`` float64."""
        logits = (vectors @ self.weight.T + self.bias).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Fold:
    """Images that train, ``(n, d)`` unit vectors and labels ``(n,)``, and others that validate."""

    vectors: np.ndarray
    labels: np.ndarray
    validation_vectors: np.ndarray
    validation_labels: np.ndarray


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
    seed: int = 0,
    device: str = "cpu",
) -> LinearProbe:
    """A linear layer trained as in Denner et al.: cross-entropy, AdamW, batches of 512 in seeded
    random order.

    ``vectors`` ``(n, d)`` float32 of length one, ``labels`` ``(n,)`` below ``classes``. Training
    ends after ``epochs``, or once the validation accuracy has not risen for ``patience`` epochs;
    the epoch with the highest one (the first of equal ones) is returned.
    """
    fold = Fold(vectors, labels, validation_vectors, validation_labels)
    settings = {"epochs": epochs, "patience": patience, "seed": seed, "device": device}
    return _best_epoch([fold], classes, **settings)


def cross_validated_adamw(
    vectors: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    classes: int,
    *,
    epochs: int,
    patience: int,
    seed: int = 0,
    device: str = "cpu",
) -> LinearProbe:
    """:func:`train_adamw` on all images for as many epochs as are best in ``folds``; without folds,
    for all ``epochs``.

    The folds are trained side by side. Their validation images together give the accuracy of an
    epoch.
    """
    chosen, accuracy, at_edge = epochs, np.nan, False
    if folds:
        settings = {"epochs": epochs, "patience": patience, "seed": seed, "device": device}
        best = _best_epoch(folds, classes, **settings)
        chosen, accuracy, at_edge = int(best.setting), best.validation_accuracy, best.at_edge
    with _threads(min(len(vectors), BATCH_SIZE) * classes * vectors.shape[1]):
        for layer in itertools.islice(_epochs(vectors, labels, classes, seed, device), chosen):
            last = layer
    return _probe(last.weight, last.bias, chosen, accuracy, at_edge)


def _best_epoch(
    folds: Sequence[Fold], classes: int, epochs: int, patience: int, seed: int, device: str
) -> LinearProbe:
    """The epoch with the highest accuracy over the folds, with the weights of the first fold."""
    training = [_epochs(fold.vectors, fold.labels, classes, seed, device) for fold in folds]
    held_out = [_on_device(fold, device) for fold in folds]
    best = None
    largest = max(len(fold.vectors) for fold in folds)
    with _threads(min(largest, BATCH_SIZE) * classes * folds[0].vectors.shape[1]):
        for epoch, layers in enumerate(zip(*training, strict=True), start=1):
            scores = _Scores()
            for layer, (images, truth) in zip(layers, held_out, strict=True):
                scores.add(*_validated(layer.weight, layer.bias, images, truth))
            if best is None or scores.accuracy > best.validation_accuracy:
                best = _probe(layers[0].weight, layers[0].bias, epoch, scores.accuracy)
            if epoch == epochs or epoch - best.setting >= patience:
                break
    logger.info(
        "AdamW: epoch %d of %d, validation accuracy %.4f",
        best.setting,
        epoch,
        best.validation_accuracy,
    )
    return dataclasses.replace(best, at_edge=best.setting == epochs)


def _epochs(
    vectors: np.ndarray, labels: np.ndarray, classes: int, seed: int, device: str
) -> Iterator[torch.nn.Linear]:
    """The layer after each epoch, without end."""
    where = torch_device(device)
    random = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(vectors.shape[1], classes)
    with torch.no_grad():
        layer.weight.normal_(0, INITIAL_DEVIATION, generator=random)
        layer.bias.zero_()
    layer.to(where)
    images, truth = (
        torch.from_numpy(vectors).to(where),
        torch.from_numpy(labels.astype(np.int64)).to(where),
    )
    optimizer = torch.optim.AdamW(layer.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    while True:
        for batch in torch.randperm(len(images), generator=random).to(where).split(BATCH_SIZE):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(images[batch]), truth[batch]).backward()
            optimizer.step()
        yield layer


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
    """Multinomial logistic regression by L-BFGS for each C (:func:`_path`), chosen on validation
    images.

    The C with the highest validation accuracy is returned, of equal ones that with the lowest
    validation cross-entropy.
    """
    settings = {"iterations": iterations, "tolerance": tolerance, "device": device}
    held_out = _on_device(Fold(vectors, labels, validation_vectors, validation_labels), device)
    best, lowest = None, np.inf
    for inverse_penalty, weight, bias in _path(
        vectors, labels, classes, inverse_penalties, **settings
    ):
        right, loss, images = _validated(weight, bias, *held_out)
        accuracy = right / images
        if best is None or (accuracy, -loss) > (best.validation_accuracy, -lowest):
            best, lowest = _probe(weight, bias, inverse_penalty, accuracy), loss
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
        scores = {each: _Scores() for each in inverse_penalties}
        for fold in folds:
            held_out = _on_device(fold, device)
            for inverse_penalty, weight, bias in _path(
                fold.vectors, fold.labels, classes, inverse_penalties, device=device
            ):
                scores[inverse_penalty].add(*_validated(weight, bias, *held_out))
        chosen = max(scores, key=lambda each: (scores[each].accuracy, -scores[each].loss))
        accuracy, at_edge = scores[chosen].accuracy, _at_edge(chosen, inverse_penalties)
        logger.info("L-BFGS: C = %g, accuracy over the folds %.4f", chosen, accuracy)
    grid = [*(each for each in inverse_penalties if each < chosen), chosen]
    *_, (_, weight, bias) = _path(vectors, labels, classes, grid, device=device)
    return _probe(weight, bias, chosen, accuracy, at_edge)


def _at_edge(chosen: float, grid: Sequence[float]) -> bool:
    return len(grid) > 1 and chosen in (min(grid), max(grid))


def _path(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    inverse_penalties: Sequence[float],
    *,
    iterations: int = ITERATIONS,
    tolerance: float = GRADIENT_TOLERANCE,
    device: str = "cpu",
) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
    """C, weight ``(C, d)`` and bias ``(C,)`` of logistic regression for each C, each starting where
    the one before ended.

    Minimises C x (sum of the cross-entropies) + half the squared weights, the bias free, as
    scikit-learn's ``LogisticRegression`` does. For the fit the embeddings are centered and turned
    to their principal axes, and each axis is scaled by about the curvature of the loss along it, so
    that axes of small variance, in which embeddings tell most, are not left where they started.
    That changes the path and not the optimum. Images are kept in float32; all sums are in double
    precision, without which large weights stop short of the optimum.

    An iteration is two products of ``(n, d)`` and ``(d, C)`` matrices in blocks of rows, on the
    device; beside two copies of the vectors, memory does not grow with n. For a million images of
    768 dimensions and 185 classes that is 0.6 Tflop, the whole grid at most some 3,000 Tflop.
    """
    where = _device_of_doubles(device)
    images, truth = (
        torch.from_numpy(vectors).to(where),
        torch.from_numpy(labels.astype(np.int64)).to(where),
    )
    center = images.mean(dim=0, dtype=torch.float64)
    images = images - center.float()
    axes = _principal_axes(images)
    images = images @ axes
    variances = images.square().mean(dim=0).cpu().numpy().astype(np.float64)
    axes, center = axes.double(), center.float().double()
    parameters = np.zeros(classes * (images.shape[1] + 1))
    for inverse_penalty in inverse_penalties:
        strength = 1 / (inverse_penalty * len(images))
        # Softmax bends the loss by share x (1 - share) times the variance, and the penalty by its
        # strength.
        steps = np.tile(1 / np.sqrt(variances / classes + strength), classes)
        steps = np.concatenate([steps, np.ones(classes)])
        with _threads(len(images) * len(parameters)):
            parameters = (
                steps
                * scipy.optimize.minimize(
                    _scaled_loss,
                    parameters / steps,
                    (steps, images, truth, strength),
                    "L-BFGS-B",
                    jac=True,
                    options={
                        "maxiter": iterations,
                        "maxfun": 2 * iterations,
                        "maxcor": MEMORY,
                        "gtol": tolerance,
                        "ftol": 0,
                    },
                ).x
            )
        weight, bias = _split(parameters, images)
        weight = weight @ axes.T
        yield inverse_penalty, weight, bias - weight @ center


def _device_of_doubles(device: str) -> torch.device:
    """The device, or the CPU in place of Apple's, which has no double precision."""
    where = torch_device(device)
    return torch.device("cpu") if where.type == "mps" else where


def _on_device(fold: Fold, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The validation images of a fold, and their labels."""
    where = torch_device(device)
    return (
        torch.from_numpy(fold.validation_vectors).to(where),
        torch.from_numpy(fold.validation_labels.astype(np.int64)).to(where),
    )


@contextlib.contextmanager
def _threads(multiplications: int) -> Iterator[None]:
    """One thread for products as small as that; as many as torch was given otherwise."""
    given = torch.get_num_threads()
    torch.set_num_threads(given if multiplications >= PARALLEL_FROM else 1)
    try:
        yield
    finally:
        torch.set_num_threads(given)


def _principal_axes(images: torch.Tensor) -> torch.Tensor:
    """Orthonormal axes ``(d, min(n, d))`` of centered images ``(n, d)``, on their device.

    Weights at the optimum lie in the span of the images: with fewer images than dimensions, its
    coordinates are enough.
    """
    span = torch.linalg.qr(images.T).Q if len(images) < images.shape[1] else None
    within = images if span is None else images @ span
    covariance = (within.T @ within / len(images)).cpu().double()
    axes = torch.linalg.eigh(covariance).eigenvectors.to(images.dtype).to(images.device)
    return axes if span is None else span @ axes


def _scaled_loss(
    parameters: np.ndarray,
    steps: np.ndarray,
    images: torch.Tensor,
    truth: torch.Tensor,
    strength: float,
) -> tuple[float, np.ndarray]:
    """:func:`_penalised_loss` where each parameter is counted in steps of its own, and its
    gradient.
    """
    loss, gradient = _penalised_loss(parameters * steps, images, truth, strength)
    return loss, gradient * steps


@torch.no_grad()
def _penalised_loss(
    parameters: np.ndarray, images: torch.Tensor, truth: torch.Tensor, strength: float
) -> tuple[float, np.ndarray]:
    """The objective over C x n, a mean, so that tolerances mean the same for few and many images,
    and its gradient.
    """
    weight, bias = _split(parameters, images)
    loss = strength / 2 * float(np.square(parameters[: weight.numel()]).sum())
    gradients = torch.zeros_like(weight), torch.zeros_like(bias)
    for block, answers in zip(
        images.split(ROWS_PER_BLOCK), truth.split(ROWS_PER_BLOCK), strict=True
    ):
        block = block.double()
        log_shares = torch.log_softmax(torch.addmm(bias, block, weight.T), dim=1)
        own = log_shares.gather(1, answers[:, None])
        loss -= float(own.sum()) / len(images)
        residual = log_shares.exp_().scatter_add_(1, answers[:, None], torch.full_like(own, -1))
        gradients[0].addmm_(residual.T, block)
        gradients[1].add_(residual.sum(dim=0))
    gradient = np.concatenate([each.cpu().numpy().ravel() for each in gradients]) / len(images)
    gradient[: weight.numel()] += strength * parameters[: weight.numel()]
    return loss, gradient


def _split(parameters: np.ndarray, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight ``(C, d)`` and bias ``(C,)`` of the parameters, on the device of the images."""
    dimension = images.shape[1]
    values = torch.from_numpy(parameters).to(images.device)
    bias_starts = len(values) // (dimension + 1) * dimension
    return values[:bias_starts].reshape(-1, dimension), values[bias_starts:]


@torch.no_grad()
def _validated(
    weight: torch.Tensor, bias: torch.Tensor, images: torch.Tensor, truth: torch.Tensor
) -> tuple[int, float, int]:
    """How many are right, the summed cross-entropy, and how many there are."""
    right, loss = 0, 0.0
    weight, bias = (each.to(images.device, images.dtype) for each in (weight, bias))
    for block, answers in zip(
        images.split(ROWS_PER_BLOCK), truth.split(ROWS_PER_BLOCK), strict=True
    ):
        logits = torch.addmm(bias, block, weight.T)
        right += int((logits.argmax(dim=1) == answers).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, answers, reduction="sum"))
    return right, loss, len(images)


def _probe(
    weight: torch.Tensor,
    bias: torch.Tensor,
    setting: float,
    accuracy: float,
    at_edge: bool = False,
) -> LinearProbe:
    arrays = (each.detach().cpu().float().numpy().copy() for each in (weight, bias))
    return LinearProbe(*arrays, setting=setting, validation_accuracy=accuracy, at_edge=at_edge)
