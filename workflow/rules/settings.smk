# What the configuration says about one wildcard: `params:` and `resources:` of the rules.


def per_attempt(amount):
    """MB of memory or minutes: this amount, and twice as much when a killed job runs again.

    The amounts are for 1.6 million images of 512 dimensions.
    """
    return lambda wildcards, attempt: amount * attempt


GPU_SEARCH = ("radcbir.retrieval.gpu.worker", "radcbir.retrieval.gpu.products")
"""The modules of the process that searches on a GPU."""


def dataset_setting(key):
    return lambda wildcards: project.datasets[wildcards.dataset].get(key)


def provider_files(wildcards):
    """The provider's files that a dataset is prepared from, by their purpose."""
    return project.provider_files[wildcards.dataset]


def preparation_options(wildcards):
    """The options under `prepare:`, without the paths of files: they are inputs. What a server is
    asked for is those of the rule that fetches, and may name patients."""
    options = dataset_setting("prepare")(wildcards)
    others = {"metadata", *(dicomweb.OF_SERVER if options["from"] == "dicomweb" else ())}
    return {key: value for key, value in options.items() if key not in others}


def asked_of_server(wildcards):
    """The digest of a server's address and of what it is asked for. The query may name patients, and
    Snakemake prints parameters."""
    options = dataset_setting("prepare")(wildcards)
    return digest_of([options["url"], options["query"]])


MANY_FILES = ("dicom", "dicomweb", "organ-masks")


def preparation_threads(wildcards):
    """Cores for reading many files, such as headers or masks; tables are read by one."""
    return 8 if dataset_setting("prepare")(wildcards)["from"] in MANY_FILES else 1


@functools.cache
def listing_of(provider, images):
    return providers.registry()[provider].listing(images)


def folder_listing(wildcards):
    """A digest of the files below the image root, for a dataset that is made from them."""
    provider = providers.registry()[dataset_setting("prepare")(wildcards)["from"]]
    images = original_images(wildcards)
    return listing_of(provider.name, images) if provider.listing and images else None


def content_of(paths):
    """The digest of the content of files from outside: one that is replaced by a file with an
    older date is a change as well.
    """
    made = {*project.archived, *project.fetched_lists}
    given = [path for path in paths if path not in made and Path(path).is_file()]
    return [content_digest(path, layout.CONTENT_DIGESTS) for path in given]


def provider_content(wildcards):
    """The content of the files that a dataset is prepared from."""
    return content_of(provider_files(wildcards).values())


def original_content(wildcards):
    """The content of the user's own CSV; nothing where a rule makes it."""
    if dataset_setting("prepare")(wildcards):
        return []
    return content_of([original_csv(wildcards)])


def csv_content(wildcards):
    """The same for the CSV that the catalog is made from."""
    own = dataset_setting("csv")(wildcards) == original_csv(wildcards)
    return original_content(wildcards) if own else []


@functools.cache
def files_state(dataset, images):
    return ImageFiles(dataset).state(images)


def image_files(wildcards):
    """A text that changes when image files are replaced, come back, or can be read again."""
    images = dataset_setting("images")(wildcards)
    return files_state(wildcards.dataset, images) if images else ""


def preparation_code(wildcards):
    provider = dataset_setting("prepare")(wildcards)["from"]
    return code("datasets/prepare.py", providers.registry()[provider].module)


def original_csv(wildcards):
    return project.originals[wildcards.dataset]["csv"]


def original_images(wildcards):
    """The image root that the user named. A pseudonymised dataset has a folder of links to it."""
    return project.originals[wildcards.dataset].get("images")


def max_rejected(wildcards):
    """The share of images that may be rejected, as text. A resource, because it changes no result."""
    return str(project.datasets[wildcards.dataset]["max_rejected"])


def allowed_rejections(wildcards):
    """The share of images that may be rejected, of each dataset of an experiment."""
    datasets = experiment_setting("datasets")(wildcards)
    return {each: project.datasets[each]["max_rejected"] for each in datasets}


def image_roots(wildcards):
    """Image root per dataset of an experiment, as JSON. A resource, because it changes no result."""
    datasets = experiment_setting("datasets")(wildcards)
    return json.dumps({each: project.datasets[each].get("images") for each in datasets})


