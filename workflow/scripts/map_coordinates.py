"""Embeddings of a sample of images -> their places on the map of one model."""

import pandas as pd

import _library  # noqa: F401
from radcbir import embedding_map, embeddings
from radcbir.catalog import write_parquet
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"map {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    chosen = embedding_map.choose_images(pd.read_parquet(snakemake.input.catalog), snakemake.params.images)
    ids, vectors = embeddings.read(snakemake.input.embeddings, chosen)
    places = embedding_map.coordinates(vectors)
    write_parquet(pd.DataFrame({"id": ids, "x": places[:, 0], "y": places[:, 1]}), snakemake.output[0])
