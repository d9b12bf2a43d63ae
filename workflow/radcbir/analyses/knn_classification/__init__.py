"""Do the neighbors of an image vote for its class?"""

from radcbir.analyses import Analysis

ANALYSIS = Analysis(
    name="knn_classification",
    title="kNN classification",
    question="Do the labels of the neighbors predict the label of the query?",
    section="Which encoder",
    tables=("knn_classification", "knn_classification_curve", "knn_calibration"),
    reported={"knn_classification": "kNN classification (CSV)"},
    figures={
        "knn_classification": "kNN classification against k",
        "knn_calibration": "calibration of kNN classification",
    },
    page="table of kNN classification",
    needs_vectors=False,
    template="analyses/classifiers.html.j2",
)
