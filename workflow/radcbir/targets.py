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
        *(f"results/datasets/{dataset}/ledger.html" for dataset in project.datasets),
        "results/provenance/provenance.html",
    ]


def weights(project: Project) -> list[str]:
    """The weights files of all models that have some."""
    files = {model: cards.weights_files(card) for model, card in project.cards.items()}
    return [f"{cards.WEIGHTS}/{model}/{file}" for model, names in files.items() for file in names]


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


def index_fidelity(project: Project, experiment: str) -> list[str]:
    """Approximate indexes against the exact one: a table and a figure of recall against speed."""
    return [f"results/experiments/{experiment}/comparison/index-fidelity.{kind}" for kind in ("csv", "svg")]


def dimensions(project: Project, experiment: str) -> list[str]:
    """Fewer dimensions and fewer bits: a table and a figure of precision against bytes."""
    return [f"results/experiments/{experiment}/comparison/dimensions.{kind}" for kind in ("csv", "svg")]


def text_queries(project: Project, experiment: str) -> list[str]:
    """What texts find; a page that says so where no model has a text tower."""
    return [f"results/experiments/{experiment}/comparison/text-queries.html"]


ANALYSES: dict[str, Callable[[Project, str], list[str]]] = {
    "gallery": galleries,
    "index_fidelity": index_fidelity,
    "dimensions": dimensions,
    "text_queries": text_queries,
}
"""What `analyses:` may name -> the files of one experiment; the schema of the configuration lists the same names."""
