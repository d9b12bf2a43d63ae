"""The configuration as the workflow uses it: checked against its schema and against itself, defaults filled in.

Imported whenever Snakemake reads the Snakefile, so nothing heavy is imported here.
"""

import copy
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from radcbir import cards
from radcbir.config import validate
from radcbir.errors import InputError
from radcbir.files import digest_of
from radcbir.index_settings import check_index_settings

CONFIG_SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.json"


class Project:
    """A checked configuration: datasets, models and experiments by name.

    ``config`` is the parsed YAML, ``card_folders`` the folders that may hold ``<slug>.yaml`` (the first that has it
    wins). Raises :class:`InputError`: one sentence that names the wrong key and what to do.
    """

    def __init__(self, config: Mapping, card_folders: Sequence[str | Path], where: str = "the configuration"):
        validate(config, CONFIG_SCHEMA, where)
        self.settings = _with_defaults(config, json.loads(CONFIG_SCHEMA.read_text()))
        self.card_folders = [Path(folder) for folder in card_folders]
        self.datasets: dict[str, dict] = self.settings["datasets"]
        self.models: list[str] = self.settings["models"]
        self.experiments: dict[str, dict] = self.settings["experiments"]
        for name, dataset in self.datasets.items():
            if not Path(dataset["csv"]).is_file():
                raise InputError(
                    f"{where}: the CSV {dataset['csv']} of `datasets: {name}` does not exist (looked for from "
                    f"{Path.cwd()}): correct `csv:`"
                )
        for name, experiment in self.experiments.items():
            key = f"{where}: `experiments: {name}:"
            _known(experiment["datasets"], self.datasets, f"{key} datasets`", "`datasets`")
            _known(experiment.setdefault("models", self.models), self.models, f"{key} models`", "`models`")
            listed = self.settings["analyses"]
            _known(experiment.setdefault("analyses", listed), listed, f"{key} analyses`", "`analyses`")
            check_index_settings(experiment["index"], f"{key} index`")
            if experiment["index_split"] in experiment["query_splits"]:
                raise InputError(
                    f"{key} query_splits` holds the index split '{experiment['index_split']}', where every image would "
                    "find itself: query from another split"
                )
        self.prompts_file = self._prompts_file(where)
        self.cards = {model: cards.load_card(self._card_path(model, where)) for model in self.models}
        for model in self.fusions:
            self.cards[model] = self._fused_card(model, where)

    def _card_path(self, model: str, where: str) -> Path:
        for folder in self.card_folders:
            if (folder / f"{model}.yaml").is_file():
                return folder / f"{model}.yaml"
        known = sorted({path.stem for folder in self.card_folders for path in folder.glob("*.yaml")})
        raise InputError(
            f"{where}: the model '{model}' has no card {self.card_folders[0] / f'{model}.yaml'}: write one, or name one "
            f"of those there: {_suggest(model, known)}"
        )

    def _prompts_file(self, where: str) -> Path | None:
        """The file of prompt templates: the one that `prompts:` names, else the one beside the folders of cards."""
        if "prompts" in self.settings:
            if not Path(self.settings["prompts"]).is_file():
                raise InputError(
                    f"{where}: the file {self.settings['prompts']} of `prompts:` does not exist (looked for from "
                    f"{Path.cwd()}): correct it, or copy config/prompts.yaml there"
                )
            return Path(self.settings["prompts"])
        beside = [folder.parent / "prompts.yaml" for folder in self.card_folders]
        return next((path for path in beside if path.is_file()), None)

    def _fused_card(self, model: str, where: str) -> dict:
        """A fusion's card with what follows from its members."""
        members = self.cards[model]["fusion"]["of"]
        for member in members:
            if member not in self.cards:
                raise InputError(
                    f"{where}: the model '{model}' is a fusion of '{member}', which `models` does not list: add it there, "
                    f"or correct `fusion: of` (listed: {', '.join(self.encoders)})"
                )
            if self.cards[member]["loader"] == "fusion":
                raise InputError(
                    f"{where}: the model '{model}' is a fusion of '{member}', which is a fusion itself: name the members "
                    f"of '{member}' instead"
                )
        return cards.fused_card(self.cards[model], {member: self.cards[member] for member in members})

    @property
    def fusions(self) -> list[str]:
        """The models that put others together: rule `fuse` makes their embeddings."""
        return [model for model, card in self.cards.items() if card["loader"] == "fusion"]

    @property
    def encoders(self) -> list[str]:
        """The models that embed images: rules `embed` and `gather` make their embeddings."""
        return [model for model, card in self.cards.items() if card["loader"] != "fusion"]

    @cached_property
    def meanings(self) -> dict[str, dict]:
        """Per model, the part of its card that changes its embeddings; of a fusion, with that of its members."""
        found = {model: cards.card_meaning(card) for model, card in self.cards.items()}
        for model in self.fusions:
            found[model]["members"] = [found[member] for member in found[model]["of"]]
        return found

    def models_of_dataset(self, dataset: str) -> list[str]:
        """The models that embed a dataset: those of the experiments that pool it, in the order of ``models``."""
        used = {model for each in self.experiments.values() if dataset in each["datasets"] for model in each["models"]}
        return [model for model in self.models if model in used]

    def searched_models(self, experiment: str) -> list[str]:
        """The models of an experiment whose neighbors come from a search of their own embeddings."""
        fused = {model for model in self.fusions if self.cards[model]["fusion"]["by"] != "concatenation"}
        return [model for model in self.experiments[experiment]["models"] if model not in fused]

    def text_models(self, experiment: str) -> list[str]:
        """The models of an experiment that have a text tower."""
        return [model for model in self.experiments[experiment]["models"] if cards.has_text(self.cards[model])]

    @property
    def embedded(self) -> list[tuple[str, str]]:
        """Every pair of model and dataset that is to be embedded."""
        return [(model, dataset) for dataset in self.datasets for model in self.models_of_dataset(dataset)]

    def card_digest(self, model: str) -> str:
        """The digest of a card's meaning."""
        return digest_of(self.meanings[model])


def _with_defaults(value: object, schema: Mapping) -> object:
    """A copy of ``value`` with the defaults of its schema filled in at every level."""
    if not isinstance(value, Mapping):
        return copy.deepcopy(value)
    properties = schema.get("properties", {})
    filled = {name: copy.deepcopy(each["default"]) for name, each in properties.items() if "default" in each}
    filled |= dict(value)
    rest = schema.get("additionalProperties") or {}
    return {name: _with_defaults(each, properties.get(name, rest)) for name, each in filled.items()}


def _known(names: Iterable[str], known: Iterable[str], where: str, listed: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise InputError(f"{where} names '{name}', which {listed} does not list: {_suggest(name, known)}")


def _suggest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else (", ".join(known) or "none so far")
