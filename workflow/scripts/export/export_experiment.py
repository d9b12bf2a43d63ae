"""Vectors, index, neighbors and metrics of a model -> a folder for other programs."""

from radcbir.core.logs import script_log
from radcbir.export.write import Parts, write_export

with script_log(
    snakemake.log[0], f"export {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    given, params = snakemake.input, snakemake.params
    neighbors = dict(zip(params.experiment["query_splits"], given.neighbors, strict=True))
    parts = Parts(given.catalog, given.embeddings, given.index, neighbors, given.metrics)
    write_export(snakemake.output[0], parts, params.experiment, params.model)
