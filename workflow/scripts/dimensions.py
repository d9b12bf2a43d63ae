"""Embeddings of the index and of queries -> what is found with fewer dimensions and in fewer bits."""

import _library  # noqa: F401
from radcbir import embeddings, fidelity
from radcbir.catalog import read_split, write_csv, write_parquet
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"dimensions {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    lists = [read_split(snakemake.input[name]) for name in ("images", "queries")]
    indexed, asked = (
        embeddings.read(snakemake.input.embeddings, each.loc[~each["several_labels"], "id"].to_numpy())
        for each in lists
    )
    variants, neighbors = fidelity.dimension_fidelity(*indexed, *fidelity.sampled(*asked))
    write_csv(variants, snakemake.output.variants)
    write_parquet(neighbors, snakemake.output.neighbors)
