# Which files belong together, from shards to neighbor tables: `input:` of the rules.


# Three checkpoints say when file names are known: `pool` (the images of an experiment), then
# `audited` (a dataset may be embedded), then `admitted` (an experiment may be searched). Each
# function below asks for one of them at most: where it needs a second one once the first is done,
# Snakemake (9.27) can lose sight of the job. Nor is a file taken as `ancient` whose job has to run:
# as long as it has, Snakemake does not look for other reasons to run the file's reader.
#
# Readers of embeddings ask as well, although they know the names: planned earlier, when nobody
# knows yet whether the embeddings will change, they would run even where no shard turned out to be
# new.


def shard_embeddings(wildcards):
    """The embedding files of a dataset's shards, once the shards are known and may be embedded."""
    return [
        f"results/embeddings/{wildcards.model}/{wildcards.dataset}/{each.stem}.h5"
        for each in dataset_shards(wildcards)
    ]


def dataset_shards(wildcards):
    """The image lists of a dataset's shards, once they are known and may be embedded."""
    checkpoints.audited.get(dataset=wildcards.dataset)
    return shards_of(wildcards.dataset)


def shards_of(dataset):
    return sorted(Path(f"results/datasets/{dataset}/shards").glob("*.tsv"))


def experiment_shards(wildcards):
    """The image lists of the shards of an experiment's datasets: (dataset, list), once they are known."""
    checkpoints.pool.get(experiment=wildcards.experiment)
    return [
        (each, path)
        for each in experiment_setting("datasets")(wildcards)
        for path in shards_of(each)
    ]


def shard_lists(wildcards):
    """The image lists of a dataset's shards, or of all datasets of an experiment."""
    if "dataset" in wildcards.keys():
        return [str(path) for path in dataset_shards(wildcards)]
    return [str(path) for _, path in experiment_shards(wildcards)]


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
    """Where an archive is to be had; what is unpacked of it is no reason to fetch it again."""
    settings = project.settings["resources"][wildcards.resource]["archives"][wildcards.archive]
    return {key: value for key, value in settings.items() if key not in ("files", "unpacked")}


def inspected_images(wildcards):
    """What was seen in the images of an experiment, one table per shard; nothing where the audit leaves pixels alone."""
    if not project.settings["audit"]["images"]:
        return []
    listed = [
        (each, path.stem)
        for each, path in experiment_shards(wildcards)
        if "images" in project.datasets[each]
    ]
    return [f"results/datasets/{each}/audit/{digest}.parquet" for each, digest in listed]


def verdicts(wildcards):
    """The audits that have to be passed before a dataset is embedded: those of all experiments that pool it."""
    return [
        f"results/experiments/{each}/audit/verdict.txt"
        for each in project.experiments_of(wildcards.dataset)
    ]


def audited(wildcards):
    return [
        f"results/checkpoints/audited/{each}.txt"
        for each in experiment_setting("datasets")(wildcards)
    ]


def split_list(experiment, split):
    """The image list of a split of an experiment, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=experiment)
    return str(next(Path(f"results/experiments/{experiment}/splits").glob(f"{split}.*.tsv")))


def split_images(wildcards):
    return split_list(wildcards.experiment, wildcards.split)


def index_images(wildcards):
    return split_list(wildcards.experiment, experiment_setting("index_split")(wildcards))


def query_images(wildcards):
    return [
        split_list(wildcards.experiment, split)
        for split in experiment_setting("query_splits")(wildcards)
    ]


def index_file(wildcards):
    split = experiment_setting("index_split")(wildcards)
    return f"results/experiments/{wildcards.experiment}/{wildcards.model}/index/{split}.faiss"


def catalogs(wildcards):
    return [
        f"results/datasets/{each}/catalog.parquet"
        for each in experiment_setting("datasets")(wildcards)
    ]


def shard_folders(wildcards):
    return [f"results/datasets/{each}/shards" for each in experiment_setting("datasets")(wildcards)]


def dataset_embeddings_by(model, dataset):
    """A model's embeddings of a dataset, once it may be embedded."""
    checkpoints.audited.get(dataset=dataset)
    return f"results/embeddings/{model}/{dataset}.h5"


def member_embeddings(wildcards):
    """The embeddings of a dataset by the members of a fusion."""
    return [
        dataset_embeddings_by(each, wildcards.dataset)
        for each in project.meanings[wildcards.model]["of"]
    ]


def experiment_embeddings_by(models, experiment):
    """The embeddings of an experiment's datasets, model by model, once it may be searched."""
    checkpoints.admitted.get(experiment=experiment)
    datasets = project.experiments[experiment]["datasets"]
    return [f"results/embeddings/{model}/{each}.h5" for model in models for each in datasets]


def experiment_embeddings(wildcards):
    return experiment_embeddings_by([wildcards.model], wildcards.experiment)


def all_experiment_embeddings(wildcards):
    return experiment_embeddings_by(experiment_setting("models")(wildcards), wildcards.experiment)


def neighbor_tables(wildcards):
    checkpoints.admitted.get(experiment=wildcards.experiment)
    splits = experiment_setting("query_splits")(wildcards)
    return [
        f"results/experiments/{wildcards.experiment}/{wildcards.model}/knn/{split}.parquet"
        for split in splits
    ]


def of_all_models(pattern):
    """A file of each model of an experiment, in the order of `models:`."""
    return lambda wildcards: [
        pattern.format(model=model, **dict(wildcards.items()))
        for model in experiment_setting("models")(wildcards)
    ]


def dataset_embeddings(wildcards):
    """A dataset's embeddings by every model that embeds it."""
    return [
        dataset_embeddings_by(each, wildcards.dataset)
        for each in project.models_of_dataset(wildcards.dataset)
    ]


def all_embeddings(wildcards):
    return [dataset_embeddings_by(model, dataset) for model, dataset in project.embedded]
