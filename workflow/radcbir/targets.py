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
        *(
            f"results/experiments/{name}/audit/{file}"
            for name in project.experiments
            for file in ("audit.html", "verdict.txt")
        ),
        *(f"results/datasets/{dataset}/ledger.html" for dataset in project.datasets),
        *(f"results/datasets/{dataset}/preparation.html" for dataset in project.provider_files),
        "results/provenance/provenance.html",
    ]


def weights(project: Project) -> list[str]:
    """The weights files of all models that have one."""
    files = {model: cards.weights_file(card) for model, card in project.cards.items()}
    return [f"resources/weights/{model}/{file}" for model, file in files.items() if file]


def archived(project: Project) -> list[str]:
    """The files that are unpacked from published archives."""
    return list(project.archived)


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


def paper_mode(project: Project, experiment: str) -> list[str]:
    """The paper's way beside the corrected one."""
    return [f"results/experiments/{experiment}/comparison/paper-mode.{suffix}" for suffix in ("csv", "html")]


def reference_exports(project: Project) -> list[str]:
    """Every model's results in the files and columns of the reference."""
    return [
        f"results/experiments/{name}/{model}/reference/{file}"
        for name, experiment in project.experiments.items()
        for file in ("knn.csv", "retrieval.csv", "knn_classification.csv")
        if file != "knn_classification.csv" or "validation_split" in experiment["paper_mode"]
        for model in experiment["models"]
    ]


def knn_classification(project: Project, experiment: str) -> list[str]:
    """Labels predicted by votes of neighbors: table and figures."""
    return _comparison(experiment, "knn_classification.html", "knn-classification.svg", "knn-calibration.svg")


def linear_probing(project: Project, experiment: str) -> list[str]:
    """Linear classifiers on the embeddings: table and figures."""
    return _comparison(experiment, "linear_probing.html", "label-fractions.svg", "linear-calibration.svg")


def _comparison(experiment: str, *files: str) -> list[str]:
    return [f"results/experiments/{experiment}/comparison/{file}" for file in files]


ANALYSES: dict[str, Callable[[Project, str], list[str]]] = {
    "gallery": galleries,
    "paper_mode": paper_mode,
    "knn_classification": knn_classification,
    "linear_probing": linear_probing,
}
"""What `analyses:` may name -> the files of one experiment; the schema of the configuration lists the same names."""
