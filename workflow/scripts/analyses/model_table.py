"""A comparison's summary -> the table of models as a page."""

from radcbir.analyses.comparison import model_table
from radcbir.analyses.contamination.compute import mark
from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv
from radcbir.report.render import render
from radcbir.retrieval.index_settings import approximate_note

with script_log(snakemake.log[0], f"model_table {snakemake.wildcards.experiment}"):
    summary, counts = read_csv(snakemake.input.summary), read_csv(snakemake.input.counts)
    bounds = read_csv(snakemake.input.bounds)
    intervals, differences = (
        read_csv(path) if path else None
        for path in (snakemake.input.intervals, snakemake.input.differences)
    )
    with_one_label = counts["listed"] - counts["unlabelled"] - counts["several_labels"]
    index_split = snakemake.params.index_split
    marks = {model: mark(statuses) for model, statuses in snakemake.params.statuses.items()}
    render(
        "analyses/comparison/models.html.j2",
        snakemake.output[0],
        title=f"Models on {snakemake.wildcards.experiment}",
        index_split=index_split,
        index_images=int(with_one_label[counts["split"] == index_split].sum()),
        k=snakemake.params.k,
        index_note=approximate_note(snakemake.params.index),
        columns=model_table.model_columns(summary),
        splits=model_table.model_table(
            summary, snakemake.params.cards, intervals, differences, bounds, marks
        ),
        uncertain=intervals is not None,
        cards=model_table.card_table(snakemake.params.cards),
    )
