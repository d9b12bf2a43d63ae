"""Do linear classifiers on the embeddings tell the classes apart?"""

from radcbir.analyses import Analysis, vector_models

ANALYSIS = Analysis(
    name="linear_probing",
    title="Linear probing",
    question="Do linear classifiers on the embeddings predict the labels, with all labels and few?",
    section="Which encoder",
    tables=("linear_probing", "linear_calibration", "label_fractions"),
    summaries=("label_fractions_mean",),
    reported={"linear_probing": "linear probing (CSV)"},
    models=vector_models,
    figures={
        "label_fractions": "linear probing with few labels",
        "linear_calibration": "calibration of linear probing",
    },
    page="table of linear probing",
    template="analyses/classifiers.html.j2",
)
