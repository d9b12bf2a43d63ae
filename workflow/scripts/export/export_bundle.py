"""Neighbors, labels and metrics of all models of an experiment -> a folder to compute them from again."""

from datetime import UTC, datetime

from radcbir.core.logs import script_log
from radcbir.export.bundle.form import TABLES
from radcbir.export.bundle.write import ModelParts, write_bundle

with script_log(snakemake.log[0], f"bundle {snakemake.wildcards.experiment}"):
    given, params = snakemake.input, snakemake.params
    splits = params.experiment["query_splits"]
    embeddings, neighbors, metrics = (
        iter(each) for each in (given.embeddings, given.neighbors, given.metrics)
    )
    models = {
        name: ModelParts(
            about=about,
            embeddings=[next(embeddings) for _ in range(count)],
            neighbors={split: next(neighbors) for split in splits},
            metrics=[next(metrics) for _ in TABLES],
        )
        for (name, about), count in zip(params.models.items(), params.embeddings_of, strict=True)
    }
    write_bundle(
        snakemake.output[0],
        given.catalog,
        params.experiment,
        params.datasets,
        models,
        datetime.now(UTC).date(),
    )
