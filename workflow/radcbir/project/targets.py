"""The files that the configuration asks for: what the targets of the Snakefile stand for.

Pure functions of the checked configuration. An analysis is one entry of :data:`ANALYSES`, under the
name that `analyses:` in the configuration uses; its rules stand in a stage file of their own.
"""

from collections.abc import Callable
from pathlib import Path

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.project.configuration import Project


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
    """The weights files of all models that have some."""
    files = {model: model_card.weights_files(card) for model, card in project.cards.items()}
    return [
        f"{model_card.WEIGHTS}/{model}/{file}" for model, names in files.items() for file in names
    ]


def archived(project: Project) -> list[str]:
    """The files that are unpacked from published archives."""
    return list(project.archived)


def query(project: Project) -> list[str]:
    """What the user's own query images find. Raises :class:`InputError` where the configuration
    names none.
    """
    if project.query is None:
        raise InputError(
            "the target `query` needs to know the query images: add `query:` to the configuration, "
            "or name them here: "
            "snakemake --cores all query --config query=image.png"
        )
    return [
        f"results/queries/{project.query['name']}/{file}"
        for file in ("neighbors.csv", "ledger.csv", "gallery.html")
    ]


def missing_downloads(project: Project) -> list[str]:
    """What would have to be fetched and is not there: weights of models without any embeddings yet,
    and archives.
    """
    without = [model for model in project.models if not Path("results/embeddings", model).is_dir()]
    files = [
        each
        for each in weights(project)
        if Path(each).relative_to(model_card.WEIGHTS).parts[0] in without
    ]
    packed = {
        path: f"resources/{resource}/archives/{name}"
        for path, (resource, name) in project.archived.items()
    }
    files += dict.fromkeys(archive for path, archive in packed.items() if not Path(path).exists())
    return [each for each in files if not Path(each).exists()]


def comparisons(project: Project) -> list[str]:
    """The retrieval metrics of every experiment, its models side by side."""
    files = ["summary.csv", "models.html", "precision-at-k.svg", "labels.html"]
    return [
        f"results/experiments/{name}/comparison/{file}"
        for name in project.experiments
        for file in files
    ]


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


def reference_exports(project: Project) -> list[str]:
    """Every model's results in the files and columns of the reference."""
    return [
        f"results/experiments/{name}/{model}/reference/{file}"
        for name, experiment in project.experiments.items()
        for file in ("knn.csv", "retrieval.csv", "knn_classification.csv")
        if file != "knn_classification.csv" or experiment["val_split"]
        for model in experiment["models"]
    ]


def cross_dataset(project: Project, experiment: str) -> list[str]:
    """Retrieval from one dataset into another; nothing for an experiment with one dataset."""
    several = len(project.experiments[experiment]["datasets"]) > 1
    return [f"results/experiments/{experiment}/comparison/cross_dataset.html"] if several else []


def comparison_files(*files: str) -> Callable[[Project, str], list[str]]:
    """An analysis with these files beside the comparison; what else its rules make comes along."""
    return lambda project, experiment: [
        f"results/experiments/{experiment}/comparison/{file}" for file in files
    ]


def uncertainty(project: Project, experiment: str) -> list[str]:
    """Intervals, differences between models and ranks; the table of models takes its intervals from
    there.
    """
    files = ["intervals.csv", "differences.csv", "ranks.csv", "intervals.svg", "differences.svg"]
    return [f"results/experiments/{experiment}/uncertainty/{file}" for file in files]


def levels(project: Project, experiment: str) -> list[str]:
    """Modality, region and finding apart."""
    files = [
        "precision.csv",
        "conditional.csv",
        "outcomes.csv",
        "levels.svg",
        "conditional.svg",
        "outcomes.svg",
    ]
    return [f"results/experiments/{experiment}/levels/{file}" for file in files]


def index_size(project: Project, experiment: str) -> list[str]:
    """The metrics with parts of the index."""
    return [
        f"results/experiments/{experiment}/index-size/index-size.{suffix}"
        for suffix in ("csv", "svg")
    ]


ANALYSES: dict[str, Callable[[Project, str], list[str]]] = {
    "gallery": galleries,
    "paper_mode": comparison_files("paper-mode.html"),
    "knn_classification": comparison_files(
        "knn_classification.html", "knn-classification.svg", "knn-calibration.svg"
    ),
    "linear_probing": comparison_files(
        "linear_probing.html", "label-fractions.svg", "linear-calibration.svg"
    ),
    "embedding_space": comparison_files("embedding_space.html"),
    "map": comparison_files("map.html"),
    "leakage": comparison_files("leakage.html"),
    "shortcuts": comparison_files("shortcuts.html"),
    "cross_dataset": cross_dataset,
    "graded_relevance": comparison_files("graded_relevance.html"),
    "contamination": comparison_files("contamination.html"),
    "index_fidelity": comparison_files("index-fidelity.csv", "index-fidelity.svg"),
    "dimensions": comparison_files("dimensions.csv", "dimensions.svg"),
    "text_queries": comparison_files("text-queries.html"),
    "uncertainty": uncertainty,
    "levels": levels,
    "index_size": index_size,
}
"""What `analyses:` may name -> the files of one experiment; the schema of the configuration lists
the same names."""
