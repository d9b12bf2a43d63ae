"""A linear layer that draws images of one label together, trained by a metric loss.

The losses are those of pytorch-metric-learning: supervised contrastive (Khosla et al., NeurIPS
2020) and proxy anchor (Kim et al., CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning.losses import ProxyAnchorLoss, SupConLoss

from radcbir.core.logs import Progress
from radcbir.retrieval.adaptation.transform import Transform
from radcbir.retrieval.reduction import principal_components

BATCH_SIZE = 256

LEARNING_RATE, PROXY_RATE = 1e-2, 1e-1
"""Of the layer, and of the vectors that stand for labels, which have to move further."""


def projection(vectors: np.ndarray, codes: np.ndarray, settings: Mapping[str, Any]) -> Transform:
    """The map of unit vectors ``(n, d)`` with the label codes ``(n,)``, from 0.

    It starts from the first principal components. A step sees as many images of one label as of
    another, few enough for one thread: the same input and seed give the same map on a CPU.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _trained(vectors, codes, settings)
    finally:
        torch.set_num_threads(threads)


def _trained(vectors: np.ndarray, codes: np.ndarray, settings: Mapping[str, Any]) -> Transform:
    start = principal_components(vectors)
    kept = min(settings["components"], start.rank)
    random = np.random.default_rng(settings["seed"])
    images = torch.from_numpy((vectors - start.mean).astype(np.float32))
    matrix = torch.tensor(start.components[:kept].T, dtype=torch.float32, requires_grad=True)
    groups = [{"params": [matrix], "lr": LEARNING_RATE}]
    labels = int(codes.max()) + 1
    if settings["loss"] == "proxy":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings["seed"])
            loss = ProxyAnchorLoss(num_classes=labels, embedding_size=kept)
        groups.append({"params": list(loss.parameters()), "lr": PROXY_RATE})
    else:
        loss = SupConLoss()
    optimizer = torch.optim.AdamW(groups)
    batches = _balanced(codes, random)
    progress = Progress(settings["steps"], "steps")
    for _ in range(settings["steps"]):
        chosen = next(batches)
        optimizer.zero_grad()
        loss(images[chosen] @ matrix, torch.from_numpy(codes[chosen])).backward()
        optimizer.step()
        progress.advance()
    return Transform(start.mean, matrix.detach().numpy().astype(np.float64))


def _balanced(codes: np.ndarray, random: np.random.Generator):
    """Positions of images, without end: of each of some labels as many, at least two.

    Where labels have fewer images, all of them are taken.
    """
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    labels = min(len(groups), BATCH_SIZE // 4)
    each = BATCH_SIZE // labels
    while True:
        chosen = random.choice(len(groups), labels, replace=False)
        parts = [groups[label] for label in chosen]
        yield np.concatenate(
            [part if len(part) <= each else random.choice(part, each, False) for part in parts]
        )
