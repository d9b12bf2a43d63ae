"""The models' measures of their embedding spaces -> stacked tables, figures and a page."""

import _library  # noqa: F401
from radcbir import figures, pages, trust_figures, trust_pages
from radcbir.cards import names_and_controls
from radcbir.catalog import stacked, write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"embedding spaces of {snakemake.wildcards.experiment}"):
    cards, output = snakemake.params.cards, snakemake.output
    space, hubness = (stacked(snakemake.input[kind], list(cards)) for kind in ("space", "hubness"))
    write_csv(space, output.space)
    write_csv(hubness, output.hubness)
    names, controls = names_and_controls(cards)
    figures.save(trust_figures.embedding_spaces(space, names, controls), output.figure, output.figure_pdf)
    figures.save(trust_figures.hub_remedies(hubness, names, controls), output.remedies, output.remedies_pdf)
    pages.render(
        snakemake.input.template,
        output.page,
        title=f"Embedding spaces on {snakemake.wildcards.experiment}",
        sections=trust_pages.embedding_spaces(space, hubness, cards),
    )
