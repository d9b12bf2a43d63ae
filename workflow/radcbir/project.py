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
            if experiment["index_split"] in experiment["query_splits"]:
                raise InputError(
                    f"{key} query_splits` holds the index split '{experiment['index_split']}', where every image would "
                    "find itself: query from another split"
                )
        self.cards = {model: cards.load_card(self._card_path(model, where)) for model in self.models}

    def _card_path(self, model: str, where: str) -> Path:
        for folder in self.card_folders:
            if (folder / f"{model}.yaml").is_file():
                return folder / f"{model}.yaml"
        known = sorted({path.stem for folder in self.card_folders for path in folder.glob("*.yaml")})
        raise InputError(
            f"{where}: the model '{model}' has no card {self.card_folders[0] / f'{model}.yaml'}: write one, or name one "
            f"of those there: {_suggest(model, known)}"
        )

    def available_cards(self) -> dict[str, dict]:
        """Every card of the card folders by its slug, used by the configuration or not."""
        paths = {path.stem: path for folder in reversed(self.card_folders) for path in folder.glob("*.yaml")}
        return {slug: cards.load_card(path) for slug, path in sorted(paths.items())}

    @cached_property
    def meanings(self) -> dict[str, dict]:
        """Per model, the part of its card that changes its embeddings."""
        return {model: cards.card_meaning(card) for model, card in self.cards.items()}

    def models_of_dataset(self, dataset: str) -> list[str]:
        """The models that embed a dataset: those of the experiments that pool it, in the order of ``models``."""
        used = {model for each in self.experiments.values() if dataset in each["datasets"] for model in each["models"]}
        return [model for model in self.models if model in used]

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
