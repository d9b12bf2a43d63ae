# Which files belong together, from shards to neighbor tables: `input:` of the rules.

# Four checkpoints say when file names are known: `pool` (the images of an experiment; `pool_units`
# where these are series, studies or patients), then
# `audited` (a dataset may be embedded), then `admitted` (an experiment may be searched), then, for
# the analysis robustness alone, `perturbed_sample` (which queries are perturbed). Each
# function below waits for one of them at most. If it needs a second one after the first is done,
# Snakemake (9.27) can lose the job. A file whose job has to run is not `ancient` either: while it is
# `ancient`, Snakemake does not check for other reasons to run the reader of the file.
#
# Readers of embeddings wait as well, although the names are known. If they were planned earlier,
# before it is known whether the embeddings will change, they would run even without a new shard.


def filled(pattern, wildcards, **values):
    """A pattern of layout.py with the rule's wildcards and further values in place."""
    return pattern.format(**(dict(wildcards.items()) | values))


def of_models(pattern, models):
    """A file of each of some models; `models` is a function of the wildcards."""
    return lambda wildcards: [filled(pattern, wildcards, model=each) for each in models(wildcards)]


def of_all_models(pattern):
    """A file of each model of an experiment, in the order of `models:`."""
    return of_models(pattern, experiment_setting("models"))


def of_splits(pattern):
    """A file of each query split of an experiment."""
    splits = experiment_setting("query_splits")
    return lambda wildcards: [filled(pattern, wildcards, split=each) for each in splits(wildcards)]


def shards_of(dataset):
    return sorted(Path(layout.SHARDS.format(dataset=dataset)).glob("*.tsv"))


def dataset_shards(wildcards):
    """The image lists of a dataset's shards, once they are known and may be embedded."""
    checkpoints.audited.get(dataset=wildcards.dataset)
    return shards_of(wildcards.dataset)


def volume_folder(wildcards):
    """The lists of a dataset's volumes; nothing where no encoder takes volumes."""
    return filled(layout.VOLUMES, wildcards) if wildcards.dataset in project.of_volumes else []


def dataset_volumes(wildcards):
    """The lists of a dataset's volumes, once they are known and may be embedded."""
    checkpoints.audited.get(dataset=wildcards.dataset)
    folders = [volume_folder(wildcards)] if volume_folder(wildcards) else []
    return sorted(str(path) for folder in folders for path in Path(folder).glob("*.tsv"))


def pixels_pointer(wildcards):
    """What says where the pixels of a shard are; nothing for models that are no networks."""
    network = wildcards.model in project.networks
    return filled(layout.PIXELS_POINTER, wildcards) if network else []


def shard_embeddings(wildcards):
    """The embedding files of a dataset's shards, or of the lists of its volumes, once these are
    known and may be embedded."""
    of_volumes = wildcards.model in project.volumetric
    lists = dataset_volumes(wildcards) if of_volumes else dataset_shards(wildcards)
    digests = [Path(each).stem for each in lists]
    return [filled(layout.SHARD_EMBEDDINGS, wildcards, digest=each) for each in digests]


def experiment_shards(wildcards):
    """The shards of an experiment's datasets: (dataset, image list), once they are known."""
    of_units = wildcards.experiment in project.of_units
    pool = checkpoints.pool_units if of_units else checkpoints.pool
    pool.get(experiment=wildcards.experiment)
    datasets = experiment_setting("datasets")(wildcards)
    return [(each, path) for each in datasets for path in shards_of(each)]


def shard_lists(wildcards):
    """The image lists of a dataset's shards, or of all datasets of an experiment."""
    if "dataset" in wildcards.keys():
        return [str(path) for path in dataset_shards(wildcards)]
    return [str(path) for _, path in experiment_shards(wildcards)]


def audited_images(wildcards):
    """The catalog of the images that an experiment reads: its units' where it has units."""
    pattern = layout.UNIT_IMAGES if wildcards.experiment in project.of_units else layout.POOL
    return filled(pattern, wildcards)


