"""Precision with fewer dimensions and in fewer bits -> figure."""

import pandas as pd

import _library  # noqa: F401
from radcbir import fidelity_figures, figures
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"dimensions_figure {snakemake.wildcards.experiment}"):
    figure = fidelity_figures.precision_against_bytes(
        pd.read_csv(snakemake.input.table), snakemake.params.names, snakemake.params.query_splits[0]
    )
    figures.save(figure, snakemake.output.figure, snakemake.output.pdf)
