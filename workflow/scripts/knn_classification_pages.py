"""Comparison of kNN classification -> page and figures."""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses import classifiers
from radcbir.analyses.knn_classification.figure import knn_curves
from radcbir.analyses.knn_classification.page import KNN_INTRODUCTION, knn_sections
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.report.render import render
from radcbir.report.style import save

with script_log(snakemake.log[0], f"knn_classification_pages {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    chosen, curve = pd.read_csv(snakemake.input.chosen), pd.read_csv(snakemake.input.curve)
    render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"kNN classification on {snakemake.wildcards.experiment}",
        introduction=KNN_INTRODUCTION,
        sections=knn_sections(chosen, cards),
    )
    curves = knn_curves(curve, chosen, names, controls)
    save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    calibration = classifiers.reliability_diagrams(
        pd.read_csv(snakemake.input.reliability), names, "votes"
    )
    save(calibration, snakemake.output.calibration, snakemake.output.calibration_pdf)
