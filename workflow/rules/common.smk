# The configuration, checked, and the functions that rules share: each is named for what it returns.

import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir)
sys.path.insert(0, str(WORKFLOW))

from radcbir import cards, index_settings, targets
from radcbir.code import code_digest
from radcbir.errors import InputError
from radcbir.files import hold_lock
from radcbir.project import Project

try:
    project = Project(
        config,
        card_folders=["config/models", WORKFLOW.parent / "config" / "models"],
        where=", ".join(map(str, workflow.configfiles)),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None


def refuse_second_run():
    if not hold_lock(".snakemake/radcbir.lock"):
        raise WorkflowError(
            f"another run is at work in {Path.cwd()}: wait for it, or run in another folder (--directory)"
        )


def names(values):
    """A wildcard constraint that admits these names alone."""
    return "|".join(re.escape(value) for value in values)


wildcard_constraints:
    dataset=names(project.datasets),
    model=names(project.models),
    experiment=names(project.experiments),
    split=r"[A-Za-z0-9_-]+",
    digest=r"[0-9a-f]{16}",


def code(script, *modules):
    """Digest of the code that a script reaches, for `params:`: the rule reruns when that code changes in meaning."""
    return code_digest(WORKFLOW / "scripts" / script, modules)


def template(name):
    """The HTML template of a page, as a relative path: moving the project is no change of its inputs."""
    return os.path.relpath(WORKFLOW / "report" / f"{name}.html.j2")


# --- what the configuration says about one wildcard ---


def dataset_setting(key):
    return lambda wildcards: project.datasets[wildcards.dataset][key]


def max_rejected(wildcards):
    """The share of images that may be rejected: text, since it is a resource (it changes no result) and not a count."""
    return str(project.datasets[wildcards.dataset]["max_rejected"])


def image_roots(wildcards):
    """Image root per dataset of an experiment, as JSON: a resource, since moving the images changes no result."""
    return json.dumps({each: project.datasets[each]["images"] for each in experiment_setting("datasets")(wildcards)})


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
    return {"by": card["fusion"]["by"], "widths": [project.cards[each]["dimension"] for each in card["fusion"]["of"]]}


def experiment_cards(wildcards):
    """The model cards of an experiment in the order of `models:`, without what changes no result."""
    shown = {model: dict(project.cards[model]) for model in experiment_setting("models")(wildcards)}
    for card in shown.values():
        card.pop("batch_size", None)
    return shown


def encoder_code(wildcards):
    return code("embed.py", cards.loader_module(project.cards[wildcards.model]))


def text_encoder_code(wildcards):
    return code("embed_text.py", cards.loader_module(project.cards[wildcards.model]))


def weights(wildcards):
    """The weights files of a model; nothing for controls and random networks."""
    return [f"{cards.WEIGHTS}/{wildcards.model}/{file}" for file in cards.weights_files(project.cards[wildcards.model])]


def weights_location(wildcards):
    """Where the encoder finds them: a resource as an image root is, since moving them changes no result."""
    return cards.weights_location(wildcards.model, project.cards[wildcards.model]) or ""


def weights_source(wildcards):
    """Where one of a model's weights files comes from."""
    return cards.weights_files(project.cards[wildcards.model])[wildcards.file]


# --- files that belong together ---


def shard_embeddings(wildcards):
    """The embedding files of a dataset's shards, once the shards are known."""
    shards = Path(checkpoints.shards.get(dataset=wildcards.dataset).output[0])
    digests = sorted(path.stem for path in shards.glob("*.tsv"))
    return [f"results/embeddings/{wildcards.model}/{wildcards.dataset}/{digest}.h5" for digest in digests]


def split_list(experiment, split):
    """The image list of a split of an experiment, once it is known."""
    folder = Path(checkpoints.pool.get(experiment=experiment).output.splits)
    return str(next(folder.glob(f"{split}.*.tsv")))


def split_images(wildcards):
    return split_list(wildcards.experiment, wildcards.split)


def index_images(wildcards):
    return split_list(wildcards.experiment, experiment_setting("index_split")(wildcards))


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
    checkpoints.shards.get(dataset=dataset)
    return f"results/embeddings/{model}/{dataset}.h5"


def member_embeddings(wildcards):
    """The embeddings of a dataset by the members of a fusion."""
    return [embedding_file(member, wildcards.dataset) for member in project.meanings[wildcards.model]["of"]]


def experiment_embeddings(wildcards):
    return [embedding_file(wildcards.model, each) for each in experiment_setting("datasets")(wildcards)]


def neighbor_tables(wildcards):
    splits = experiment_setting("query_splits")(wildcards)
    return [f"results/experiments/{wildcards.experiment}/{wildcards.model}/knn/{split}.parquet" for split in splits]


def of_all_models(pattern):
    """A file of each model of an experiment, in the order of `models:`."""
    return lambda wildcards: [
        pattern.format(model=model, **dict(wildcards.items())) for model in experiment_setting("models")(wildcards)
    ]


def searched_models(wildcards):
    """The models of an experiment whose neighbors come from a search of their own embeddings."""
    return project.searched_models(wildcards.experiment)


def searched_model_names(wildcards):
    """Slug -> name of those models."""
    return {model: project.cards[model]["name"] for model in searched_models(wildcards)}


def of_searched_models(pattern):
    """A file of each such model and query split, models first."""
    return lambda wildcards: [
        pattern.format(experiment=wildcards.experiment, model=model, split=split)
        for model in searched_models(wildcards)
        for split in project.experiments[wildcards.experiment]["query_splits"]
    ]


def text_model_names(wildcards):
    """Slug -> name of an experiment's models with a text tower."""
    return {model: project.cards[model]["name"] for model in project.text_models(wildcards.experiment)}


def models_without_text(wildcards):
    """Names of an experiment's other models."""
    asked = project.text_models(wildcards.experiment)
    return [project.cards[each]["name"] for each in experiment_setting("models")(wildcards) if each not in asked]


def of_text_models(pattern):
    """A file of each model with a text tower."""
    return lambda wildcards: list(
        dict.fromkeys(
            pattern.format(experiment=wildcards.experiment, model=each)
            for each in project.text_models(wildcards.experiment)
        )
    )


def dataset_embeddings(wildcards):
    """A dataset's embeddings by every model that embeds it."""
    return [embedding_file(model, wildcards.dataset) for model in project.models_of_dataset(wildcards.dataset)]


def all_embeddings(wildcards):
    return [embedding_file(model, dataset) for model, dataset in project.embedded]
