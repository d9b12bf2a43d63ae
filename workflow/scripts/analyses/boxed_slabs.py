"""The images of an experiment and its image lists -> the slabs that are asked with in boxes."""

import json
from pathlib import Path

import pandas as pd

from radcbir.analyses.localization.boxes import boxed_slabs, read_pixels, write_slabs
from radcbir.core.logs import script_log

with script_log(snakemake.log[0], f"boxed_slabs {snakemake.wildcards.experiment}"):
    params = snakemake.params
    roots = json.loads(snakemake.resources.image_roots)
    shards = [path for folder in snakemake.input.shards for path in Path(folder).glob("*.tsv")]
    slabs = boxed_slabs(
        pd.read_parquet(snakemake.input.images),
        params.query_splits,
        params.slices,
        params.boxes,
        params.queries,
        read_pixels(roots, params.intensities),
    )
    write_slabs(slabs, shards, snakemake.output[0])
