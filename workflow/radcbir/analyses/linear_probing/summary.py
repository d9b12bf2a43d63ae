"""All models of linear probing side by side."""

from radcbir.analyses.classifiers import reliability_diagrams
from radcbir.analyses.linear_probing.figure import label_fraction_curves
from radcbir.analyses.linear_probing.page import (
    LINEAR_INTRODUCTION,
    label_fraction_sections,
    linear_sections,
    spread_over_tries,
)
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """Table of models, curves over the number of training images, reliability diagrams."""
    spread = spread_over_tries(given.tables["label_fractions"])
    sections = linear_sections(given.tables["linear_probing"], given.shown)
    return Summary(
        tables={"label_fractions_mean": spread},
        figures={
            "label_fractions": label_fraction_curves(spread, given.names, given.controls),
            "linear_calibration": reliability_diagrams(
                given.tables["linear_calibration"], given.names, "probe"
            ),
        },
        page={
            "title": f"Linear probing on {given.experiment}",
            "introduction": LINEAR_INTRODUCTION,
            "sections": [*sections, *label_fraction_sections(spread, given.shown)],
        },
    )
