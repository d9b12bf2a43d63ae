"""The configuration as the workflow uses it: checked against its schema and against itself,
defaults filled in.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from radcbir import analyses
from radcbir.cards import model_card
from radcbir.core import layout, package_data
from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.core.privacy import check_own_secret
from radcbir.core.schema import validate
from radcbir.datasets.providers import provider_files
from radcbir.images.address import split_address
from radcbir.project.checks import (
    check_intensity,
    check_known,
    check_shares,
    paper_test_split,
    slug_of,
    suggested,
    validation_split,
    with_defaults,
)
from radcbir.retrieval.index_settings import check_index_settings

OVERRIDES = ("precision", "runtime")
"""Keys of the configuration that take the place of the same keys in model cards."""

ALL = "*"
"""Stands for all models that such a key does not name."""

WITHOUT_RESULTS = ("device", "offline", "query", "app")
"""Keys of the configuration that change no result, and so are no part of the run's provenance."""

CONFIG_SCHEMA = package_data.schema("config")


def config_schema() -> dict:
    """The JSON schema of the configuration, with what the library's registries add to it."""
    schema = json.loads(CONFIG_SCHEMA.read_text(encoding="utf-8"))
    schema["$defs"]["analyses"]["items"] = {"enum": list(analyses.optional())}
    return schema


