"""Vectors of perturbed queries, of queries and of the index -> what the perturbations change."""

import pandas as pd

from radcbir.analyses.robustness.compute import (
    answerable,
    read_perturbed,
    robustness,
    sampled_ids,
)
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store
from radcbir.retrieval.exact import exact_searcher

with script_log(
    snakemake.log[0], f"robustness {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    params, given = snakemake.params, snakemake.input
    catalog = pd.read_parquet(given.catalog)
    perturbed = dict(read_perturbed(dict(zip(params.perturbations, given.perturbed, strict=True))))
    one_label = catalog.loc[catalog["label"].notna() & (catalog["split"] == params.index_split)]
    indexed, vectors = store.read(given.embeddings, one_label["id"].to_numpy())
    asked, known = store.read(given.embeddings, sampled_ids(list(perturbed.values())))
    queries = answerable(catalog, asked, indexed, exact_searcher(vectors))
    places = pd.Index(asked).get_indexer(catalog["id"].to_numpy()[queries.rows])
    tables = robustness(catalog, queries, known[places], perturbed)
    for name, table in zip(("robustness", "areas"), tables, strict=True):
        table.insert(0, "query_split", params.split)
        write_csv(table, snakemake.output[name])
