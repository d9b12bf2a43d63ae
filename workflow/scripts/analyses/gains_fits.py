"""Embeddings of the base of an adapted model -> fits that have not seen some labels, or a dataset."""

from radcbir.analyses.gains.fits import fit_without
from radcbir.analyses.gains.folds import save
from radcbir.core.logs import script_log
from radcbir.datasets.pool import read_index_labels, read_split
from radcbir.embedding import store
from radcbir.retrieval.adaptation.fit import images_to_fit

with script_log(
    snakemake.log[0], f"gains_fits {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    given, params = snakemake.input, snakemake.params
    [labels] = given.labels
    asking = {
        patient for path in given.queries for patient in read_split(path)["patient_id"].dropna()
    }
    images = images_to_fit(read_index_labels(labels), asking).set_index("id")
    images["dataset"] = read_split(given.images).set_index("id")["dataset"]
    ids, vectors = store.read(given.embeddings, images.index.to_numpy())
    save(
        snakemake.output[0],
        fit_without(images.loc[ids], vectors, params.folds, params.settings),
    )
