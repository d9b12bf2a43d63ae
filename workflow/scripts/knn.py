"""Index and query vectors -> neighbor table."""

import _library  # noqa: F401
from radcbir import embeddings
from radcbir.catalog import read_split
from radcbir.errors import InputError
from radcbir.logs import script_log
from radcbir.neighbor_search import neighbors_by
from radcbir.search import write_neighbors

with script_log(snakemake.log[0], f"knn {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    queries = read_split(snakemake.input.queries).set_index("id")["patient_id"]
    images = read_split(snakemake.input.images).set_index("id")
    ids, vectors = embeddings.read(snakemake.input.embeddings, queries.index.to_numpy())
    if not len(ids):
        raise InputError(
            f"no image of the query split '{snakemake.wildcards.split}' is embedded: see the dataset's ledger for why"
        )
    patients, several_labels = images["patient_id"], images["several_labels"]
    asked = ids, vectors, snakemake.params.k, queries.loc[ids].to_numpy(), patients, several_labels
    tables = neighbors_by(
        snakemake.input.index,
        snakemake.params.index,
        snakemake.params.fusion,
        lambda: embeddings.read(snakemake.input.embeddings, images.index.to_numpy()),
        *asked,
        memory=snakemake.resources.mem_mb << 20,
    )
    write_neighbors(snakemake.output[0], tables)
