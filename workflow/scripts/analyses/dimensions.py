"""Embeddings of the index and of queries -> what is found with fewer dimensions and in fewer
bits.
"""

from radcbir.analyses.dimensions.compute import dimension_fidelity
from radcbir.analyses.variants import sampled
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.datasets.pool import read_split
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"dimensions {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    lists = [read_split(snakemake.input[name]) for name in ("images", "queries")]
    indexed, asked = (
        store.read(snakemake.input.embeddings, each.loc[~each["several_labels"], "id"].to_numpy())
        for each in lists
    )
    variants, neighbors = dimension_fidelity(*indexed, *sampled(*asked))
    write_csv(variants, snakemake.output.variants)
    write_parquet(neighbors, snakemake.output.neighbors)
