"""The counts after each step of a preparation -> a page."""

import pandas as pd

import _library  # noqa: F401
from radcbir.core.logs import script_log
from radcbir.datasets import preparation_steps
from radcbir.datasets.providers import PROVIDERS
from radcbir.report.render import render

with script_log(snakemake.log[0], f"preparation {snakemake.wildcards.dataset}"):
    options = dict(snakemake.params.options)
    render(
        snakemake.input.template,
        snakemake.output[0],
        title=f"Preparation of the dataset {snakemake.wildcards.dataset}",
        provider=PROVIDERS[options.pop("from")],
        options=options,
        **preparation_steps.preparation_steps(pd.read_csv(snakemake.input.counts)),
    )
