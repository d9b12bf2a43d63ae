"""Which model has seen which dataset -> matrix and page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import pages, trust_pages
from radcbir.catalog import write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"contamination {snakemake.wildcards.experiment}"):
    statuses = snakemake.params.statuses
    write_csv(pd.DataFrame(statuses).T.rename_axis("model").reset_index(), snakemake.output.table)
    pages.render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"What the models of {snakemake.wildcards.experiment} have seen",
        sections=trust_pages.contamination(statuses, snakemake.params.cards),
    )
