"""Index and vectors of query images -> neighbor table."""

import _library  # noqa: F401
from radcbir import embeddings, search
from radcbir.approximate import approximate_neighbor_table
from radcbir.catalog import read_split
from radcbir.fusion import fused_neighbor_table
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"query_neighbors {snakemake.wildcards.query} {snakemake.wildcards.model}"):
    queries, index = snakemake.input.queries, snakemake.params.index
    asked = *embeddings.read([queries], embeddings.read_ids(queries)), snakemake.params.k
    if not snakemake.input.embeddings:
        tables = search.neighbor_tables(snakemake.input.index, *asked, memory=snakemake.resources.mem_mb << 20)
    else:
        images = read_split(snakemake.input.images)["id"].to_numpy()
        indexed = embeddings.read(snakemake.input.embeddings, images)
        if fusion := snakemake.params.fusion:
            tables = fused_neighbor_table(fusion["by"], fusion["widths"], *indexed, *asked)
        else:
            tables = approximate_neighbor_table(snakemake.input.index, index, *indexed, *asked)
    search.write_neighbors(snakemake.output[0], tables)
