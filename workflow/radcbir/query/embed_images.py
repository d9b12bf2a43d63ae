"""Query images -> vectors, in the same way as the images of the index."""

from pathlib import Path

from radcbir.core.logs import logger
from radcbir.embedding.images import Means, embed_images
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_shard
from radcbir.query.image_list import read_queries


def embed_queries(queries: str | Path, output: str | Path, job: Job, means: Means) -> None:
    """Embed a list of :func:`radcbir.query.image_list.write_queries` and write a file like a
    shard's, with unit vectors.

    What cannot be embedded is kept in the file with the reason; no number of such images is an
    error.
    """
    encoder = means.load(job)
    listed = enumerate(read_queries(queries))
    rows = [(number, each.path) for number, each in listed if not each.left_out]
    ids, vectors, rejected = embed_images(
        rows, means.image_root, encoder, means.batch_size, means.threads, job.intensity
    )
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    write_shard(output, ids, vectors, rejected, attributes)
    logger.info("%d query images embedded, %d rejected", len(ids), len(rejected))
