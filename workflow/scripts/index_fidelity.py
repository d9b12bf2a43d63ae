"""Embeddings of the index and of queries -> what approximate indexes find of them, and how fast."""

import _library  # noqa: F401
from radcbir import embeddings, fidelity
from radcbir.catalog import read_split, write_csv, write_parquet
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"index_fidelity {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    lists = [read_split(snakemake.input[name]) for name in ("images", "queries")]
    indexed, asked = (
        embeddings.read(snakemake.input.embeddings, each.loc[~each["several_labels"], "id"].to_numpy())
        for each in lists
    )
    recall, neighbors, timings = fidelity.index_fidelity(*indexed, *fidelity.sampled(*asked))
    write_csv(recall, snakemake.output.variants)
    write_parquet(neighbors, snakemake.output.neighbors)
    write_csv(timings, snakemake.output.timings)