def inspected_images(wildcards):
    """What was found in an experiment's images, a table per shard. None where pixels are not read."""
    if not project.settings["audit"]["images"]:
        return []
    return [
        layout.INSPECTED_SHARD.format(dataset=each, digest=path.stem)
        for each, path in experiment_shards(wildcards)
        if "images" in project.datasets[each]
    ]


def verdicts(wildcards):
    """The audits that have to be passed before a dataset is embedded: of all its experiments."""
    experiments = project.experiments_of(wildcards.dataset)
    return [layout.VERDICT.format(experiment=each) for each in experiments]


def of_datasets(pattern):
    """A file of each dataset of an experiment."""
    datasets = experiment_setting("datasets")
    return lambda wildcards: [pattern.format(dataset=each) for each in datasets(wildcards)]


def experiment_csvs(wildcards):
    return [project.datasets[each]["csv"] for each in experiment_setting("datasets")(wildcards)]


def source(wildcards):
    """The file with what a precomputed model has of a dataset, or of all datasets."""
    return cards.source_file(project.cards[wildcards.model], wildcards.get("dataset", ""))


@functools.cache
def folder_state(folder):
    return status_digest(folder)


def source_listing(wildcards):
    """A digest of the files of a precomputed model that has a file per volume; None for one file."""
    path = source(wildcards)
    return folder_state(path) if Path(path).is_dir() else None


def source_metadata(wildcards):
    return project.cards[wildcards.model].get("metadata", [])


def archive(wildcards):
    """The archive that a published file comes from."""
    path = filled(layout.UNPACKED, wildcards)
    resource, name = project.archived[path]
    return layout.ARCHIVE.format(resource=resource, archive=name)


def split_list(experiment, split):
    """The image list of a split of an experiment, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=experiment)
    folder = Path(layout.SPLITS.format(experiment=experiment))
    return str(next(folder.glob(f"{split}.*.tsv")))


def split_images(wildcards):
    return split_list(wildcards.experiment, wildcards.split)


def index_images(wildcards):
    return split_list(wildcards.experiment, experiment_setting("index_split")(wildcards))


def query_images(wildcards):
    splits = experiment_setting("query_splits")(wildcards)
    return [split_list(wildcards.experiment, split) for split in splits]


def unit_members(wildcards):
    """The list of each unit's images, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=wildcards.experiment)
    return [str(each) for each in Path(filled(layout.UNIT_MEMBERS, wildcards)).glob("*.tsv")]


def index_labels(wildcards):
    """What may be learned from: the labels of the index split, once the experiment may be
    searched."""
    checkpoints.admitted.get(experiment=wildcards.experiment)
    return [str(each) for each in Path(filled(layout.INDEX_LABELS, wildcards)).glob("*.tsv")]


def index_file(wildcards):
    split = experiment_setting("index_split")(wildcards)
    return filled(layout.INDEX, wildcards, split=split)


def weights(wildcards):
    """The weights files of a model; nothing for controls and random networks.

    They are `ancient`, being pinned by the card: new dates on them are no reason to embed again.
    Those that the card now means otherwise are not: as long as `fetch_weights` has to run, Snakemake
    finds no other reason to embed again.
    """
    files = cards.weights_files(project.cards[wildcards.model])
    paths = {filled(layout.WEIGHTS, wildcards, file=name): each for name, each in files.items()}
    return [path if is_superseded(path, each) else ancient(path) for path, each in paths.items()]


def dataset_embeddings_by(model, dataset):
    """A model's embeddings of a dataset, once it may be embedded."""
    checkpoints.audited.get(dataset=dataset)
    return layout.EMBEDDINGS.format(model=model, dataset=dataset)


def dataset_embeddings(wildcards):
    """A dataset's embeddings by every model that embeds it."""
    models = project.models_of_dataset(wildcards.dataset)
    return [dataset_embeddings_by(each, wildcards.dataset) for each in models]


def member_embeddings(wildcards):
    """The embeddings of a dataset by the members of a fusion."""
    members = project.meanings[wildcards.model]["of"]
    return [dataset_embeddings_by(each, wildcards.dataset) for each in members]


