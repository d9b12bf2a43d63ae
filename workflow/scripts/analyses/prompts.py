"""The labels of an experiment and the templates -> prompts."""

import pandas as pd

from radcbir.core.logs import script_log
from radcbir.core.tables import write_csv
from radcbir.embedding.prompts import load_prompts, prompts_of_labels

with script_log(snakemake.log[0], f"prompts {snakemake.wildcards.experiment}"):
    labels = pd.read_parquet(snakemake.input.catalog, columns=["label"])["label"].dropna().unique()
    write_csv(
        prompts_of_labels(labels, load_prompts(snakemake.input.templates)), snakemake.output[0]
    )
