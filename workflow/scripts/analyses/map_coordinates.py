"""Embeddings of a sample of images -> their places on the map of one model."""

import pandas as pd

from radcbir.analyses.map.compute import choose_images, coordinates
from radcbir.core.logs import script_log
from radcbir.core.tables import write_parquet
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"map {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    chosen = choose_images(pd.read_parquet(snakemake.input.catalog), snakemake.params.images)
    ids, vectors = store.read(snakemake.input.embeddings, chosen)
    places = coordinates(vectors)
    write_parquet(
        pd.DataFrame({"id": ids, "x": places[:, 0], "y": places[:, 1]}), snakemake.output[0]
    )