def all_embeddings(wildcards):
    return [dataset_embeddings_by(model, dataset) for model, dataset in project.embedded]


def experiment_embeddings_by(models, experiment):
    """The embeddings of an experiment's datasets, model by model, once it may be searched: of a
    reranked model those of its base, and where the experiment has units, theirs."""
    checkpoints.admitted.get(experiment=experiment)
    found = []
    for model in models:
        model = project.base(model) if model in project.reranked else model
        if model in project.adapted:
            found.append(layout.ADAPTED.format(experiment=experiment, model=model))
        elif experiment in project.of_units:
            found.append(layout.UNIT_EMBEDDINGS.format(experiment=experiment, model=model))
        else:
            datasets = project.experiments[experiment]["datasets"]
            found += [layout.EMBEDDINGS.format(model=model, dataset=each) for each in datasets]
    return found


def experiment_embeddings(wildcards):
    return experiment_embeddings_by([wildcards.model], wildcards.experiment)


def image_embeddings(wildcards):
    """The embeddings of the images of an experiment's datasets, once it may be searched."""
    checkpoints.admitted.get(experiment=wildcards.experiment)
    return of_datasets(layout.EMBEDDINGS.replace("{model}", wildcards.model))(wildcards)


def base_embeddings(wildcards):
    """The embeddings of an experiment's datasets by the model that this one is made from."""
    return experiment_embeddings_by([project.base(wildcards.model)], wildcards.experiment)


def all_experiment_embeddings(wildcards):
    models = experiment_setting("models")(wildcards)
    return experiment_embeddings_by(models, wildcards.experiment)


def embeddings_by_model(wildcards):
    """How many files of embeddings each model of an experiment has."""
    models = experiment_setting("models")(wildcards)
    return [len(experiment_embeddings_by([each], wildcards.experiment)) for each in models]


def all_metrics(wildcards):
    """The tables of the retrieval metrics of all models of an experiment, model by model."""
    return [
        filled(layout.metrics(table), wildcards, model=model)
        for model in experiment_setting("models")(wildcards)
        for table in bundle_form.TABLES
    ]


def base_neighbors(wildcards):
    """The neighbor table of the model that a reranked one is made from."""
    return filled(layout.NEIGHBORS, wildcards, model=project.base(wildcards.model))


def base_index_neighbors(wildcards):
    """The neighbors of index images within the index. Nothing where they are not needed."""
    if project.meanings[wildcards.model]["how"]["by"] not in derived.NEEDS_GRAPH:
        return []
    split = experiment_setting("index_split")(wildcards)
    base = project.base(wildcards.model)
    return filled(layout.INDEX_NEIGHBORS, wildcards, model=base, split=split)


def neighbor_tables(wildcards):
    """The neighbor tables of a model, one per query split, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=wildcards.experiment)
    return of_splits(layout.NEIGHBORS)(wildcards)


def all_neighbor_tables(wildcards):
    """The neighbor tables of all models of an experiment, model by model."""
    return [
        filled(layout.NEIGHBORS, wildcards, model=model, split=split)
        for model in experiment_setting("models")(wildcards)
        for split in experiment_setting("query_splits")(wildcards)
    ]


def paper_neighbors(wildcards):
    splits = paper_splits(wildcards)
    return [filled(layout.NEIGHBORS, wildcards, split=each) for each in splits]


def near_duplicates(wildcards):
    """The pairs of near duplicates of an experiment; nothing where the audit reads no pixels, or
    where its pairs are of images and not of units."""
    units = wildcards.experiment in project.of_units
    inspected = project.settings["audit"]["images"] and not units
    return filled(layout.NEAR_DUPLICATES, wildcards) if inspected else []


def small_images(wildcards):
    """The small images of an experiment's datasets, once the experiment may be searched."""
    checkpoints.admitted.get(experiment=wildcards.experiment)
    return [
        layout.SMALL_IMAGES.format(dataset=each, digest=path.stem)
        for each in experiment_setting("datasets")(wildcards)
        for path in shards_of(each)
    ]


