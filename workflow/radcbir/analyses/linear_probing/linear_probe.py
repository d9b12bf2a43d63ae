"""Linear classifiers on frozen embeddings, fitted with torch to arrays in memory: AdamW step by
step, and logistic regression by L-BFGS for one C after another.

What is chosen of it is in :mod:`~radcbir.analyses.linear_probing.selection`. The same input, seed,
device and number of threads give the same weights on a CPU.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch
from threadpoolctl import threadpool_limits

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

ITERATIONS = 1000
"""L-BFGS iterations per C at most; each starts from the weights of the C before."""

MEMORY = 10
"""Steps that L-BFGS remembers."""

GRADIENT_TOLERANCE = 3e-5
"""Where L-BFGS stops: the largest slope along the scaled axes that the fit walks on, as a share of
the root of the mean loss where it starts. A slope counts squared in what is left to gain, so that
the objective ends as near to its optimum, relative to its size, with a weak penalty as with a
strong one."""

FLAT = 1e-6
"""The least curvature that the step of a bias is scaled for."""

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
    """Of what was chosen, on the images that chose it; NaN where the setting is fixed."""
    at_edge: bool = False
    """Whether it is the last epoch, or the first or last C: a better one may be beyond."""

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """The softmax of the logits ``(n, C)`` float64."""
        logits = (vectors @ self.weight.T + self.bias).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        return logits / logits.sum(axis=1, keepdims=True)


def adamw_epochs(
    vectors: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int,
    device: str,
    trains: np.ndarray | None = None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Weights ``(F, C, d)`` and biases ``(F, C)`` of F layers after each epoch, without end.

    ``trains`` ``(F, n)`` says which of the images train each layer; without it one layer is trained
    by all. The layers start alike and see the same batches, each without the images that do not
    train it, so that one matrix product serves them all.
    """
    where = torch_device(device)
    random = torch.Generator().manual_seed(seed)
    kept = torch.ones(1, len(vectors)) if trains is None else torch.from_numpy(trains).float()
    layers, dimension = len(kept), vectors.shape[1]
    start = torch.empty(classes, dimension).normal_(0, INITIAL_DEVIATION, generator=random)
    weight = start.repeat(layers, 1).to(where).requires_grad_()
    bias = torch.zeros(layers * classes, device=where, requires_grad=True)
    images, truth, kept = (
        torch.from_numpy(vectors).to(where),
        torch.from_numpy(labels.astype(np.int64)).to(where),
        kept.T.contiguous().to(where),
    )
    optimizer = torch.optim.AdamW(
        [weight, bias], lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    whole = torch.arange(len(images), device=where)
    while True:
        order = torch.randperm(len(images), generator=random).to(where)
        for batch in order.split(BATCH_SIZE) if len(images) > BATCH_SIZE else [whole]:
            optimizer.zero_grad()
            part = images if batch is whole else images[batch]
            logits = torch.addmm(bias, part, weight.T).view(len(batch) * layers, classes)
            entropy = torch.nn.functional.cross_entropy(
                logits, truth[batch].repeat_interleave(layers), reduction="none"
            )
            share = kept[batch] / kept[batch].sum(dim=0).clamp(min=1)
            (entropy * share.flatten()).sum().backward()
            optimizer.step()
        yield weight.view(layers, classes, dimension), bias.view(layers, classes)


def lbfgs_path(
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
    to their principal axes, and each weight is scaled by about the curvature of the loss along it
    where the fit starts, so that axes of small variance, in which embeddings tell most, are not
    left where they started. That changes the path and not the optimum. Images are kept in float32; all sums are in double
    precision, without which large weights stop short of the optimum.

    An iteration is two products of ``(n, d)`` and ``(d, C)`` matrices in blocks of rows, on the
    device; beside two copies of the vectors, memory does not grow with n. For a million images of
    768 dimensions and 185 classes that is 0.6 Tflop. The whole grid takes some 500 iterations.
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
        with threads(len(images) * len(parameters)):
            # Softmax bends the loss by share x (1 - share) times the variance, and the penalty by
            # its strength.
            loss, bend = _curvature(parameters, images, truth, strength)
            steps = 1 / np.sqrt(np.outer(bend, variances) + strength)
            steps = np.concatenate([steps.ravel(), 1 / np.sqrt(np.maximum(bend, FLAT))])
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
                        "gtol": tolerance * math.sqrt(loss),
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


@contextlib.contextmanager
def threads(multiplications: int) -> Iterator[None]:
    """One thread for products as small as that; as many as torch was given otherwise.

    The steps of L-BFGS are sums of vectors in the BLAS of SciPy, which has threads of its own. They
    get one: beside another busy process its threads wait for one another most of the time.
    """
    given = torch.get_num_threads()
    torch.set_num_threads(given if multiplications >= PARALLEL_FROM else 1)
    try:
        with threadpool_limits(1, user_api="blas"):
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


@torch.no_grad()
def _curvature(
    parameters: np.ndarray, images: torch.Tensor, truth: torch.Tensor, strength: float
) -> tuple[float, np.ndarray]:
    """The loss where a fit starts, and the mean of share x (1 - share) of each class ``(C,)``."""
    weight, bias = _split(parameters, images)
    bend, loss = torch.zeros_like(bias), strength / 2 * float(weight.square().sum())
    for block, answers in zip(
        images.split(ROWS_PER_BLOCK), truth.split(ROWS_PER_BLOCK), strict=True
    ):
        log_shares = torch.log_softmax(torch.addmm(bias, block.double(), weight.T), dim=1)
        loss -= float(log_shares.gather(1, answers[:, None]).sum()) / len(images)
        shares = log_shares.exp_()
        bend += (shares * (1 - shares)).sum(dim=0)
    return loss, (bend / len(images)).cpu().numpy()


def _split(parameters: np.ndarray, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight ``(C, d)`` and bias ``(C,)`` of the parameters, on the device of the images."""
    dimension = images.shape[1]
    values = torch.from_numpy(parameters).to(images.device)
    bias_starts = len(values) // (dimension + 1) * dimension
    return values[:bias_starts].reshape(-1, dimension), values[bias_starts:]


@torch.no_grad()
def validated(
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


def probe_of(
    weight: torch.Tensor,
    bias: torch.Tensor,
    setting: float,
    accuracy: float,
    at_edge: bool = False,
) -> LinearProbe:
    """The classifier of weights and bias on any device, copied: they may change afterwards."""
    weights, biases = (each.detach().cpu().float().numpy().copy() for each in (weight, bias))
    return LinearProbe(weights, biases, setting, accuracy, at_edge)
