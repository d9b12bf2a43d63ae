"""Prompts -> one vector per label, by a model's text tower."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from radcbir.core.files import atomic_write
from radcbir.core.logs import logger
from radcbir.core.vectors import normalised
from radcbir.encoders import TextEncoder, load_encoder

TEXTS_PER_BATCH = 64


def label_vectors(
    encoder: TextEncoder, labels: Sequence[str], prompts: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """The labels (by first appearance) and their vectors ``(labels, d)`` of length one, float32.

    A label's vector is the mean of its prompts' unit vectors, brought to length one (Radford et
    al., CLIP, 2021). Raises :class:`ValueError` where a vector is zero or not finite.
    """
    parts = [
        prompts[start : start + TEXTS_PER_BATCH]
        for start in range(0, len(prompts), TEXTS_PER_BATCH)
    ]
    vectors, _ = normalised(np.concatenate([encoder.encode_text(part) for part in parts]))
    names = list(dict.fromkeys(labels))
    place = {name: number for number, name in enumerate(names)}
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, [place[label] for label in labels], vectors)
    return names, normalised(sums)[0].astype(np.float32)


def embed_prompts(
    labels: Sequence[str],
    prompts: Sequence[str],
    output: str | Path,
    *,
    model: str,
    card: Mapping,
    weights: str | Path | None,
    device: str,
) -> None:
    """Write the vectors of the labels to HDF5: ``vectors`` (labels, d) and ``labels``."""
    encoder: Any = load_encoder(model, card, weights, device)
    names, vectors = label_vectors(encoder, labels, prompts)
    with atomic_write(output) as part, h5py.File(part, "w") as file:
        file.create_dataset("vectors", data=vectors, track_times=False)
        file.create_dataset(
            "labels", data=np.array(names, dtype=h5py.string_dtype()), track_times=False
        )
    logger.info("%d prompts of %d labels", len(prompts), len(names))