def has_analysis(experiment, name):
    """Whether an experiment has an analysis, and it applies."""
    wanted = name in project.experiments[experiment]["analyses"]
    return wanted and not analyses.registry()[name].without(project, experiment)


def table_of(analysis, file):
    """A table of all models by an analysis. Nothing where the experiment does not have it."""
    pattern = layout.of_experiment(analysis, file)
    wanted = lambda wildcards: has_analysis(wildcards.experiment, analysis)
    return lambda wildcards: filled(pattern, wildcards) if wanted(wildcards) else []


def fits_without(wildcards):
    """The fits of an adapted model that have not seen some labels. Nothing for a reranked one."""
    return filled(layout.LEFT_OUT_FITS, wildcards) if wildcards.model in project.adapted else []


def base_vectors_of_adapted(wildcards):
    """The embeddings of the base of an adapted model. Nothing for a reranked one."""
    return base_embeddings(wildcards) if wildcards.model in project.adapted else []


def made_alike(wildcards):
    """The base of a model, and all models of the experiment that are made from it."""
    base, models = project.base(wildcards.model), experiment_setting("models")(wildcards)
    return [each for each in models if base in (each, project.base(each))]


def uncertainty_table(name):
    """A table of the analysis uncertainty. Nothing where the experiment does not have it."""
    return table_of("uncertainty", f"{name}.csv")


def uncertainty_tables(wildcards):
    """The intervals, differences and ranks. Nothing where the experiment does not have them."""
    found = [uncertainty_table(each)(wildcards) for each in ("intervals", "differences", "ranks")]
    return [each for each in found if each]


def privacy_tables(wildcards):
    """The two tables of the analysis privacy. Nothing where the experiment does not have it."""
    found = [table_of("privacy", f"{each}.csv")(wildcards) for each in ("privacy", "reidentified")]
    return [each for each in found if each]


def structures_table(wildcards):
    """The table of region recall, where images have several labels."""
    several = experiment_setting("labels")(wildcards) == "multi"
    return table_of("region_recall", "region_recall.csv")(wildcards) if several else []


def fitted_chances(wildcards):
    """The fits of all models, which say how sure hits are. Nothing where there are none."""
    wanted = has_analysis(wildcards.experiment, "confidence")
    return of_all_models(layout.FITTED_CHANCE)(wildcards) if wanted else []


def perturbed_queries(wildcards):
    """The sample of queries that is perturbed, once it is drawn."""
    checkpoints.perturbed_sample.get(experiment=wildcards.experiment)
    return str(next(Path(filled(layout.PERTURBED_SAMPLE, wildcards)).glob("*.tsv")))


def perturbed_vectors(wildcards):
    """The vectors of perturbed queries by a model, a file per perturbation, once the sample is drawn."""
    checkpoints.perturbed_sample.get(experiment=wildcards.experiment)
    named = project.settings["robustness"]["perturbations"]
    return [filled(layout.PERTURBED, wildcards, perturbation=each) for each in named]


def boxed_slabs(wildcards):
    """The slabs that are asked with in boxes, once they are drawn. Nothing where none are asked for."""
    if not project.settings["localization"]["boxes"]:
        return []
    checkpoints.boxed_slabs.get(experiment=wildcards.experiment)
    return str(next(Path(filled(layout.BOXED_SLABS, wildcards)).glob("*.tsv")))


def boxed_vectors(wildcards):
    """The vectors of boxes by a model that embeds images here. Nothing where none are asked for."""
    boxes = project.settings["localization"]["boxes"]
    return filled(layout.BOXED, wildcards) if boxes and wildcards.model in project.encoded else []


REPORT_INTRODUCTION = WORKFLOW / "report" / "workflow.rst"


def of_text_models(pattern):
    """A file of each model with a text tower."""
    return of_models(pattern, lambda wildcards: project.text_models(wildcards.experiment))


def prompts_of_text_models(wildcards):
    """The prompts of an experiment; nothing where no model has a text tower."""
    return filled(layout.PROMPTS, wildcards) if project.text_models(wildcards.experiment) else []
