"""Which model has seen which dataset -> matrix and page."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.contamination.page import contamination_sections
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render

with script_log(snakemake.log[0], f"contamination {snakemake.wildcards.experiment}"):
    statuses = snakemake.params.statuses
    write_csv(pd.DataFrame(statuses).T.rename_axis("model").reset_index(), snakemake.output.table)
    render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"What the models of {snakemake.wildcards.experiment} have seen",
        sections=contamination_sections(statuses, snakemake.params.cards),
    )
