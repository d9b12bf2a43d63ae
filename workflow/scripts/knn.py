"""Index and query vectors -> neighbor table."""

import _library  # noqa: F401
from radcbir import embeddings, search
from radcbir.approximate import approximate_neighbor_table
from radcbir.catalog import read_split
from radcbir.errors import InputError
from radcbir.fusion import fused_neighbor_table
from radcbir.logs import script_log

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
    index, fusion = snakemake.params.index, snakemake.params.fusion
    if index["type"] == "flat" and not fusion:
        tables = search.neighbor_tables(snakemake.input.index, *asked, memory=snakemake.resources.mem_mb << 20)
    else:
        indexed = embeddings.read(snakemake.input.embeddings, images.index.to_numpy())
        if fusion:
            tables = fused_neighbor_table(fusion["by"], fusion["widths"], *indexed, *asked)
        else:
            tables = approximate_neighbor_table(snakemake.input.index, index, *indexed, *asked)
    search.write_neighbors(snakemake.output[0], tables)
