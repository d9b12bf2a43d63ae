"""The configuration as the workflow uses it: checked against its schema and against itself,
defaults filled in.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from radcbir import analyses
from radcbir.cards import derived, model_card
from radcbir.core import layout, package_data
from radcbir.core.errors import Mistakes
from radcbir.core.files import digest_of
from radcbir.core.schema import validate
from radcbir.datasets import providers
from radcbir.pixels.geometry import geometry
from radcbir.project import models
from radcbir.project.checks import mistakes_of_page, with_defaults
from radcbir.project.datasets import archived_files, complete_dataset, pseudonymous, shown
from radcbir.project.experiments import complete_experiment
from radcbir.project.query import complete_query, query_in_full

WITHOUT_RESULTS = ("device", "search", "offline", "pixels", "pixels_gb", "query", "app", "export")
"""Keys of the configuration that change no result, and so are no part of the run's provenance."""

CONFIG_SCHEMA = package_data.schema("config")


def config_schema() -> dict:
    """The JSON schema of the configuration, with what the library's registries add to it."""
    schema = json.loads(CONFIG_SCHEMA.read_text(encoding="utf-8"))
    schema["$defs"] |= providers.definitions()
    schema["$defs"]["analyses"]["items"] = {"enum": list(analyses.optional())}
    return schema


