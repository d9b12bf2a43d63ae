"""Metrics of single queries by all models -> intervals, differences and ranks."""

import pandas as pd

from radcbir.analyses.uncertainty.compute import METRICS, bootstrap
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv

with script_log(snakemake.log[0], f"uncertainty {snakemake.wildcards.experiment}"):
    catalog = pd.read_parquet(snakemake.input.catalog, columns=["id", "patient_id"])
    columns = ["query_split", "neighbors", "query", "label", "relevant_in_index", *METRICS]
    tables = [pd.read_parquet(path, columns=columns) for path in snakemake.input.per_query]
    intervals, differences, ranks = bootstrap(
        dict(zip(snakemake.params.models, tables, strict=True)),
        catalog.set_index("id")["patient_id"],
        **snakemake.params.bootstrap,
    )
    write_csv(intervals, snakemake.output.intervals)
    write_csv(differences, snakemake.output.differences)
    write_csv(ranks, snakemake.output.ranks)
