"""Embeddings of a model and labels of the index split -> embeddings of an adapted model."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.datasets.pool import read_index_labels, read_split
from radcbir.embedding.job import Job
from radcbir.retrieval.adaptation.adapt import adapt
from radcbir.retrieval.adaptation.fit import images_to_fit

with script_log(
    snakemake.log[0], f"adapt {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    [labels] = snakemake.input.labels
    asking = {
        patient
        for path in snakemake.input.queries
        for patient in read_split(path)["patient_id"].dropna()
    }
    job = Job(
        model=snakemake.wildcards.model,
        card=snakemake.params.card,
        code=snakemake.params.code,
        storage=snakemake.params.storage,
    )
    took = adapt(
        snakemake.input.embeddings,
        images_to_fit(read_index_labels(labels), asking),
        job,
        snakemake.output.embeddings,
        snakemake.output.fitted,
    )
    write_csv(pd.DataFrame([took]), snakemake.output.timings)
