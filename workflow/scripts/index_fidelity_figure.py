"""Recall of approximate indexes and their timings -> one table of the timings, and the figure of
both.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses.index_fidelity.figure import recall_against_speed
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.style import save

with script_log(snakemake.log[0], f"index_fidelity_figure {snakemake.wildcards.experiment}"):
    splits = snakemake.params.query_splits
    pairs = [(model, split) for model in snakemake.params.names for split in splits]
    timings = pd.concat(
        [
            pd.read_csv(path).assign(model=model, query_split=split)
            for (model, split), path in zip(pairs, snakemake.input.timings, strict=True)
        ]
    )
    figure = recall_against_speed(
        pd.read_csv(snakemake.input.table), timings, snakemake.params.names, splits[0]
    )
    save(figure, snakemake.output.figure, snakemake.output.pdf)
    first = ["model", "query_split"]
    write_csv(timings[[*first, *timings.columns.drop(first)]], snakemake.output.timings)
