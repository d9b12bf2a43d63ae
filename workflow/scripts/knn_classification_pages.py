"""Comparison of kNN classification -> page and figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir import classification_pages, figures, pages
from radcbir.cards import is_control
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"knn_classification_pages {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    chosen, curve = pd.read_csv(snakemake.input.chosen), pd.read_csv(snakemake.input.curve)
    pages.render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"kNN classification on {snakemake.wildcards.experiment}",
        introduction=classification_pages.KNN_INTRODUCTION,
        sections=classification_pages.knn_sections(chosen, cards),
    )
    curves = classification_pages.knn_curves(curve, chosen, names, controls)
    figures.save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    calibration = classification_pages.reliability_diagrams(pd.read_csv(snakemake.input.reliability), names, "votes")
    figures.save(calibration, snakemake.output.calibration, snakemake.output.calibration_pdf)
