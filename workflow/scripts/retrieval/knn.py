"""Index and query vectors -> neighbor table."""

from radcbir.core.errors import InputError
from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.gpu.search import search_device
from radcbir.retrieval.neighbor_table import Queries, write_neighbors
from radcbir.retrieval.search import neighbors_by

with (
    script_log(
        snakemake.log[0], f"knn {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
    ),
    search_device(snakemake.resources.search_device),
):
    queries = read_split(snakemake.input.queries).set_index("id")["patient_id"]
    images = read_split(snakemake.input.images).set_index("id")
    ids, vectors = store.read(snakemake.input.embeddings, queries.index.to_numpy())
    if not len(ids):
        raise InputError(
            f"no image of the query split '{snakemake.wildcards.split}' is embedded: see the "
            "dataset's ledger for why"
        )
    patients, several_labels = images["patient_id"], images["several_labels"]
    asked = Queries(
        ids, vectors, snakemake.params.k, queries.loc[ids].to_numpy(), patients, several_labels
    )
    tables = neighbors_by(
        snakemake.input.index,
        snakemake.params.index,
        snakemake.params.fusion,
        lambda: store.read(snakemake.input.embeddings, images.index.to_numpy()),
        asked,
        memory=snakemake.resources.mem_mb << 20,
    )
    write_neighbors(snakemake.output[0], tables)
