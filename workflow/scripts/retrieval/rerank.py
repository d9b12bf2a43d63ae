"""Neighbor table and embeddings of a model -> neighbor table of a reranked one."""

import pandas as pd
import pyarrow.parquet as pq

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.datasets.pool import read_split
from radcbir.embedding import store
from radcbir.retrieval.neighbor_table import Queries, write_neighbors
from radcbir.retrieval.reranking.graph import read_graph
from radcbir.retrieval.reranking.rerank import rerank

with script_log(
    snakemake.log[0], f"rerank {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    given, params = snakemake.input, snakemake.params
    patients = read_split(given.queries).set_index("id")["patient_id"]
    images = read_split(given.images).set_index("id")
    ids, vectors = store.read(given.embeddings, patients.index.to_numpy())
    index = store.read(given.embeddings, images.index.to_numpy())
    asked = Queries(
        ids,
        vectors,
        params.k,
        patients.loc[ids].to_numpy(),
        images["patient_id"],
        images["several_labels"],
    )
    graph = read_graph(pd.read_parquet(given.graph), index[0]) if given.graph else None
    table, took = rerank(params.settings, pq.read_table(given.neighbors), asked, index, graph)
    write_neighbors(snakemake.output.neighbors, table)
    write_csv(pd.DataFrame([took]), snakemake.output.timings)
