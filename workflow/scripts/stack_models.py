"""Tables of each model -> one table per kind, a column `model` in front."""

import pandas as pd

import _library  # noqa: F401
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv

with script_log(snakemake.log[0], f"{snakemake.rule} {snakemake.wildcards.experiment}"):
    for kind, output in snakemake.output.items():
        tables = [pd.read_csv(path) for path in snakemake.input[kind]]
        stacked = pd.concat(
            tables, keys=snakemake.params.models, names=["model", None]
        ).reset_index("model")
        write_csv(stacked, output)
