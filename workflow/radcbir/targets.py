"""The files that the configuration asks for: what the targets of the Snakefile stand for.

Pure functions of the checked configuration. An analysis is one entry of :data:`ANALYSES`, under the name that
`analyses:` in the configuration uses; its rules stand in a stage file of their own.
"""

from collections.abc import Callable

from radcbir import cards
from radcbir.project import Project


def everything(project: Project) -> list[str]:
    """What the target `all` makes."""
    return [
        *comparisons(project),
        *analyses(project),
        *(f"results/experiments/{name}/audit/audit.html" for name in project.experiments),
        *(f"results/datasets/{dataset}/ledger.html" for dataset in project.datasets),
        *(f"results/datasets/{dataset}/preparation.html" for dataset in project.provider_files),
        "results/provenance/provenance.html",
    ]


def weights(project: Project) -> list[str]:
    """The weights files of all models that have one."""
    files = {model: cards.weights_file(card) for model, card in project.cards.items()}
    return [f"resources/weights/{model}/{file}" for model, file in files.items() if file]


def comparisons(project: Project) -> list[str]:
    """The retrieval metrics of every experiment, its models side by side."""
    files = ["summary.csv", "models.html", "precision-at-k.svg", "labels.html"]
    return [f"results/experiments/{name}/comparison/{file}" for name in project.experiments for file in files]


def analyses(project: Project) -> list[str]:
    """The files of every analysis that an experiment asks for."""
    return [
        file
        for name, experiment in project.experiments.items()
        for analysis in experiment["analyses"]
        for file in ANALYSES[analysis](project, name)
    ]


def galleries(project: Project, experiment: str) -> list[str]:
    """A gallery per query split."""
    splits = project.experiments[experiment]["query_splits"]
    return [f"results/experiments/{experiment}/gallery/{split}.html" for split in splits]


def cross_dataset(project: Project, experiment: str) -> list[str]:
    """Retrieval from one dataset into another; nothing for an experiment with one dataset."""
    several = len(project.experiments[experiment]["datasets"]) > 1
    return [f"results/experiments/{experiment}/comparison/cross_dataset.html"] if several else []


def comparison_file(file: str) -> Callable[[Project, str], list[str]]:
    """An analysis with one file beside the comparison; what else its rule makes comes along."""
    return lambda project, experiment: [f"results/experiments/{experiment}/comparison/{file}"]


ANALYSES: dict[str, Callable[[Project, str], list[str]]] = {
    "gallery": galleries,
    "embedding_space": comparison_file("embedding_space.html"),
    "map": comparison_file("map.html"),
    "leakage": comparison_file("leakage.html"),
    "shortcuts": comparison_file("shortcuts.html"),
    "cross_dataset": cross_dataset,
    "graded_relevance": comparison_file("graded_relevance.html"),
    "contamination": comparison_file("contamination.html"),
}
"""What `analyses:` may name -> the files of one experiment; the schema of the configuration lists the same names."""
