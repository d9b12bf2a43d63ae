"""Index and vectors of query images -> neighbor table."""

import _library  # noqa: F401
from radcbir import embeddings
from radcbir.catalog import read_split
from radcbir.logs import script_log
from radcbir.neighbor_search import neighbors_by
from radcbir.search import write_neighbors

with script_log(snakemake.log[0], f"query_neighbors {snakemake.wildcards.query} {snakemake.wildcards.model}"):
    queries = snakemake.input.queries
    tables = neighbors_by(
        snakemake.input.index,
        snakemake.params.index,
        snakemake.params.fusion,
        lambda: embeddings.read(snakemake.input.embeddings, read_split(snakemake.input.images)["id"].to_numpy()),
        *embeddings.read([queries], embeddings.read_ids(queries)),
        snakemake.params.k,
        memory=snakemake.resources.mem_mb << 20,
    )
    write_neighbors(snakemake.output[0], tables)
