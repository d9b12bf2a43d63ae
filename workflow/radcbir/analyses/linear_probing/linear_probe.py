"""Linear classifiers on frozen embeddings, trained with torch from arrays in memory: AdamW, and
L-BFGS over a grid.

Both are chosen on validation images, never on those they are tested with. The same input, seed,
device and number of threads give the same weights on a CPU.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch

from radcbir.core.logs import logger
from radcbir.core.machine.devices import torch_device

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

GRADIENT_TOLERANCE = 1e-5
"""Where L-BFGS stops: the largest slope of the mean loss along the scaled axes that the fit walks
on."""

PARALLEL_FROM = 30_000_000
"""Multiplications per matrix product that are worth more than one thread: below, threads wait for
one another."""

ROWS_PER_BLOCK = 65536
"""Images whose logits exist at a time: memory for 185 classes stays below 100 MB however many
images there are."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier: logits are ``vectors @ weight.T + bias``."""

    weight: np.ndarray
    """``(C, d)`` float32."""
    bias: np.ndarray
    """``(C,)`` float32."""
    setting: float
    """What was chosen on the validation images: the epoch (from 1) with AdamW, C with L-BFGS."""
    validation_accuracy: float

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """The softmax of the logits ``(n, C)`` float64."""
        logits = (vectors @ self.weight.T + self.bias).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=1, keepdims=True)


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
    held_out = torch.from_numpy(validation_vectors).to(where)
    held_out_truth = torch.from_numpy(validation_labels.astype(np.int64)).to(where)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best = None
    with _threads(min(len(images), BATCH_SIZE) * layer.weight.numel()):
        for epoch in range(1, epochs + 1):
            for batch in torch.randperm(len(images), generator=random).to(where).split(BATCH_SIZE):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(layer(images[batch]), truth[batch]).backward()
                optimizer.step()
            accuracy, _ = _validated(layer.weight, layer.bias, held_out, held_out_truth)
            if best is None or accuracy > best.validation_accuracy:
                best = _probe(layer.weight, layer.bias, epoch, accuracy)
            elif epoch - best.setting >= patience:
                break
    assert best is not None
    logger.info(
        "AdamW: epoch %d of %d, validation accuracy %.4f",
        best.setting,
        epoch,
        best.validation_accuracy,
    )
    return best


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
    """Multinomial logistic regression by L-BFGS for each C, each starting where the one before
    ended.

    Minimises C x (sum of the cross-entropies) + half the squared weights, the bias free, as
    scikit-learn's ``LogisticRegression`` does. The C with the highest validation accuracy is
    returned, of equal ones that with the lowest validation cross-entropy. For the fit the
    embeddings are centered and turned to their principal axes, and each axis is scaled by about the
    curvature of the loss along it, so that axes of small variance, in which embeddings tell most,
    are not left where they started. That changes the path and not the optimum.

    An iteration is two products of ``(n, d)`` and ``(d, C)`` matrices in blocks of rows, on the
    device; beside two copies of the vectors, memory does not grow with n. For a million images of
    768 dimensions and 185 classes that is 0.6 Tflop, the whole grid at most 1,600 Tflop: minutes on
    a GPU, a night on a few CPU cores.
    """
    where = torch_device(device)
    images, truth = (
        torch.from_numpy(vectors).to(where),
        torch.from_numpy(labels.astype(np.int64)).to(where),
    )
    held_out = torch.from_numpy(validation_vectors).to(where)
    held_out_truth = torch.from_numpy(validation_labels.astype(np.int64)).to(where)
    center = images.mean(dim=0)
    images = images - center
    axes = _principal_axes(images)
    images = images @ axes
    variances = images.square().mean(dim=0).cpu().numpy().astype(np.float64)
    parameters, best, lowest = np.zeros(classes * (images.shape[1] + 1)), None, np.inf
    with _threads(len(images) * len(parameters)):
        for inverse_penalty in inverse_penalties:
            strength = 1 / (inverse_penalty * len(images))
            # Softmax bends the loss by share x (1 - share) times the variance, and the penalty by
            # its strength.
            steps = np.tile(1 / np.sqrt(variances / classes + strength), classes)
            steps = np.concatenate([steps, np.ones(classes)])
            parameters = (
                steps
                * scipy.optimize.minimize(
                    _scaled_loss,
                    parameters / steps,
                    (steps, images, truth, strength),
                    "L-BFGS-B",
                    jac=True,
                    options={"maxiter": iterations, "maxcor": 10, "gtol": tolerance, "ftol": 0},
                ).x
            )
            weight, bias = _split(parameters, images)
            weight = weight @ axes.T
            bias = bias - weight @ center
            accuracy, loss = _validated(weight, bias, held_out, held_out_truth)
            if best is None or (accuracy, -loss) > (best.validation_accuracy, -lowest):
                best, lowest = _probe(weight, bias, inverse_penalty, accuracy), loss
    assert best is not None
    logger.info("L-BFGS: C = %g, validation accuracy %.4f", best.setting, best.validation_accuracy)
    return best


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
        log_shares = torch.log_softmax(torch.addmm(bias, block, weight.T), dim=1)
        own = log_shares.gather(1, answers[:, None])
        loss -= float(own.sum(dtype=torch.float64 if own.device.type != "mps" else None)) / len(
            images
        )
        residual = log_shares.exp_().scatter_add_(1, answers[:, None], torch.full_like(own, -1))
        gradients[0].addmm_(residual.T, block)
        gradients[1].add_(residual.sum(dim=0))
    gradient = np.concatenate([each.cpu().numpy().ravel() for each in gradients]).astype(
        np.float64
    ) / len(images)
    gradient[: weight.numel()] += strength * parameters[: weight.numel()]
    return loss, gradient


def _split(parameters: np.ndarray, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight ``(C, d)`` and bias ``(C,)`` of the parameters, float32 on the device of the
    images.
    """
    dimension = images.shape[1]
    values = torch.from_numpy(parameters.astype(np.float32)).to(images.device)
    bias_starts = len(values) // (dimension + 1) * dimension
    return values[:bias_starts].reshape(-1, dimension), values[bias_starts:]


@torch.no_grad()
def _validated(
    weight: torch.Tensor, bias: torch.Tensor, images: torch.Tensor, truth: torch.Tensor
) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    right, loss = 0, 0.0
    for block, answers in zip(
        images.split(ROWS_PER_BLOCK), truth.split(ROWS_PER_BLOCK), strict=True
    ):
        logits = torch.addmm(bias, block, weight.T)
        right += int((logits.argmax(dim=1) == answers).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, answers, reduction="sum"))
    return right / len(images), loss / len(images)


def _probe(
    weight: torch.Tensor, bias: torch.Tensor, setting: float, accuracy: float
) -> LinearProbe:
    own = [each.detach().cpu().numpy().copy() for each in (weight, bias)]
    return LinearProbe(own[0], own[1], setting, accuracy)
