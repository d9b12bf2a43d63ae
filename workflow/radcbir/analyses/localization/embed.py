"""Slices in boxes -> vectors, by the code that embeds all images."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from radcbir.analyses.localization.box import cropped
from radcbir.core.logs import logger
from radcbir.core.vectors import normalised
from radcbir.embedding.images import Means, embed_loaded
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_arrays
from radcbir.images import reader
from radcbir.images.intensity import policy_of


def embed_boxes(
    slabs: str | Path,
    output: str | Path,
    job: Job,
    means: Means,
    roots: Mapping[str, str],
    intensities: Mapping[str, Mapping],
) -> None:
    """Embed the boxes of a list (:func:`radcbir.analyses.localization.boxes.write_slabs`), each as an
    image of its own.

    ``roots`` and ``intensities`` have the image root and the policy of each dataset. The HDF5 file
    has ``rows`` (n,) int64, the rows of the list, and ``vectors`` (n, d) float32 of length one.
    Images that cannot be read, or whose vector is zero or not finite, are left out and logged.
    """
    with open(slabs, newline="", encoding="utf-8") as handle:
        listed = list(csv.DictReader(handle, delimiter="\t"))
    encoder = means.load(job)
    policies = {
        name: policy_of(getattr(encoder, "preprocessing", {}), each)
        for name, each in intensities.items()
    }

    def load(row: tuple[int, str]) -> Image.Image:
        one = listed[row[0]]
        path = reader.resolve(roots[one["dataset"]], one["path"])
        left, top, right, bottom = (float(one[each]) for each in ("left", "top", "right", "bottom"))
        return cropped(reader.read(path, policies[one["dataset"]]), (left, top, right, bottom))

    places = [(place, one["path"]) for place, one in enumerate(listed)]
    rows, vectors, rejected = embed_loaded(places, load, encoder, means.batch_size, means.threads)
    unit = normalised(vectors)[0].astype(np.float32)
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    attributes["intensity"] = json.dumps(intensities, sort_keys=True)
    write_arrays(output, {"rows": np.array(rows, dtype=np.int64), "vectors": unit}, attributes)
    logger.info("%d boxes embedded, %d rejected", len(rows), len(rejected))
