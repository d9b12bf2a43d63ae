"""Comparison of linear probing -> page, figures, and the label-fraction curves as means over tries."""

import pandas as pd

import _library  # noqa: F401
from radcbir import classification_pages, figures, pages
from radcbir.cards import is_control
from radcbir.catalog import write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"linear_probing_pages {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    metrics = pd.read_csv(snakemake.input.metrics)
    spread = classification_pages.spread_over_tries(pd.read_csv(snakemake.input.label_fractions))
    write_csv(spread, snakemake.output.spread)
    pages.render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"Linear probing on {snakemake.wildcards.experiment}",
        introduction=classification_pages.LINEAR_INTRODUCTION,
        sections=[
            *classification_pages.linear_sections(metrics, cards),
            *classification_pages.label_fraction_sections(spread, cards),
        ],
    )
    curves = classification_pages.label_fraction_curves(spread, names, controls)
    figures.save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    calibration = classification_pages.reliability_diagrams(pd.read_csv(snakemake.input.reliability), names, "probe")
    figures.save(calibration, snakemake.output.calibration, snakemake.output.calibration_pdf)
