"""The files of the Snakefile's targets: pure functions of the checked configuration."""

from pathlib import Path

from radcbir import analyses
from radcbir.cards import model_card
from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.project.configuration import Project


def everything(project: Project) -> list[str]:
    """What the target `all` makes."""
    return [
        *results(project),
        *(
            pattern.format(experiment=name)
            for name in project.experiments
            for pattern in (layout.AUDIT_PAGE, layout.VERDICT)
        ),
        *(layout.LEDGER_PAGE.format(dataset=each) for each in project.datasets),
        *(layout.PREPARATION_PAGE.format(dataset=each) for each in project.provider_files),
        layout.PROVENANCE_PAGE,
        layout.FRONT_PAGE,
    ]


def available(project: Project) -> list[str]:
    """What is there of :func:`everything`: all that a report can show after a run that failed."""
    return [each for each in everything(project) if Path(each).exists()]


def missing(project: Project) -> list[tuple[str, str]]:
    """What is not there of a run: (what, file), the embeddings first, since a model that failed is
    missing in all that compares models.
    """
    known = analyses.registry()
    embeddings = {
        layout.EMBEDDINGS.format(model=model, dataset=dataset): (
            f"embeddings of '{dataset}' by {project.cards[model]['name']}"
        )
        for model, dataset in project.embedded
        if model in project.searched
    }
    files = embeddings | {
        file: f"{analysis.title} of {name}"
        for name, experiment in project.experiments.items()
        for analysis in (known[each] for each in ("comparison", *experiment["analyses"]))
        for file in analysis.results(project, name)
    }
    files = files | {each: "page or verdict" for each in everything(project) if each not in files}
    return [(what, file) for file, what in files.items() if not Path(file).exists()]


def weights(project: Project) -> list[str]:
    """The weights files of all models that have some."""
    files = {model: model_card.weights_files(card) for model, card in project.cards.items()}
    return [
        layout.WEIGHTS.format(model=model, file=file)
        for model, names in files.items()
        for file in names
    ]


def archived(project: Project) -> list[str]:
    """The files that are unpacked from published archives, and the lists of fetched images."""
    return [*project.archived, *project.fetched_lists]


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
    patterns = (layout.QUERY_RESULTS, layout.QUERY_LEDGER, layout.QUERY_PAGE)
    return [each.format(query=project.query["name"]) for each in patterns]


def missing_downloads(project: Project) -> list[str]:
    """What would have to be fetched and is not there: weights of models without any embeddings yet,
    archives, and images of a PACS.
    """
    without = [model for model in project.models if not Path("results/embeddings", model).is_dir()]
    files = [
        each
        for each in weights(project)
        if Path(each).relative_to(model_card.WEIGHTS).parts[0] in without
    ]
    packed = {
        path: layout.ARCHIVE.format(resource=resource, archive=name)
        for path, (resource, name) in project.archived.items()
    }
    files += dict.fromkeys(archive for path, archive in packed.items() if not Path(path).exists())
    files += project.fetched_lists
    return [each for each in files if not Path(each).exists()]


def results(project: Project) -> list[str]:
    """The files of every analysis of every experiment, the retrieval metrics first."""
    declared = analyses.registry()
    return [
        file
        for name, experiment in project.experiments.items()
        for analysis in ("comparison", *experiment["analyses"])
        for file in declared[analysis].results(project, name)
    ]


def reference_exports(project: Project) -> list[str]:
    """Every model's results in the files and columns of the reference."""
    return [
        layout.reference(file).format(experiment=name, model=model)
        for name, experiment in project.experiments.items()
        for file in ("knn.csv", "retrieval.csv", "knn_classification.csv")
        if file != "knn_classification.csv" or experiment["val_split"]
        for model in experiment["models"]
    ]


def exports(project: Project) -> list[str]:
    """The folders for other programs, of every model that is searched by its own vectors, and
    beside them the databases that are asked for.
    """
    wanted = [layout.EXPORT]
    if project.settings["export"]["sqlite"]:
        wanted.append(layout.EXPORTED_DATABASE)
    return [
        path.format(experiment=name, model=model)
        for name in project.experiments
        for model in project.searched_models(name)
        for path in wanted
    ]


def bundles(project: Project) -> list[str]:
    """The folders that others compute an experiment's metrics from again."""
    return [layout.BUNDLE.format(experiment=name) for name in project.experiments]
