"""Labels of an experiment -> floor and ceiling of its figures."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.metrics.chance_and_oracle import bounds

with script_log(snakemake.log[0], f"bounds {snakemake.wildcards.experiment}"):
    catalog = pd.read_parquet(snakemake.input[0])
    settings = snakemake.params
    write_csv(
        bounds(catalog, settings.index_split, settings.query_splits, settings.k),
        snakemake.output[0],
    )
