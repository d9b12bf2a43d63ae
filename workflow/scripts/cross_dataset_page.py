"""The models' matrices of retrieval across datasets -> stacked tables, figure and page."""

import _library  # noqa: F401
from radcbir.analyses.cross_dataset.figure import cross_dataset_figure
from radcbir.analyses.cross_dataset.page import cross_dataset_sections
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import stacked, write_csv
from radcbir.report.render import render
from radcbir.report.style import save

with script_log(snakemake.log[0], f"cross-dataset {snakemake.wildcards.experiment}"):
    cards, output = snakemake.params.cards, snakemake.output
    matrix, purity = (stacked(snakemake.input[kind], list(cards)) for kind in ("matrix", "purity"))
    write_csv(matrix, output.matrix)
    write_csv(purity, output.purity)
    names, _ = names_and_controls(cards)
    save(cross_dataset_figure(matrix, names), output.figure, output.figure_pdf)
    render(
        snakemake.input.template,
        output.page,
        title=f"Across the datasets of {snakemake.wildcards.experiment}",
        sections=cross_dataset_sections(matrix, purity, cards),
    )
