# What the configuration says about one wildcard: `params:` and `resources:` of the rules.


def dataset_setting(key):
    return lambda wildcards: project.datasets[wildcards.dataset].get(key)


def provider_files(wildcards):
    """The provider's files that a dataset is prepared from, by what they are for."""
    return project.provider_files[wildcards.dataset]


def preparation_options(wildcards):
    """The options under `prepare:`, without where the files lie: they are inputs."""
    return {
        key: value
        for key, value in dataset_setting("prepare")(wildcards).items()
        if key != "metadata"
    }


def folder_listing(wildcards):
    """What names there are below the image root, for a dataset that is made from a folder: new images are a change."""
    is_folder = dataset_setting("prepare")(wildcards)["from"] == "folder"
    return providers.folder_digest(original_images(wildcards)) if is_folder else None


def preparation_code(wildcards):
    return code("prepare.py", providers.module_of(dataset_setting("prepare")(wildcards)["from"]))


def original_csv(wildcards):
    return project.originals[wildcards.dataset]["csv"]


def original_images(wildcards):
    """The image root that the user named; that of a pseudonymised dataset is a folder of links to it."""
    return project.originals[wildcards.dataset].get("images")


def max_rejected(wildcards):
    """The share of images that may be rejected: text, since it is a resource (it changes no result) and not a count."""
    return str(project.datasets[wildcards.dataset]["max_rejected"])


def image_roots(wildcards):
    """Image root per dataset of an experiment, as JSON: a resource, since moving the images changes no result."""
    datasets = experiment_setting("datasets")(wildcards)
    return json.dumps({each: project.datasets[each].get("images") for each in datasets})


def intensities(wildcards):
    """The intensity policy of each dataset of an experiment."""
    return {
        each: project.datasets[each]["intensity"]
        for each in experiment_setting("datasets")(wildcards)
    }


def experiment_setting(key):
    return lambda wildcards: project.experiments[wildcards.experiment][key]


def index_building(wildcards):
    """What of an experiment's `index:` the index file depends on."""
    return index_settings.building(project.experiments[wildcards.experiment]["index"])


def index_searching(wildcards):
    """What of an experiment's `index:` a search depends on, once the index is there."""
    return index_settings.searching(project.experiments[wildcards.experiment]["index"])


def fused_search(wildcards):
    """How a fusion by score or by rank puts its members together; nothing for models that search their own vectors."""
    card = project.cards[wildcards.model]
    if card["loader"] != "fusion" or card["fusion"]["by"] == "concatenation":
        return None
    return {
        "by": card["fusion"]["by"],
        "widths": [project.cards[each]["dimension"] for each in card["fusion"]["of"]],
    }


def experiment_cards(wildcards):
    """The model cards of an experiment in the order of `models:`, without what changes no result."""
    shown = {model: dict(project.cards[model]) for model in experiment_setting("models")(wildcards)}
    for card in shown.values():
        card.pop("batch_size", None)
        card.pop("runtime", None)
    return shown


def contamination_statuses(wildcards):
    """Per model and dataset of an experiment, whether the model has seen the dataset in training."""
    known_as = {each: project.known_as(each) for each in experiment_setting("datasets")(wildcards)}
    return contamination.statuses(experiment_cards(wildcards), known_as)


def encoder_code(wildcards):
    return code("embed.py", *cards.encoder_modules(project.cards[wildcards.model]))


def text_encoder_code(wildcards):
    return code("embed_text.py", cards.loader_module(project.cards[wildcards.model]))


def weights(wildcards):
    """The weights files of a model; nothing for controls and random networks.

    They are `ancient`, being pinned by the card: new dates on them are no reason to embed again. Those that the card now
    means otherwise are not: as long as `fetch_weights` has to run, Snakemake finds no other reason to embed again.
    """
    files = cards.weights_files(project.cards[wildcards.model])
    paths = {f"{cards.WEIGHTS}/{wildcards.model}/{name}": each for name, each in files.items()}
    return [path if is_superseded(path, each) else ancient(path) for path, each in paths.items()]


def weights_location(wildcards):
    """Where the encoder finds them: a resource as an image root is, since moving them changes no result."""
    return cards.weights_location(wildcards.model, project.cards[wildcards.model]) or ""


def weights_source(wildcards):
    """Where one of a model's weights files comes from, as JSON: a resource, since another address of the same is no change."""
    return json.dumps(named_weights(wildcards))


def weights_content(wildcards):
    """What a weights file is, wherever it comes from."""
    return cards.content_of(named_weights(wildcards))


def named_weights(wildcards):
    """What a card says of one of its weights files."""
    return cards.weights_files(project.cards[wildcards.model])[wildcards.file]
