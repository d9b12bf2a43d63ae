"""What the page offers: experiments, models, filters and samples, and for what is not there yet the
command that makes it.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.analyses.order import of_figure
from radcbir.app.archive.where import archives
from radcbir.app.collection import FACETS, Collection
from radcbir.app.stored import Stored
from radcbir.cards import model_card
from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.embedding.store import read_attributes
from radcbir.retrieval.index_settings import approximate_note

SAMPLES = 12
"""Images of the query splits that a query can start from."""


def experiments(stored: Stored) -> list[dict]:
    """The experiments with their models, filters and sample queries; what is not there says what to
    run.
    """
    return [_experiment(stored, name) for name in stored.project.experiments]


def _experiment(stored: Stored, name: str) -> dict:
    project, experiment = stored.project, stored.project.experiments[name]
    unit = stored.unit(name)
    described = {
        "name": name,
        "unit": unit,
        "datasets": list(experiment["datasets"]),
        "missing": "",
        "models": [],
    }
    path = stored.catalog_file(name)
    if not path.is_file():
        return described | {
            "missing": f"this experiment has not run: run `snakemake --cores all {path}`"
        }
    collection = stored.collection(name)
    models = [_model(stored, name, model) for model in experiment["models"]]
    benchmark = _benchmark(name, experiment["paper_mode"]["test_split"])
    for each in models:
        each["p_at_1"] = benchmark["p_at_1"].get(each["slug"])
    policies = {digest_of(project.datasets[each]["intensity"]) for each in experiment["datasets"]}
    return described | {
        "images": int(collection.in_index.sum()),
        "note": approximate_note(experiment["index"])
        and f"Here every {unit} is compared; the experiment's own index is approximate.",
        "several_intensities": len(policies) > 1,
        "originals": not project.key_file,
        "archive": bool(archives(project, name)),
        "viewer": project.settings["app"].get("viewer", ""),
        "facets": {facet: collection.facets[facet].counts(collection.in_index) for facet in FACETS},
        "samples": _samples(collection),
        "models": models,
        "default": default_model(models),
        "benchmark": {key: benchmark[key] for key in ("split", "queries")},
        "patients": unit != "patient" and bool((collection.patients >= 0).any()),
    }


def first_choice(described: list[dict]) -> tuple[str, str] | None:
    """The experiment and the model that the page shows first; None where nothing can be asked."""
    return next(
        ((each["name"], each["default"]) for each in described if each.get("default")), None
    )


def default_model(models: list[dict]) -> str:
    """The encoder with the highest P@1 of those that can embed an upload, else of those that can be
    asked; empty where there is none. A control is the last choice.
    """
    usable = [each for each in models if not each["missing"]]
    if not usable:
        return ""
    best = max(
        usable,
        key=lambda each: (not each["control"], not each["no_encoder"], each["p_at_1"] or 0),
    )
    return best["slug"]


def _benchmark(experiment: str, split: str) -> dict:
    """P@1 by model on the queries of a split that all models answered, and how many these are;
    nothing where the comparison has not been made.
    """
    found: dict = {"split": split, "queries": 0, "p_at_1": {}}
    path = Path(layout.comparison("summary.csv").format(experiment=experiment))
    if not path.is_file():
        return found
    summary = of_figure(pd.read_csv(path), split).dropna(subset="common_value")
    if len(summary):
        found["queries"] = int(summary["common_queries"].max())
        shares = summary["common_value"].items()
        found["p_at_1"] = {str(model): round(float(share), 4) for model, share in shares}
    return found


def _model(stored: Stored, experiment: str, model: str) -> dict:
    card = stored.project.cards[model]
    missing = why_missing(stored, experiment, model)
    no_encoder = "" if missing else why_no_encoder(stored, model)
    fused = card["loader"] == "fusion" and card["fusion"]["by"] != "concatenation"
    return {
        "slug": model,
        "name": card["name"],
        "control": model_card.is_control(card),
        "missing": missing,
        "no_encoder": no_encoder,
        "patches": stored.unit(experiment) == "image"
        and not (missing or no_encoder or model_card.is_control(card))
        and not is_composed(stored, model)
        and card["loader"] != model_card.PRECOMPUTED,
        "text": stored.unit(experiment) == "image" and not no_encoder and model_card.has_text(card),
        "note": "Fused vectors: the score is the mean of the members' similarities."
        if fused
        else "",
    }


def why_missing(stored: Stored, experiment: str, model: str) -> str:
    """Why a model's index cannot be searched, and what to run; empty where it can."""
    project, card = stored.project, stored.project.cards[model]
    base = project.base(model)
    if base is not None and model in project.reranked:
        return (
            "it orders the neighbors of the benchmark anew, which this page does not do: ask "
            f"{project.cards[base]['name']}, which it is made from"
        )
    if not model_card.has_vectors(card):
        return "it has neighbor lists and no embeddings, so that nothing can be searched"
    if card.takes_volumes:
        return "it takes whole volumes, which this page does not embed: see the gallery"
    path = stored.index_file(experiment, model)
    again = f"run `snakemake --cores all {path}`"
    if not path.is_file():
        return f"no index yet: {again}"
    for dataset in project.experiments[experiment]["datasets"]:
        file = stored.embeddings_file(experiment, model, dataset)
        if not file.is_file():
            return f"{file} is missing: {again}"
        images = stored.image_embeddings_file(model, dataset)
        of_units = stored.unit(experiment) != "image" and base is None
        if of_units and not images.is_file():
            return f"{images} is missing, the vectors of the slices: {again}"
        try:
            found = read_attributes(file)
            of_images = read_attributes(images) if of_units else found
        except InputError as error:
            return str(error)
        if found.get("card_digest", "") != project.card_digest(model):
            return f"its model card has changed since its index was made: {again}"
        if of_units and found.get("pooling") != project.experiments[experiment]["pooling"]:
            return f"`pooling:` of the experiment has changed since its index was made: {again}"
        intensity = json.dumps(project.datasets[dataset]["intensity"], sort_keys=True)
        if model in project.encoded and of_images.get("intensity") != intensity:
            return (
                f"`intensity:` of the dataset {dataset} has changed since its index was made: "
                f"{again}"
            )
    if base is not None:
        if not stored.adaptation_file(experiment, model).is_file():
            return f"its map is missing: {again}"
        return why_missing(stored, experiment, base)
    return ""


