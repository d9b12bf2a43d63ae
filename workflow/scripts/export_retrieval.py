"""Neighbor tables of a model -> knn.csv and retrieval.csv in the reference's columns."""

import _library  # noqa: F401
from radcbir import paper
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"export {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    quirks = paper.switches(snakemake.params.paper_mode)
    catalog, lists = paper.read_lists(snakemake.input, snakemake.params)
    paper.write_neighbor_lists(snakemake.output.lists, list(lists.values()), catalog, snakemake.params.datasets, quirks)
    paper.write_numbered(paper.retrieval_table(lists["test"], quirks), snakemake.output.retrieval)
