"""The models' measures of their embedding spaces -> stacked tables, figures and a page."""

import _library  # noqa: F401
from radcbir.analyses.embedding_space.figure import embedding_spaces_figure, hub_remedies_figure
from radcbir.analyses.embedding_space.page import embedding_spaces_sections
from radcbir.cards.model_card import names_and_controls
from radcbir.core.logs import script_log
from radcbir.core.tables import stacked, write_csv
from radcbir.report.render import render
from radcbir.report.style import save

with script_log(snakemake.log[0], f"embedding spaces of {snakemake.wildcards.experiment}"):
    cards, output = snakemake.params.cards, snakemake.output
    space, hubness = (stacked(snakemake.input[kind], list(cards)) for kind in ("space", "hubness"))
    write_csv(space, output.space)
    write_csv(hubness, output.hubness)
    names, controls = names_and_controls(cards)
    save(embedding_spaces_figure(space, names, controls), output.figure, output.figure_pdf)
    save(hub_remedies_figure(hubness, names, controls), output.remedies, output.remedies_pdf)
    render(
        snakemake.input.template,
        output.page,
        title=f"Embedding spaces on {snakemake.wildcards.experiment}",
        sections=embedding_spaces_sections(space, hubness, cards),
    )
