"""All models of kNN classification side by side."""

from radcbir.analyses.classifiers import reliability_diagrams
from radcbir.analyses.knn_classification.figure import knn_curves
from radcbir.analyses.knn_classification.page import KNN_INTRODUCTION, knn_sections
from radcbir.analyses.summary import Given, Summary


def summarise(given: Given) -> Summary:
    """Table of models, curves over k, reliability diagrams."""
    chosen, curve = given.tables["knn_classification"], given.tables["knn_classification_curve"]
    return Summary(
        figures={
            "knn_classification": knn_curves(curve, chosen, given.names, given.controls),
            "knn_calibration": reliability_diagrams(
                given.tables["knn_calibration"], given.names, "votes"
            ),
        },
        page={
            "title": f"kNN classification on {given.experiment}",
            "introduction": KNN_INTRODUCTION,
            "sections": knn_sections(chosen, given.shown),
        },
    )
