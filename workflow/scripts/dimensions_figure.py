"""Precision with fewer dimensions and in fewer bits -> figure."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.dimensions.figure import precision_against_bytes
from radcbir.core.logs import script_log
from radcbir.report.style import save

with script_log(snakemake.log[0], f"dimensions_figure {snakemake.wildcards.experiment}"):
    figure = precision_against_bytes(
        pd.read_csv(snakemake.input.table), snakemake.params.names, snakemake.params.query_splits[0]
    )
    save(figure, snakemake.output.figure, snakemake.output.pdf)