def why_no_encoder(stored: Stored, model: str) -> str:
    """Why a model cannot embed what is uploaded; empty where it can."""
    for member in members(stored, model):
        card = stored.project.cards[member]
        if model_card.is_precomputed(card):
            return (
                "its embeddings were made elsewhere: start from an image of the catalog (more like "
                "this)"
            )
        files = [
            layout.WEIGHTS.format(model=member, file=each)
            for each in model_card.weights_files(card)
        ]
        if not all(Path(each).is_file() for each in files):
            return f"the weights of {card['name']} are not here: run `snakemake --cores 1 weights`"
    return ""


def members(stored: Stored, model: str) -> list[str]:
    """The models whose vectors make up those of a model: itself, but for a fusion, and for what is
    made from another model.
    """
    return stored.project.sources(model)


def is_composed(stored: Stored, model: str) -> bool:
    """Whether a model has no network of its own."""
    return members(stored, model) != [model]


def _samples(collection: Collection) -> list[str]:
    """A few images of the query splits, spread over the labels."""
    rows = np.flatnonzero(~collection.in_index)
    labels = collection.facets["label"]
    code = np.zeros(len(collection.ids), dtype=np.int64)
    code[labels.rows] = labels.codes
    rows = rows[np.lexsort((collection.ids[rows], code[rows]))]
    places = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).round().astype(int))
    return [str(each) for each in collection.ids[rows[places]]] if len(rows) else []
