"""A comparison's summary -> the table of models as a page."""

import pandas as pd

import _library  # noqa: F401
from radcbir import pages
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"model_table {snakemake.wildcards.experiment}"):
    summary, counts = pd.read_csv(snakemake.input.summary), pd.read_csv(snakemake.input.counts)
    bounds = pd.read_csv(snakemake.input.bounds)
    intervals, differences = (
        pd.read_csv(path) if path else None for path in (snakemake.input.intervals, snakemake.input.differences)
    )
    index_split = snakemake.params.index_split
    pages.render(
        snakemake.input.template,
        snakemake.output[0],
        title=f"Models on {snakemake.wildcards.experiment}",
        index_split=index_split,
        index_images=int(counts.loc[counts["split"] == index_split, "taken"].sum()),
        k=snakemake.params.k,
        columns=pages.model_columns(summary),
        splits=pages.model_table(summary, snakemake.params.cards, intervals, differences, bounds),
        uncertain=intervals is not None,
        cards=pages.card_table(snakemake.params.cards),
    )
