"""Query images -> vectors, by the same way that the images of the index went."""

from collections.abc import Mapping
from pathlib import Path

from radcbir.core.files import digest_of
from radcbir.core.logs import logger
from radcbir.embedding.images import embed_images
from radcbir.embedding.store import write_shard
from radcbir.encoders import load_encoder
from radcbir.query.image_list import read_queries


def embed_queries(
    queries: str | Path,
    output: str | Path,
    *,
    model: str,
    card: Mapping,
    weights: str | Path | None,
    batch_size: int,
    device: str,
    threads: int,
    code: str,
    intensity: Mapping,
    runtime: str,
) -> None:
    """Embed a list of :func:`radcbir.query.image_list.write_queries` and write a file like a
    shard's, with unit vectors.

    ``intensity`` is the policy of the images that are searched. What cannot be embedded is kept in
    the file with the reason; no number of such images is an error.
    """
    encoder = load_encoder(model, card, weights, device, runtime)
    rows = [(number, each.path) for number, each in enumerate(read_queries(queries))]
    ids, vectors, rejected = embed_images(rows, "/", encoder, batch_size, threads, intensity)
    attributes = {
        "model": model,
        "card_digest": digest_of(card),
        "weights_sha256": encoder.weights_sha256,
        "code": code,
    }
    write_shard(output, ids, vectors, rejected, attributes)
    logger.info("%d query images embedded, %d rejected", len(ids), len(rejected))
