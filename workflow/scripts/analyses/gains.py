"""Metrics of a derived model, of its base and of those beside it -> how much better it is."""

import pandas as pd

from radcbir.analyses.gains.compute import GAIN_COLUMNS, gains, left_out, unseen_per_query
from radcbir.analyses.gains.folds import load
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding import store

with script_log(
    snakemake.log[0], f"gains {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    given, params, model = snakemake.input, snakemake.params, snakemake.wildcards.model
    catalog = pd.read_parquet(given.catalog)
    patients = catalog.set_index("id")["patient_id"]
    drawn = params.bootstrap["resamples"], params.bootstrap["seed"]
    per_query = dict(zip(params.models, map(pd.read_parquet, given.per_query), strict=True))
    table = gains(per_query, patients, model, params.base, *drawn)
    write_csv(table[GAIN_COLUMNS], snakemake.output.gains)
    unseen = {}
    if given.fits:
        unseen = unseen_per_query(
            catalog,
            lambda ids: store.read(given.embeddings, ids),
            load(given.fits),
            params.index_split,
            params.query_splits,
            params.k,
        )
    found = left_out(unseen, per_query[model], per_query[params.base], patients, *drawn)
    write_csv(found, snakemake.output.left_out)