class Project:
    """A checked configuration: datasets, models and experiments by name.

    ``config`` is the parsed YAML, ``card_folders`` the folders that may hold ``<slug>.yaml`` (the
    first that has it wins). Raises :class:`InputError`: one sentence that names the wrong key and
    what to do.
    """

    def __init__(
        self, config: Mapping, card_folders: Sequence[str | Path], where: str = "the configuration"
    ):
        config = overrides_in_full(query_in_full(config))
        schema = config_schema()
        validate(config, schema, where)
        self.settings = with_defaults(config, schema)
        self.settings.setdefault("analyses", list(analyses.optional()))
        self.card_folders = [Path(folder) for folder in card_folders]
        self.datasets: dict[str, dict] = self.settings["datasets"]
        self.models: list[str] = self.settings["models"]
        self.experiments: dict[str, dict] = self.settings["experiments"]
        self.archived = self._archived_files(where)
        self.provider_files: dict[str, dict[str, str]] = {}
        """Of each dataset with `prepare:`, the files that it is prepared from."""
        for name, dataset in self.datasets.items():
            if "prepare" in dataset:
                options = schema["$defs"][f"prepare-{dataset['prepare']['from']}"]
                dataset["prepare"] = with_defaults(dataset["prepare"], options)
                dataset["csv"] = self.prepared_csv.format(dataset=name)
                key = f"{where}: `datasets: {name}: prepare:`"
                check_shares(dataset["prepare"].get("shares", {"": 1}), key)
                self.provider_files[name] = provider_files(dataset["prepare"], key)
            elif (
                str(Path(dataset["csv"])) not in self.archived
                and not Path(dataset["csv"]).is_file()
            ):
                raise InputError(
                    f"{where}: the CSV {dataset['csv']} of `datasets: {name}` does not exist "
                    "(looked for from "
                    f"{Path.cwd()}): correct `csv:`"
                )
            check_intensity(dataset["intensity"], f"{where}: `datasets: {name}: intensity:")
        self._pseudonymise(where)
        for name, experiment in self.experiments.items():
            key = f"{where}: `experiments: {name}:"
            check_known(experiment["datasets"], self.datasets, f"{key} datasets`", "`datasets`")
            check_known(
                experiment.setdefault("models", self.models),
                self.models,
                f"{key} models`",
                "`models`",
            )
            listed = self.settings["analyses"]
            check_known(
                experiment.setdefault("analyses", listed), listed, f"{key} analyses`", "`analyses`"
            )
            check_index_settings(experiment["index"], f"{key} index`")
            if experiment["index_split"] in experiment["query_splits"]:
                raise InputError(
                    f"{key} query_splits` holds the index split '{experiment['index_split']}', "
                    "where every image would "
                    "find itself: query from another split"
                )
            experiment["val_split"] = validation_split(experiment, f"{key} val_split`")
            experiment["paper_mode"]["test_split"] = paper_test_split(
                experiment, f"{key} paper_mode: test_split`"
            )
        self.prompts_file = self._prompts_file(where)
        self.cards = {
            model: model_card.load_card(self._card_path(model, where)) for model in self.models
        }
        self._override_cards(where)
        for model in self.fusions:
            self.cards[model] = self._fused_card(model, where)
        self._refuse_what_needs_images(where)
        self.query: dict | None = self._query(where) if "query" in self.settings else None
        """What the target `query` asks, defaults filled in: name, images, experiment, models, k,
        intensity."""
        if self.key_file and self.precomputed:
            raise InputError(
                f"{where}: the embeddings of the model '{self.precomputed[0]}' go by the names of "
                "images, which "
                "`pseudonymise:` takes away: drop one of them"
            )

    def _archived_files(self, where: str) -> dict[str, tuple[str, str]]:
        """The files that are unpacked from published archives -> the resource and the archive that
        each comes from.
        """
        found: dict[str, tuple[str, str]] = {}
        for resource, settings in self.settings["resources"].items():
            for archive, wanted in settings["archives"].items():
                for file in wanted["files"]:
                    path = str(Path("resources", resource, file))
                    if path in found:
                        raise InputError(
                            f"{where}: `resources: {resource}` takes {file} out of "
                            f"{found[path][1]} and of {archive}: keep one"
                        )
                    found[path] = (resource, archive)
        return found

    def _refuse_what_needs_images(self, where: str) -> None:
        """Refuse a dataset without images where a model encodes, and an analysis of vectors where a
        model has none.
        """
        for name, dataset in self.datasets.items():
            encoding = [each for each in self.models_of_dataset(name) if each in self.encoded]
            if "images" not in dataset and encoding:
                raise InputError(
                    f"{where}: `datasets: {name}` has no `images:`, which the model "
                    f"'{encoding[0]}' needs: add the image "
                    "root, or keep to models whose loader is `precomputed`"
                )
        for name, experiment in self.experiments.items():
            lists = [
                each
                for each in experiment["models"]
                if not model_card.has_vectors(self.cards[each])
            ]
            enough = [name for name, each in analyses.optional().items() if not each.needs_vectors]
            wanting = [each for each in experiment["analyses"] if each not in enough]
            if lists and wanting:
                raise InputError(
                    f"{where}: `experiments: {name}: analyses` asks for {wanting[0]}, which needs "
                    "embeddings, but the model "
                    f"'{lists[0]}' has neighbor lists alone: give this experiment an `analyses:` "
                    "of its own, of "
                    f"{', '.join(enough)}"
                )

    @property
    def key_file(self) -> str:
        """The file with the key of pseudonyms; empty where names stay as they are."""
        return self.settings.get("pseudonymise", {}).get("key_file", "")

    @property
    def prepared_csv(self) -> str:
        """Where `prepare:` writes the CSV of a dataset: apart from the results if it holds names
        that these may not.
        """
        return layout.PRIVATE_DATASET_CSV if self.key_file else layout.DATASET_CSV

    def _pseudonymise(self, where: str) -> None:
        """Turn every dataset to its pseudonymised CSV and links, if a key is given; keep the
        originals aside.
        """
        wanted = ("csv", "images")
        self.originals = {
            name: {key: each[key] for key in wanted if key in each}
            for name, each in self.datasets.items()
        }
        """Of each dataset, the CSV and the image root with the names as they are."""
        if not self.key_file:
            return
        key = f"{where}: `pseudonymise: key_file:`"
        if not Path(self.key_file).is_file():
            raise InputError(
                f"{key} names {self.key_file}, which does not exist (looked for from "
                f"{Path.cwd()}): make a key, for instance "
                "with `openssl rand -hex 32`"
            )
        if Path(self.key_file).resolve().is_relative_to(Path("results").resolve()):
            raise InputError(
                f"{key} names {self.key_file}, among the results, which are there to be shared: "
                "move it"
            )
        check_own_secret(self.key_file, key)
        for name, dataset in self.datasets.items():
            if "images" not in dataset:
                raise InputError(
                    f"{where}: `pseudonymise:` needs images, and `datasets: {name}` has none: drop "
                    "one of them"
                )
            dataset |= {
                "csv": layout.PSEUDONYMOUS_CSV.format(dataset=name),
                "images": layout.LINKED_IMAGES.format(dataset=name),
            }

    def _card_path(self, model: str, where: str) -> Path:
        for folder in self.card_folders:
            if (folder / f"{model}.yaml").is_file():
                return folder / f"{model}.yaml"
        known = sorted(
            {path.stem for folder in self.card_folders for path in folder.glob("*.yaml")}
        )
        raise InputError(
            f"{where}: the model '{model}' has no card {self.card_folders[0] / f'{model}.yaml'}: "
            "write one, or name one "
            f"of those there: {suggested(model, known)}"
        )

    def available_cards(self) -> dict[str, dict]:
        """Every card of the card folders by its slug, used by the configuration or not."""
        paths = {
            path.stem: path
            for folder in reversed(self.card_folders)
            for path in folder.glob("*.yaml")
        }
        found = {slug: model_card.load_card(path) for slug, path in sorted(paths.items())}
        for slug, card in found.items():
            if card["loader"] == "fusion" and all(
                member in found for member in card["fusion"]["of"]
            ):
                found[slug] = model_card.fused_card(
                    card, {member: found[member] for member in card["fusion"]["of"]}
                )
        return found

    def _override_cards(self, where: str) -> None:
        """Put what `precision:` and `runtime:` say into the cards: of all models with a network, or
        of those named.
        """
        for key in OVERRIDES:
            values = dict(self.settings[key])
            for_all = values.pop(ALL, None)
            check_known(values, self.models, f"{where}: `{key}`", "`models`")
            for model, value in values.items():
                if not model_card.has_network(self.cards[model]):
                    raise InputError(
                        f"{where}: `{key}` names '{model}', which has no network of its own "
                        "(`loader: "
                        f"{self.cards[model]['loader']}`): take it out"
                    )
                self.cards[model][key] = value
            for model, card in self.cards.items():
                if for_all and model not in values and model_card.has_network(card):
                    card[key] = for_all

    def _prompts_file(self, where: str) -> Path | None:
        """The file of prompt templates: the one that `prompts:` names, else the one beside the
        folders of cards.
        """
        if "prompts" in self.settings:
            if not Path(self.settings["prompts"]).is_file():
                raise InputError(
                    f"{where}: the file {self.settings['prompts']} of `prompts:` does not exist "
                    "(looked for from "
                    f"{Path.cwd()}): correct it, or copy config/prompts.yaml there"
                )
            return Path(self.settings["prompts"])
        beside = [folder.parent / "prompts.yaml" for folder in self.card_folders]
        return next((Path(os.path.relpath(path)) for path in beside if path.is_file()), None)

    def _fused_card(self, model: str, where: str) -> dict:
        """A fusion's card with what follows from its members."""
        members = self.cards[model]["fusion"]["of"]
        for member in members:
            if member not in self.cards:
                raise InputError(
                    f"{where}: the model '{model}' is a fusion of '{member}', which `models` does "
                    "not list: add it there, "
                    "or correct `fusion: of` (listed: "
                    f"{', '.join(each for each in self.models if each not in self.fusions)})"
                )
            if not model_card.has_vectors(self.cards[member]):
                raise InputError(
                    f"{where}: the model '{model}' is a fusion of '{member}', which has neighbor "
                    "lists and no embeddings: "
                    "take it out of `fusion: of`"
                )
            if self.cards[member]["loader"] == "fusion":
                raise InputError(
                    f"{where}: the model '{model}' is a fusion of '{member}', which is a fusion "
                    "itself: name the members "
                    f"of '{member}' instead"
                )
        return model_card.fused_card(
            self.cards[model], {member: self.cards[member] for member in members}
        )

    def _query(self, where: str) -> dict:
        """`query:` with what follows from the rest of the configuration."""
        query, key = dict(self.settings["query"]), f"{where}: `query:"
        if "experiment" not in query and len(self.experiments) > 1:
            raise InputError(
                f"{key} experiment` is missing: name one of {', '.join(self.experiments)}"
            )
        name = query.setdefault("experiment", next(iter(self.experiments)))
        check_known([name], self.experiments, f"{key} experiment`", "`experiments`")
        experiment = self.experiments[name]
        encoded = set(self.encoded)
        able = [
            each
            for each in experiment["models"]
            if set(self.meanings[each].get("of", [each])) <= encoded
        ]
        for model in query.setdefault("models", able):
            check_known([model], experiment["models"], f"{key} models`", f"the experiment '{name}'")
            if model not in able:
                others = f" ({', '.join(able)})" if able else ", with an encoder, in `models:`"
                raise InputError(
                    f"{key} models` names '{model}', whose embeddings are precomputed, so that "
                    "nothing here can embed a new "
                    f"image with it: name others{others}"
                )
        if not query["models"]:
            raise InputError(
                f"{key} experiment` names '{name}', whose models are all precomputed, so that "
                "nothing here can embed a new "
                "image with them: add a model with an encoder to `models:`"
            )
        policies = {each: self.datasets[each]["intensity"] for each in experiment["datasets"]}
        like = query.pop("intensity_of", None)
        if like is None and len({digest_of(each) for each in policies.values()}) > 1:
            raise InputError(
                f"{key} intensity_of` is missing: the datasets of the experiment '{name}' have "
                "several `intensity:` policies, "
                f"so name the one whose policy the query images get: {', '.join(policies)}"
            )
        like = like or next(iter(policies))
        check_known([like], policies, f"{key} intensity_of`", f"the experiment '{name}'")
        query["intensity"] = policies[like]
        query.setdefault("name", slug_of(Path(split_address(query["images"][0])[0]).name))
        return query

    @property
    def fusions(self) -> list[str]:
        """The models that put others together: rule `fuse` makes their embeddings."""
        return [model for model, card in self.cards.items() if card["loader"] == "fusion"]

    @cached_property
    def meanings(self) -> dict[str, dict]:
        """Per model, the part of its card that changes its embeddings; of a fusion, with that of
        its members.
        """
        found = {model: model_card.card_meaning(card) for model, card in self.cards.items()}
        for model in self.fusions:
            found[model]["members"] = [found[member] for member in found[model]["of"]]
        return found

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
        """The models that embed a dataset: those of the experiments that pool it, in the order of
        ``models``.
        """
        used = {
            model
            for each in self.experiments.values()
            if dataset in each["datasets"]
            for model in each["models"]
        }
        return [model for model in self.models if model in used]

    def experiments_of(self, dataset: str) -> list[str]:
        """The experiments that pool a dataset."""
        return [name for name, each in self.experiments.items() if dataset in each["datasets"]]

    def known_as(self, dataset: str) -> list[str]:
        """The names that others know a dataset by: those under `known_as`, and that of the provider
        it is prepared from.

        A folder of one's own is no provider: nobody knows its images by that name.
        """
        settings = self.datasets[dataset]
        provider = settings.get("prepare", {"from": "folder"})["from"]
        return [*settings["known_as"], *([provider] if provider != "folder" else [])]

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
        others = {*self.precomputed, *self.fusions}
        return [model for model in self.cards if model not in others]

    @property
    def precomputed(self) -> list[str]:
        """The models whose embeddings or neighbor lists exist already."""
        return [model for model, card in self.cards.items() if model_card.is_precomputed(card)]

    @property
    def searched(self) -> list[str]:
        """The models that have embeddings, so that their neighbors are searched here."""
        return [model for model, card in self.cards.items() if model_card.has_vectors(card)]

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


def query_in_full(config: Mapping) -> Mapping:
    """The configuration with `query:` as a mapping, whatever short form it has: an image alone, or
    several.

    On the command line (`--config query='{images: a.png, k: 5}'`) Snakemake reads numbers as text:
    they become numbers.
    """
    query = config.get("query") if isinstance(config, Mapping) else None
    if query is None:
        return config
    query = dict(query) if isinstance(query, Mapping) else {"images": query}
    for name in ("images", "models"):
        if isinstance(query.get(name), str):
            query[name] = [query[name]]
    if str(query.get("k", "")).isdecimal():
        query["k"] = int(query["k"])
    return {**config, "query": query}


def overrides_in_full(config: Mapping) -> Mapping:
    """The configuration with `precision:` and `runtime:` as mappings from models: a value alone is
    that of all.
    """
    if not isinstance(config, Mapping):
        return config
    return {
        **config,
        **{key: {ALL: config[key]} for key in OVERRIDES if isinstance(config.get(key), str)},
    }
