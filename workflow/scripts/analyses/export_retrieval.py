"""Neighbor tables of a model -> knn.csv and retrieval.csv in the reference's columns."""

from radcbir.analyses.paper_mode import exports
from radcbir.analyses.paper_mode.compute import retrieval_table, switches
from radcbir.analyses.paper_mode.lists import read_lists
from radcbir.core.logs import script_log

with script_log(
    snakemake.log[0], f"export {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    quirks = switches(snakemake.params.paper_mode)
    catalog, lists = read_lists(snakemake.input, snakemake.params)
    exports.write_neighbor_lists(
        snakemake.output.lists, list(lists.values()), catalog, snakemake.params.datasets, quirks
    )
    exports.write_numbered(retrieval_table(lists["test"], quirks), snakemake.output.retrieval)
