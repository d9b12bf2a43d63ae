"""Dataset CSV, image root and key -> a CSV with pseudonyms, links to the images, and the mapping
for the owner's eyes.
"""

from radcbir.core.logs import script_log
from radcbir.core.machine.privacy import private_output
from radcbir.core.tables import write_csv
from radcbir.datasets.checks import check_image_root
from radcbir.datasets.pseudonyms import pseudonymise, read_key, write_links

with (
    private_output(snakemake.output.mapping),
    script_log(snakemake.log[0], f"pseudonyms {snakemake.wildcards.dataset}"),
):
    check_image_root(snakemake.params.images, snakemake.wildcards.dataset)
    table, mapping = pseudonymise(snakemake.input.csv, read_key(snakemake.input.key))
    write_links(mapping, snakemake.params.images, snakemake.output.images)
    write_csv(mapping, snakemake.output.mapping)
    write_csv(table, snakemake.output.csv)