class Project:
    """A checked configuration: datasets, models and experiments by name.

    ``config`` is the parsed YAML, ``card_folders`` the folders that may hold ``<slug>.yaml`` (the
    first that has it wins). Raises :class:`InputError` with all mistakes that can be seen at once:
    for each a sentence that names the wrong key and what to do.
    """

    def __init__(
        self, config: Mapping, card_folders: Sequence[str | Path], where: str = "the configuration"
    ):
        config = models.overrides_in_full(query_in_full(config))
        schema = config_schema()
        validate(config, schema, where)
        self.settings = with_defaults(config, schema)
        self.settings.setdefault("analyses", analyses.by_default())
        self.card_folders = [Path(folder) for folder in card_folders]
        self.datasets: dict[str, dict] = self.settings["datasets"]
        self.models: list[str] = self.settings["models"]
        self.experiments: dict[str, dict] = self.settings["experiments"]
        self._complete_parts(schema, where)
        self._complete_models(where)
        self._complete_uses(where)

    def _complete_parts(self, schema: Mapping, where: str) -> None:
        """Check datasets, experiments and cards, each on its own, and fill in what they leave
        out.
        """
        mistakes = Mistakes()
        self.archived: dict[str, tuple[str, str]] = {}
        """The files that are unpacked from published archives -> resource and archive."""
        with mistakes.noted():
            self.archived = archived_files(self.settings["resources"], where)
        self.provider_files: dict[str, dict[str, str]] = {}
        """Of each dataset with `prepare:`, the files that it is prepared from."""
        for name, dataset in self.datasets.items():
            csv = self.prepared_csv.format(dataset=name)
            with mistakes.noted():
                files = complete_dataset(name, dataset, schema, self.archived, csv, where)
                if files is not None:
                    self.provider_files[name] = files
        for name, experiment in self.experiments.items():
            key, listed = f"{where}: `experiments: {name}:", self.settings["analyses"]
            with mistakes.noted():
                complete_experiment(experiment, self.datasets, self.models, listed, key)
        with mistakes.noted():
            self.prompts_file = models.prompts_file(self.settings, self.card_folders, where)
        with mistakes.noted():
            self.cards = models.load_cards(self.models, self.card_folders, where)
        mistakes.refuse()

    def _complete_models(self, where: str) -> None:
        """Change the cards as the configuration says, and complete those that are made from others."""
        mistakes = Mistakes()
        with mistakes.noted():
            models.override(self.cards, self.settings, where)
        with mistakes.noted():
            models.fuse(self.cards, where)
        mistakes.refuse()
        models.derive(self.cards, where)

    def _complete_uses(self, where: str) -> None:
        """Check what is to be done with the datasets and models, and complete it."""
        mistakes = Mistakes()
        self.originals = {
            name: {key: each[key] for key in ("csv", "images") if key in each}
            for name, each in self.datasets.items()
        }
        """Of each dataset, the CSV and the image root with the names as they are."""
        if self.key_file:
            with mistakes.noted():
                pseudonymous(self.datasets, self.key_file, where)
            if self.precomputed:
                mistakes.add(
                    f"{where}: the embeddings of the model '{self.precomputed[0]}' refer to images "
                    "by their names, which `pseudonymise:` takes away: drop one of them"
                )
        for each in (
            *mistakes_of_page(self.settings, self.experiments, self.datasets, where),
            *self._without_what_they_need(where),
            *self._without_their_base(where),
        ):
            mistakes.add(each)
        self.query: dict | None = None
        """What the target `query` asks, defaults filled in: name, images, experiment, models, k,
        intensity."""
        if "query" in self.settings:
            encoded = {*self.encoded, *self.volumetric}
            able = {
                model
                for model in self.cards
                if set(self.sources(model)) <= encoded and model not in self.reranked
            }
            with mistakes.noted():
                self.query = complete_query(
                    self.settings["query"], self.experiments, self.datasets, able, where
                )
        mistakes.refuse()

    def _without_what_they_need(self, where: str) -> list[str]:
        """Datasets without images where a model encodes, and analyses of vectors where a model has
        none, as sentences.
        """
        found = []
        for name, dataset in self.datasets.items():
            elsewhere = {*self.precomputed, *self.fusions}
            encoding = [each for each in self.models_of_dataset(name) if each not in elsewhere]
            if "images" not in dataset and encoding:
                found.append(
                    f"{where}: `datasets: {name}` has no `images:`, which the model "
                    f"'{encoding[0]}' needs: add the image root, or keep to models whose loader is "
                    "`precomputed`"
                )
        enough = [name for name, each in analyses.optional().items() if not each.needs_vectors]
        for name, experiment in self.experiments.items():
            named = experiment["models"]
            lists = [each for each in named if not model_card.has_vectors(self.cards[each])]
            wanting = [each for each in experiment["analyses"] if each not in enough]
            if lists and wanting:
                found.append(
                    f"{where}: `experiments: {name}: analyses` names {wanting[0]}, which needs "
                    f"embeddings, but the model '{lists[0]}' has neighbor lists alone: give this "
                    f"experiment an `analyses:` of its own, of {', '.join(enough)}"
                )
            volumetric = [each for each in named if each in self.volumetric]
            if volumetric and experiment["unit"] != "series":
                found.append(
                    f"{where}: `experiments: {name}: models` names '{volumetric[0]}', which takes "
                    f"whole volumes, but `unit` is '{experiment['unit']}': set `unit: series`, or "
                    "give this experiment a `models:` without it"
                )
            if lists and name in self.of_units:
                found.append(
                    f"{where}: `experiments: {name}: unit` is '{experiment['unit']}', whose vectors "
                    f"are made from those of images, but the model '{lists[0]}' has neighbor lists "
                    "alone: give this experiment a `models:` without it"
                )
        return found

    def _without_their_base(self, where: str) -> list[str]:
        """Experiments with a model but not the one that it is made from, as sentences."""
        return [
            f"{where}: `experiments: {name}: models` names '{model}', which is made from "
            f"'{self.base(model)}' and compared with it: add that one"
            for name, experiment in self.experiments.items()
            for model in experiment["models"]
            if self.base(model) not in (None, *experiment["models"])
        ]

    @property
    def shown_settings(self) -> dict:
        """The settings that results depend on, as a page may show them."""
        found = {key: each for key, each in self.settings.items() if key not in WITHOUT_RESULTS}
        return found | {"datasets": {name: shown(each) for name, each in self.datasets.items()}}

    @property
    def fetched_lists(self) -> list[str]:
        """The lists of the images that are fetched, of the datasets whose images are."""
        files = (self.provider_files.get(each, {}) for each in self.datasets)
        return [each["instances"] for each in files if "instances" in each]

    @property
    def key_file(self) -> str:
        """The file with the key of pseudonyms; empty where names stay as they are."""
        return self.settings.get("pseudonymise", {}).get("key_file", "")

    @property
    def prepared_csv(self) -> str:
        """Where `prepare:` writes the CSV of a dataset: apart from the results if it contains names
        that these may not.
        """
        return layout.PRIVATE_DATASET_CSV if self.key_file else layout.DATASET_CSV

    def available_cards(self) -> dict[str, model_card.ModelCard]:
        """Every card of the card folders by its slug, used by the configuration or not."""
        return models.available_cards(self.card_folders)

    def card_file(self, model: str) -> Path:
        """The file of a model's card."""
        return models.card_path(model, self.card_folders, "the configuration")

    @property
    def fusions(self) -> list[str]:
        """The models that put others together: rule `fuse` makes their embeddings."""
        return [model for model, card in self.cards.items() if card["loader"] == "fusion"]

    @property
    def adapted(self) -> list[str]:
        """The models whose vectors are another model's after a map that rule `adapt` fits."""
        return [model for model, card in self.cards.items() if model_card.is_adapted(card)]

    @property
    def reranked(self) -> list[str]:
        """The models whose neighbors are another model's in another order: rule `rerank`."""
        return [model for model, card in self.cards.items() if model_card.is_reranked(card)]

    def base(self, model: str) -> str | None:
        """The model that an adapted or reranked one is made from; None for all others."""
        return derived.base_of(self.cards[model])

    def sources(self, model: str) -> list[str]:
        """The models with encoders, or precomputed ones, that a model's vectors go back to."""
        members = self.cards[model]["fusion"]["of"] if model in self.fusions else None
        base = self.base(model)
        return members or (self.sources(base) if base is not None else [model])

    @cached_property
    def meanings(self) -> dict[str, dict]:
        """Per model, the part of its card that changes its embeddings; of a fusion, with that of
        its members, and of a model that is made from another one, with that of it.
        """
        found = {model: model_card.card_meaning(card) for model, card in self.cards.items()}
        for model in (*self.fusions, *self.adapted, *self.reranked):
            found[model]["members"] = [found[member] for member in found[model]["of"]]
        return found

    @property
    def of_units(self) -> list[str]:
        """The experiments in which series, studies or patients are retrieved, not images."""
        return [name for name, each in self.experiments.items() if each["unit"] != "image"]

    @property
    def splits(self) -> list[str]:
        """The splits of all experiments."""
        found = [
            split
            for each in self.experiments.values()
            for split in (each["index_split"], *each["query_splits"])
        ]
        return list(dict.fromkeys(found))

    def models_of_dataset(self, dataset: str) -> list[str]:
        """The models that have embeddings of a dataset: those of the experiments that pool it, in
        the order of ``models``. What is made from one of them belongs to an experiment.
        """
        used = {
            model
            for each in self.experiments.values()
            if dataset in each["datasets"]
            for model in each["models"]
        }
        made = {*self.adapted, *self.reranked}
        return [model for model in self.models if model in used and model not in made]

    def experiments_of(self, dataset: str) -> list[str]:
        """The experiments that pool a dataset."""
        return [name for name, each in self.experiments.items() if dataset in each["datasets"]]

    def known_as(self, dataset: str) -> list[str]:
        """The names that others know a dataset by: those under `known_as`, and that of the provider
        it is prepared from.

        A folder of one's own is no provider: nobody knows its images by that name.
        """
        settings = self.datasets[dataset]
        provider = settings.get("prepare", {}).get("from")
        public = provider is not None and providers.registry()[provider].page
        return [*settings["known_as"], *([provider] if public else [])]

    def part_widths(self, model: str) -> list[int]:
        """The dimensions of the members of a fusion by score or by rank; nothing for other models."""
        card = self.cards[model]
        if card["loader"] != "fusion" or card["fusion"]["by"] == "concatenation":
            return []
        return [self.cards[each]["dimension"] for each in card["fusion"]["of"]]

    def searched_models(self, experiment: str) -> list[str]:
        """The models of an experiment whose neighbors come from a search of their own
        embeddings.
        """
        fused = {
            model for model in self.fusions if self.cards[model]["fusion"]["by"] != "concatenation"
        }
        return [
            model
            for model in self.experiments[experiment]["models"]
            if model in self.searched and model not in fused
        ]

    def models_with_vectors(self, experiment: str) -> list[str]:
        """The models of an experiment that are not another one's neighbors in another order."""
        models = self.experiments[experiment]["models"]
        return [model for model in models if model not in self.reranked]

    def text_models(self, experiment: str) -> list[str]:
        """The models of an experiment that have a text tower."""
        return [
            model
            for model in self.experiments[experiment]["models"]
            if model_card.has_text(self.cards[model])
        ]

    @property
    def encoded(self) -> list[str]:
        """The models that embed images here: rules `embed` and `gather` make their embeddings."""
        others = {*self.precomputed, *self.fusions, *self.adapted, *self.reranked, *self.volumetric}
        return [model for model in self.cards if model not in others]

    @property
    def volumetric(self) -> list[str]:
        """The models that embed whole series here: rules `embed_volumes` and `gather`."""
        return [model for model, card in self.cards.items() if card.takes_volumes]

    @property
    def of_volumes(self) -> list[str]:
        """The datasets whose series are embedded as volumes."""
        embedded = {dataset for model, dataset in self.embedded if model in self.volumetric}
        return [each for each in self.datasets if each in embedded]

    @property
    def networks(self) -> list[str]:
        """Those of :attr:`encoded` whose images go through a network: rule `pixels` decodes them."""
        return [model for model in self.encoded if model_card.has_network(self.cards[model])]

    @cached_property
    def geometries(self) -> dict[str, dict[str, dict]]:
        """Dataset -> network that embeds it -> how it takes the images."""
        networks = set(self.networks)
        return {
            dataset: {
                model: geometry(self.cards[model], settings["intensity"])
                for model in self.models_of_dataset(dataset)
                if model in networks
            }
            for dataset, settings in self.datasets.items()
        }

    def of_same_geometry(self, model: str, dataset: str) -> list[str]:
        """The other models of a dataset that take its images with the same pixels."""
        of = self.geometries[dataset]
        return [each for each in of if each != model and of[each] == of[model]]

    @property
    def precomputed(self) -> list[str]:
        """The models whose embeddings or neighbor lists exist already."""
        return [model for model, card in self.cards.items() if model_card.is_precomputed(card)]

    @property
    def searched(self) -> list[str]:
        """The models that have vectors, so that their neighbors are searched here."""
        return [
            model
            for model, card in self.cards.items()
            if model_card.has_vectors(card) and model not in self.reranked
        ]

    @property
    def embedded(self) -> list[tuple[str, str]]:
        """Every pair of model and dataset that is to be embedded."""
        return [
            (model, dataset)
            for dataset in self.datasets
            for model in self.models_of_dataset(dataset)
        ]

    def card_digest(self, model: str) -> str:
        """The digest of a card's meaning."""
        return digest_of(self.meanings[model])
