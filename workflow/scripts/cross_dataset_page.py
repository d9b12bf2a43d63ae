"""The models' matrices of retrieval across datasets -> stacked tables, figure and page."""

import _library  # noqa: F401
from radcbir import figures, pages, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import stacked, write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"cross-dataset {snakemake.wildcards.experiment}"):
    cards, output = snakemake.params.cards, snakemake.output
    matrix, purity = (stacked(snakemake.input[kind], list(cards)) for kind in ("matrix", "purity"))
    write_csv(matrix, output.matrix)
    write_csv(purity, output.purity)
    names, _ = names_and_controls(cards)
    figures.save(trust_figures.cross_dataset(matrix, names), output.figure, output.figure_pdf)
    pages.render(
        snakemake.input.template,
        output.page,
        title=f"Across the datasets of {snakemake.wildcards.experiment}",
        sections=trust_pages.cross_dataset(matrix, purity, cards),
    )
