"""Neighbor tables of a model -> knn_validation_val.csv and knn_classification.csv in the
reference's columns.
"""

from radcbir.analyses.paper_mode import exports
from radcbir.analyses.paper_mode.compute import classification_tables, switches
from radcbir.analyses.paper_mode.lists import read_lists
from radcbir.core.logs import logger, script_log
from radcbir.core.tables import write_csv

with script_log(
    snakemake.log[0], f"export {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    _, lists = read_lists(snakemake.input, snakemake.params)
    quirks = switches(snakemake.params.paper_mode)
    validation, row, k = classification_tables(lists["validation"], lists["test"], quirks)
    logger.info("tested with k = %d", k)
    exports.write_numbered(validation, snakemake.output.validation)
    write_csv(row, snakemake.output.classification)
