"""Neighbor tables of a model -> its figures the paper's way and corrected."""

from radcbir.analyses.paper_mode.compute import side_by_side, switches
from radcbir.analyses.paper_mode.lists import read_lists
from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv

with script_log(
    snakemake.log[0], f"paper mode {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    _, lists = read_lists(snakemake.input, snakemake.params)
    write_csv(side_by_side(lists, switches(snakemake.params.paper_mode)), snakemake.output[0])
