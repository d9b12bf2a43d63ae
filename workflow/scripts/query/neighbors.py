"""Index and vectors of query images -> neighbor table."""

from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.neighbor_table import Queries, write_neighbors
from radcbir.retrieval.search import neighbors_by

with script_log(
    snakemake.log[0], f"query_neighbors {snakemake.wildcards.query} {snakemake.wildcards.model}"
):
    queries = snakemake.input.queries
    tables = neighbors_by(
        snakemake.input.index,
        snakemake.params.index,
        snakemake.params.fusion,
        lambda: store.read(
            snakemake.input.embeddings, read_split(snakemake.input.images)["id"].to_numpy()
        ),
        Queries(*store.read([queries], store.read_ids(queries)), snakemake.params.k),
        memory=snakemake.resources.mem_mb << 20,
    )
    write_neighbors(snakemake.output[0], tables)
