"""`query:` of the configuration: the user's own query images, and what is asked of them."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.images.address import split_address
from radcbir.project.checks import check_known


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


def complete_query(
    query: dict, experiments: Mapping, datasets: Mapping, able: Collection[str], where: str
) -> dict:
    """The query with what follows from the rest of the configuration: name, experiment, models and
    intensity policy.

    ``able`` are the models that can embed a new image. Raises :class:`InputError`.
    """
    query, key = dict(query), f"{where}: `query:"
    if "experiment" not in query and len(experiments) > 1:
        raise InputError(f"{key} experiment` is missing: name one of {', '.join(experiments)}")
    name = query.setdefault("experiment", next(iter(experiments)))
    check_known([name], experiments, f"{key} experiment`", "`experiments`")
    experiment = experiments[name]
    _complete_models(query, experiment, able, key)
    policies = {each: datasets[each]["intensity"] for each in experiment["datasets"]}
    like = query.pop("intensity_of", None)
    if like is None and len({digest_of(each) for each in policies.values()}) > 1:
        raise InputError(
            f"{key} intensity_of` is missing: the datasets of the experiment '{name}' have several "
            "`intensity:` policies, so name the one whose policy the query images get: "
            f"{', '.join(policies)}"
        )
    like = like or next(iter(policies))
    check_known([like], policies, f"{key} intensity_of`", f"the experiment '{name}'")
    query["intensity"] = policies[like]
    query.setdefault("name", slug_of(Path(split_address(query["images"][0])[0]).name))
    return query


def _complete_models(query: dict, experiment: Mapping, able: Collection[str], key: str) -> None:
    """Fill in the models that answer a query, and refuse those that cannot embed a new image."""
    name = query["experiment"]
    able = [each for each in experiment["models"] if each in able]
    for model in query.setdefault("models", able):
        check_known([model], experiment["models"], f"{key} models`", f"the experiment '{name}'")
        if model not in able:
            others = f" ({', '.join(able)})" if able else ", with an encoder, in `models:`"
            raise InputError(
                f"{key} models` names '{model}', whose embeddings are precomputed, or whose "
                "neighbors are another model's in another order, so that nothing here can ask it "
                f"with a new image: name others{others}"
            )
    if not query["models"]:
        raise InputError(
            f"{key} experiment` names '{name}', whose models are all precomputed, so that nothing "
            "here can embed a new image with them: add a model with an encoder to `models:`"
        )


def slug_of(name: str) -> str:
    """A file name without its suffix, as a name in paths of results."""
    stem = name[: name.find(".", 1)] if "." in name[1:] else name
    return re.sub("[^a-z0-9]+", "-", stem.lower()).strip("-") or "query"
