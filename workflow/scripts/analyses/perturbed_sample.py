"""The image lists of an experiment's splits and shards -> the sample of queries that is perturbed."""

from pathlib import Path

from radcbir.analyses.robustness.sample import read_list, sample, write_sample
from radcbir.core.logs import script_log

with script_log(snakemake.log[0], f"perturbed_sample {snakemake.wildcards.experiment}"):
    [split] = Path(snakemake.input.splits).glob(f"{snakemake.params.split}.*.tsv")
    shards = [path for folder in snakemake.input.shards for path in Path(folder).glob("*.tsv")]
    images = sample(read_list(split), snakemake.params.queries)
    write_sample(images, shards, snakemake.output[0])
