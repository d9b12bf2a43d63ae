"""An export -> the images of its index split in a file of SQLite."""

from radcbir.core.logs import logger, script_log
from radcbir.export.sqlite import to_sqlite

with script_log(
    snakemake.log[0], f"export_sqlite {snakemake.wildcards.experiment} {snakemake.wildcards.model}"
):
    count = to_sqlite(snakemake.input.export, snakemake.output[0])
    logger.info("%s: %d images", snakemake.output[0], count)
