"""Comparison of linear probing -> page, figures, and the label-fraction curves as means over
tries.
"""

import pandas as pd

import _library  # noqa: F401
from radcbir.analyses import classifiers
from radcbir.analyses.linear_probing.figure import label_fraction_curves
from radcbir.analyses.linear_probing.page import (
    LINEAR_INTRODUCTION,
    label_fraction_sections,
    linear_sections,
    spread_over_tries,
)
from radcbir.cards.model_card import is_control
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.report.render import render
from radcbir.report.style import save

with script_log(snakemake.log[0], f"linear_probing_pages {snakemake.wildcards.experiment}"):
    cards = snakemake.params.cards
    names = {model: card["name"] for model, card in cards.items()}
    controls = [model for model, card in cards.items() if is_control(card)]
    metrics = pd.read_csv(snakemake.input.metrics)
    spread = spread_over_tries(pd.read_csv(snakemake.input.label_fractions))
    write_csv(spread, snakemake.output.spread)
    render(
        snakemake.input.template,
        snakemake.output.page,
        title=f"Linear probing on {snakemake.wildcards.experiment}",
        introduction=LINEAR_INTRODUCTION,
        sections=[
            *linear_sections(metrics, cards),
            *label_fraction_sections(spread, cards),
        ],
    )
    curves = label_fraction_curves(spread, names, controls)
    save(curves, snakemake.output.curves, snakemake.output.curves_pdf)
    calibration = classifiers.reliability_diagrams(
        pd.read_csv(snakemake.input.reliability), names, "probe"
    )
    save(calibration, snakemake.output.calibration, snakemake.output.calibration_pdf)
