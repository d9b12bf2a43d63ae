"""The tables of all models by one analysis -> one table per kind, figures and a page."""

from radcbir.analyses import registry
from radcbir.analyses.order import best_first
from radcbir.analyses.summary import Given, Summary, summarise, write
from radcbir.core.logs import script_log
from radcbir.core.tables import read_csv, stacked

with script_log(snakemake.log[0], f"{snakemake.rule} {snakemake.wildcards.experiment}"):
    analysis, cards = registry()[snakemake.params.analysis], snakemake.params.cards
    files = {
        name: paths if isinstance(paths, list) else [paths]
        for name, paths in snakemake.input.items()
    }
    tables = {name: stacked(files.pop(name), list(cards)) for name in analysis.tables}
    [order] = files.pop("order")
    given = Given(
        snakemake.wildcards.experiment,
        cards,
        tables,
        snakemake.params.settings,
        files,
        best_first(cards, read_csv(order), snakemake.params.split),
    )
    found = summarise(analysis.name, given)
    whole = Summary(tables | dict(found.tables), found.figures, found.page)
    shown = [snakemake.output[name] for name in whole.tables]
    write(whole, analysis.template, snakemake, analysis.name, shown)