def intensities(wildcards):
    """The intensity policy of each dataset of an experiment."""
    datasets = experiment_setting("datasets")(wildcards)
    return {each: project.datasets[each]["intensity"] for each in datasets}


def experiment_setting(key):
    return lambda wildcards: project.experiments[wildcards.experiment][key]


def threads_by_images(wildcards):
    """Threads of a job that reads the embeddings of an experiment: one where its index split has few
    images. A second thread then waits more than it computes, so that jobs run side by side instead.
    """
    counts = filled(layout.COUNTS, wildcards)
    index_split = experiment_setting("index_split")(wildcards)
    return 1 if is_file(counts) and images_of(counts, index_split) < 2000 else 8


def images_of(counts, split):
    """How many images of a split the counts of an experiment name."""
    with open(counts, newline="", encoding="utf-8") as handle:
        return sum(int(row["taken"]) for row in csv.DictReader(handle) if row["split"] == split)


def first_tested_split(wildcards):
    """The query split that orders the models: the first that chooses no settings."""
    splits, val_split = (
        experiment_setting(key)(wildcards) for key in ("query_splits", "val_split")
    )
    return next((each for each in splits if each != val_split), splits[0])


def index_building(wildcards):
    """The part of an experiment's `index:` that the index file depends on."""
    return index_settings.building(project.experiments[wildcards.experiment]["index"])


def index_searching(wildcards):
    """The part of an experiment's `index:` that a search of the finished index depends on."""
    return index_settings.searching(project.experiments[wildcards.experiment]["index"])


def fused_search(wildcards):
    """How a fusion by score or by rank is searched; None for models with vectors of their own."""
    widths = part_widths(wildcards)
    if not widths:
        return None
    return {"by": project.cards[wildcards.model]["fusion"]["by"], "widths": widths}


def part_widths(wildcards):
    return project.part_widths(wildcards.model)


def neighbors_within_index(wildcards):
    """How many neighbors of an index image the reranked models of an experiment need at most."""
    models = experiment_setting("models")(wildcards)
    made = [each for each in models if each in project.reranked]
    ways = [project.meanings[each]["how"] for each in made if project.base(each) == wildcards.model]
    return max(each["neighbors"] for each in ways if each["by"] in derived.NEEDS_GRAPH)


def has_cosines(wildcards):
    """Whether the scores of a model's neighbors are cosine similarities."""
    return wildcards.model in project.searched_models(wildcards.experiment)


def shown_cards(models):
    """Model cards without what changes no result."""
    shown = {model: dict(project.cards[model]) for model in models}
    for card in shown.values():
        card.pop("batch_size", None)
        card.pop("runtime", None)
        if "weights" in card:
            card["weights"] = hidden(card["weights"])
    return Digested(shown)


def models_with_vectors(wildcards):
    """The models of an experiment that have vectors of their own to look at."""
    return project.models_with_vectors(wildcards.experiment)


def experiment_cards(wildcards):
    """The model cards of an experiment in the order of `models:`."""
    return shown_cards(experiment_setting("models")(wildcards))


def contamination_statuses(wildcards):
    """Per model and dataset of an experiment, whether the model has seen the dataset in training."""
    datasets = experiment_setting("datasets")(wildcards)
    known_as = {each: project.known_as(each) for each in datasets}
    return Digested(contamination.statuses(experiment_cards(wildcards), known_as))


def paper_splits(wildcards):
    """The query splits of paper mode: the one that is tested, then the one that chooses k."""
    experiment = project.experiments[wildcards.experiment]
    return [experiment["paper_mode"]["test_split"], *filter(None, [experiment["val_split"]])]


def duplicate_judges(wildcards):
    """The models that find near duplicates by embedding: learned ones; without any, the controls."""
    searched = project.searched_models(wildcards.experiment)
    made = {*project.fusions, *project.adapted}
    single = [each for each in searched if each not in made]
    return [each for each in single if not cards.is_control(project.cards[each])] or single


def model_names(wildcards):
    """Slug -> name of the models that embed a dataset."""
    models = project.models_of_dataset(wildcards.dataset)
    return {model: project.cards[model]["name"] for model in models}


def text_model_names(wildcards):
    """Slug -> name of an experiment's models with a text tower."""
    models = project.text_models(wildcards.experiment)
    return {model: project.cards[model]["name"] for model in models}


