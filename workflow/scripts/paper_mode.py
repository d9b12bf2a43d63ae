"""Neighbor tables of a model -> its figures the paper's way and corrected."""

import _library  # noqa: F401
from radcbir import paper
from radcbir.catalog import write_csv
from radcbir.logs import script_log

with script_log(snakemake.log[0], f"paper mode {snakemake.wildcards.experiment} {snakemake.wildcards.model}"):
    _, lists = paper.read_lists(snakemake.input, snakemake.params)
    write_csv(paper.side_by_side(lists, paper.switches(snakemake.params.paper_mode)), snakemake.output[0])
