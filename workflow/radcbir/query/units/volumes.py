"""Query series -> vectors of their whole volumes, in the same way as the series of the index."""

from pathlib import Path

from radcbir.core.logs import logger
from radcbir.embedding.images import Means
from radcbir.embedding.job import Job
from radcbir.embedding.store import write_shard
from radcbir.embedding.volumes.job import embed_volumes
from radcbir.encoders.volumes import VolumeEncoder
from radcbir.query.image_list import read_queries, units_in


def embed_query_volumes(queries: str | Path, output: str | Path, job: Job, means: Means) -> None:
    """Embed the series of a list of query images and write a file like a shard's, whose ids are the
    places of the series.

    A series that makes no volume is kept in the file with the reason; no number of them is an
    error.
    """
    encoder = means.load(job)
    assert isinstance(encoder, VolumeEncoder)  # the rule has cards of such encoders alone
    images = read_queries(queries)
    listed = [
        (unit, [images[place].path for place in places])
        for unit, places in enumerate(units_in(images).values())
    ]
    found = embed_volumes(listed, means.image_root, encoder, means.batch_size)
    ids, vectors, rejected = found
    attributes = job.provenance(encoder.weights_sha256, encoder.libraries)
    write_shard(output, ids, vectors, rejected, attributes)
    logger.info("%d query volumes embedded, %d rejected", len(ids), len(rejected))