def models_without_text(wildcards):
    """Names of an experiment's other models."""
    with_text = project.text_models(wildcards.experiment)
    models = experiment_setting("models")(wildcards)
    return [project.cards[each]["name"] for each in models if each not in with_text]


def embedding_versions(wildcards):
    """The versions of the code that makes a model's vectors from image files, as JSON.

    They take the place of a digest of that code: a change that gives the same vectors must not
    embed millions of images again.
    """
    found = versions(project.meanings[wildcards.model]) | {"images": reader.versions()}
    if wildcards.model in project.volumetric:
        found["volumes read"] = volumes.VERSION
    return json.dumps(found, sort_keys=True)


def pixel_readers(wildcards):
    """The other models that take a shard's images alike, as JSON: their embeddings, and the pointer
    to the pixels. A resource, because it changes no result; empty where the pixels are kept."""
    if project.settings["pixels"] == "keep" or wildcards.model not in project.networks:
        return ""
    patterns = (layout.SHARD_EMBEDDINGS, layout.PIXELS_POINTER)
    others = project.of_same_geometry(wildcards.model, wildcards.dataset)
    return json.dumps(
        [[filled(each, wildcards, model=other) for each in patterns] for other in others]
    )


def perturbing_versions(wildcards):
    """The versions of the code that makes a model's vectors from perturbed images, as JSON."""
    found = json.loads(embedding_versions(wildcards)) | {"perturbations": perturbations.VERSION}
    return json.dumps(found, sort_keys=True)


def boxing_versions(wildcards):
    """The versions of the code that makes a model's vectors from boxes on images, as JSON."""
    found = json.loads(embedding_versions(wildcards)) | {"boxes": boxes.VERSION}
    return json.dumps(found, sort_keys=True)


def slabs_asked(wildcards):
    """The settings of the analysis localization; boxes only where there are some."""
    return {key: value for key, value in project.settings["localization"].items() if value != []}


def text_encoder_code(wildcards):
    loader = cards.loader_module(project.cards[wildcards.model])
    return code("analyses/embed_text.py", loader)


def weights_location(wildcards):
    """Where the encoder's weights are. A resource, because moving them changes no result."""
    return cards.weights_location(wildcards.model, project.cards[wildcards.model]) or ""


def card_file(wildcards):
    """The card that says where weights come from: a resource, since an address changes no result,
    and may hold a password, which Snakemake would print."""
    return str(project.card_file(wildcards.model))


def weights_content(wildcards):
    """What identifies a weights file, independent of its address."""
    return cards.content_of(named_weights(wildcards))


def named_weights(wildcards):
    """What a card says of one of its weights files."""
    return cards.weights_files(project.cards[wildcards.model])[wildcards.file]


def archive_settings(wildcards):
    """Where an archive comes from. The list of its files is no reason to fetch it again."""
    settings = project.settings["resources"][wildcards.resource]["archives"][wildcards.archive]
    return hidden({key: settings[key] for key in settings if key not in ("files", "unpacked")})


def exported_experiment(wildcards):
    """What an export says of its experiment: the settings that decide what is found."""
    settings = project.experiments[wildcards.experiment]
    shown = (
        "datasets",
        "index_split",
        "query_splits",
        "val_split",
        "k",
        "index",
        "labels",
        "unit",
        "pooling",
    )
    return Digested({"name": wildcards.experiment} | {key: settings[key] for key in shown})


def exported_datasets(wildcards):
    """What a bundle says of the datasets."""
    datasets = experiment_setting("datasets")(wildcards)
    return {each: {"known_as": project.datasets[each]["known_as"]} for each in datasets}


def exported_models(wildcards):
    """What a bundle says of the models of its experiment."""
    models = experiment_setting("models")(wildcards)
    return Digested({each: described_model(each) for each in models})


def exported_model(wildcards):
    return described_model(wildcards.model)


def described_model(model):
    """What an export says of its model: its card without where files are, and the cards that a
    model is made from.
    """
    shown = ("name", "licence", "citation", "homepage", "training_data")
    made_from = [each for each in project.sources(model) if each != model]
    described = {
        each: {key: project.cards[each].get(key) for key in shown} for each in (model, *made_from)
    }
    meaning = project.meanings[model]
    found = {"model": model, **described.pop(model), "meaning": meaning}
    return Digested(hidden(found | {"made_from": described}))
