"""Dataset CSV -> catalog and rejected rows."""

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv, write_parquet
from radcbir.datasets.catalog import build_catalog
from radcbir.datasets.changes import ImageFiles

with script_log(snakemake.log[0], f"catalog {snakemake.wildcards.dataset}"):
    files = ImageFiles(snakemake.wildcards.dataset)
    catalog, rejected = build_catalog(
        snakemake.input.csv,
        snakemake.wildcards.dataset,
        snakemake.params.images,
        float(snakemake.resources.max_rejected),
        files,
    )
    files.save()
    write_parquet(catalog, snakemake.output.catalog)
    write_csv(rejected, snakemake.output.rejected)
