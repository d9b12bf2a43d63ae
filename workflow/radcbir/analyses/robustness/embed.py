"""Perturbed query images -> vectors, by the code that embeds all images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from radcbir.analyses.robustness.perturbations import perturbed
from radcbir.analyses.robustness.sample import read_sample
from radcbir.core.logs import logger
from radcbir.core.vectors import normalised
from radcbir.embedding.images import Means, embed_loaded
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_arrays
from radcbir.images import reader


def embed_perturbed(
    queries: str | Path,
    output: str | Path,
    job: Job,
    means: Means,
    perturbation: str,
    severities: Sequence[int],
    roots: Mapping[str, str],
    intensities: Mapping[str, Mapping],
) -> None:
    """Embed the images of a sample (:func:`radcbir.analyses.robustness.sample.write_sample`), changed
    by one perturbation in some severities.

    ``roots`` and ``intensities`` have the image root and the policy of each dataset. The HDF5 file has ``ids`` (n,) int64,
    ``severities`` (n,) int64 and ``vectors`` (n, d) float32 of length one: one row per image and
    severity. Images that cannot be read, or whose vector is zero or not finite, are left out and
    logged; no number of them is an error.
    """
    images = read_sample(queries)
    rows = [(*image, severity) for image in images for severity in severities]
    listed = [(place, path) for place, (_, _, path, _) in enumerate(rows)]

    def load(row: tuple[int, str]) -> Image.Image:
        image, dataset, path, severity = rows[row[0]]
        raster = reader.read_raster(reader.resolve(roots[dataset], path))
        return perturbed(raster, intensities[dataset], perturbation, severity, image)

    encoder = means.load(job)
    places, vectors, rejected = embed_loaded(listed, load, encoder, means.batch_size, means.threads)
    unit = normalised(vectors)[0].astype(np.float32)
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    attributes["intensity"] = json.dumps(intensities, sort_keys=True)
    arrays: dict[str, np.ndarray] = {
        "ids": np.array([rows[place][0] for place in places], dtype=np.int64),
        "severities": np.array([rows[place][-1] for place in places], dtype=np.int64),
        "vectors": unit,
    }
    write_arrays(output, arrays, attributes)
    logger.info(
        "%d queries, %d perturbed images embedded, %d rejected",
        len(images),
        len(places),
        len(rejected),
    )
