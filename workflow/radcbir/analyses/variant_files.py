"""Where the results of the analyses of cheaper search and storage are, before labels are put to them."""

from radcbir.analyses import Project
from radcbir.core import layout


def variant_files(name: str, project: Project, experiment: str) -> dict[str, list[str]]:
    """The files that :func:`~radcbir.analyses.variants.variant_table` reads, of the analysis ``name`` of an experiment."""
    splits = project.experiments[experiment]["query_splits"]
    models = project.searched_models(experiment)

    def of_each(pattern: str) -> list[str]:
        pairs = [(model, split) for model in models for split in splits]
        return [
            pattern.format(experiment=experiment, model=each[0], split=each[1]) for each in pairs
        ]

    return {
        "variants": of_each(layout.of_model(name, "{split}.variants.csv")),
        "neighbors": of_each(layout.of_model(name, "{split}.neighbors.parquet")),
        "per_query": [
            layout.metrics("per_query.parquet").format(experiment=experiment, model=each)
            for each in models
        ],
        "catalog": [layout.POOL.format(experiment=experiment)],
    }
