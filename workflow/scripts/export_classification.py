"""Neighbor tables of a model -> knn_validation_val.csv and knn_classification.csv in the reference's columns."""

import _library  # noqa: F401
from radcbir import paper
from radcbir.catalog import write_csv
from radcbir.logs import logger, script_log

with script_log(snakemake.log[0], f"export {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    _, lists = paper.read_lists(snakemake.input, snakemake.params)
    quirks = paper.switches(snakemake.params.paper_mode)
    validation, row, k = paper.classification_tables(lists["validation"], lists["test"], quirks)
    logger.info("tested with k = %d", k)
    paper.write_numbered(validation, snakemake.output.validation)
    write_csv(row, snakemake.output.classification)
