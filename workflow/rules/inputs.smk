# Which files belong together, from shards to neighbor tables: `input:` of the rules.


def shard_embeddings(wildcards):
    """The embedding files of a dataset's shards, once the shards are known."""
    wait_for_audits(wildcards.model, wildcards.dataset)
    shards = Path(checkpoints.shards.get(dataset=wildcards.dataset).output[0])
    digests = sorted(path.stem for path in shards.glob("*.tsv"))
    return [f"results/embeddings/{wildcards.model}/{wildcards.dataset}/{digest}.h5" for digest in digests]


def shard_lists(wildcards):
    """The image lists of a dataset's shards, or of all datasets of an experiment."""
    datasets = [wildcards.dataset] if "dataset" in wildcards.keys() else experiment_setting("datasets")(wildcards)
    folders = [Path(checkpoints.shards.get(dataset=each).output[0]) for each in datasets]
    return [str(path) for folder in folders for path in sorted(folder.glob("*.tsv"))]


def source(wildcards):
    """The file that holds what a precomputed model has of a dataset (of all of them, where it has no {dataset})."""
    return cards.source_file(project.cards[wildcards.model], wildcards.get("dataset", ""))


def source_metadata(wildcards):
    return project.cards[wildcards.model].get("metadata", [])


def archive(wildcards):
    """The archive that a published file comes from."""
    resource, name = project.archived[f"resources/{wildcards.resource}/{wildcards.file}"]
    return f"resources/{resource}/archives/{name}"


def archive_settings(wildcards):
    """Where an archive is to be had; which of its files are wanted is no reason to fetch it again."""
    settings = project.settings["resources"][wildcards.resource]["archives"][wildcards.archive]
    return {key: value for key, value in settings.items() if key != "files"}


def inspected_images(wildcards):
    """What was seen in the images of an experiment, one table per shard; nothing where the audit leaves pixels alone."""
    if not project.settings["audit"]["images"]:
        return []
    datasets = [each for each in experiment_setting("datasets")(wildcards) if "images" in project.datasets[each]]
    folders = [(each, Path(checkpoints.shards.get(dataset=each).output[0])) for each in datasets]
    lists = [(each, path.stem) for each, folder in folders for path in sorted(folder.glob("*.tsv"))]
    return [f"results/datasets/{each}/audit/{digest}.parquet" for each, digest in lists]


def wait_for_audits(model, dataset):
    """Nothing is embedded for an experiment whose audit is not done, or stops it."""
    for experiment in project.experiments_of(model, dataset):
        checkpoints.audit_verdict.get(experiment=experiment)


def split_list(experiment, split):
    """The image list of a split of an experiment, once it is known."""
    folder = Path(checkpoints.pool.get(experiment=experiment).output.splits)
    return str(next(folder.glob(f"{split}.*.tsv")))


def split_images(wildcards):
    return split_list(wildcards.experiment, wildcards.split)


def index_images(wildcards):
    return split_list(wildcards.experiment, experiment_setting("index_split")(wildcards))


def query_images(wildcards):
    return [split_list(wildcards.experiment, split) for split in experiment_setting("query_splits")(wildcards)]


def index_file(wildcards):
    split = experiment_setting("index_split")(wildcards)
    return f"results/experiments/{wildcards.experiment}/{wildcards.model}/index/{split}.faiss"


def catalogs(wildcards):
    return [f"results/datasets/{each}/catalog.parquet" for each in experiment_setting("datasets")(wildcards)]


def embedding_file(model, dataset):
    """A model's embeddings of a dataset, once the dataset's shards are known.

    Asking for the shards keeps the readers of this file from being planned earlier, when nobody knows yet whether it
    will change: Snakemake would run them even where no shard turned out to be new.
    """
    wait_for_audits(model, dataset)
    checkpoints.shards.get(dataset=dataset)
    return f"results/embeddings/{model}/{dataset}.h5"


def member_embeddings(wildcards):
    """The embeddings of a dataset by the members of a fusion."""
    return [embedding_file(member, wildcards.dataset) for member in project.meanings[wildcards.model]["of"]]


def experiment_embeddings(wildcards):
    return [embedding_file(wildcards.model, each) for each in experiment_setting("datasets")(wildcards)]


def neighbor_tables(wildcards):
    checkpoints.audit_verdict.get(experiment=wildcards.experiment)
    splits = experiment_setting("query_splits")(wildcards)
    return [f"results/experiments/{wildcards.experiment}/{wildcards.model}/knn/{split}.parquet" for split in splits]


def of_all_models(pattern):
    """A file of each model of an experiment, in the order of `models:`."""
    return lambda wildcards: [
        pattern.format(model=model, **dict(wildcards.items())) for model in experiment_setting("models")(wildcards)
    ]


def dataset_embeddings(wildcards):
    """A dataset's embeddings by every model that embeds it."""
    return [embedding_file(model, wildcards.dataset) for model in project.models_of_dataset(wildcards.dataset)]


def all_embeddings(wildcards):
    return [embedding_file(model, dataset) for model, dataset in project.embedded]
