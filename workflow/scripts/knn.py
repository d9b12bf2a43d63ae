"""Index and query vectors -> neighbor table."""

import _library  # noqa: F401
from radcbir import embeddings, search
from radcbir.catalog import read_split
from radcbir.errors import InputError
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"knn {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    queries = read_split(snakemake.input.queries).set_index("id")["patient_id"]
    patients = read_split(snakemake.input.images).set_index("id")["patient_id"].dropna().to_dict()
    blocks = embeddings.blocks(snakemake.input.embeddings, queries.index.to_numpy())
    ids, vectors = search.query_vectors(blocks, embeddings.dimension(snakemake.input.embeddings))
    if not len(ids):
        raise InputError(
            f"no image of the split '{snakemake.wildcards.split}' is embedded; see the dataset's ledger.csv"
        )
    index = search.read_index(snakemake.input.index)
    k = snakemake.params.k
    table = search.neighbor_table(index, ids, vectors, k, queries.loc[ids].to_numpy(), patients)
    search.write_neighbors(snakemake.output[0], table, k, index.ntotal)
