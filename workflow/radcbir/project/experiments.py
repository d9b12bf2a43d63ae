"""Checks of single experiments, and what follows from the rest of the configuration."""

from collections.abc import Mapping, Sequence

from radcbir.core.errors import InputError, Mistakes
from radcbir.project.checks import check_known, suggested
from radcbir.retrieval.index_settings import check_index_settings


def complete_experiment(
    experiment: dict, datasets: Mapping, models: Sequence[str], listed: Sequence[str], key: str
) -> None:
    """Fill in what an experiment leaves out: models, analyses, and which split chooses.

    ``listed`` are the analyses of the configuration, ``key`` is the experiment in messages. Raises
    :class:`InputError` with all its mistakes.
    """
    mistakes = Mistakes()
    with mistakes.noted():
        check_known(experiment["datasets"], datasets, f"{key} datasets`", "`datasets`")
    with mistakes.noted():
        named = experiment.setdefault("models", list(models))
        check_known(named, models, f"{key} models`", "`models`")
    with mistakes.noted():
        _complete_analyses(experiment, listed, key)
    if "pooling" in experiment and experiment["unit"] == "image":
        mistakes.add(
            f"{key} pooling` is for series, studies and patients: add `unit: series`, or leave it out"
        )
    experiment.setdefault("pooling", "mean")
    with mistakes.noted():
        check_index_settings(experiment["index"], f"{key} index`")
    if experiment["index_split"] in experiment["query_splits"]:
        mistakes.add(
            f"{key} query_splits` names the index split '{experiment['index_split']}', where every "
            "image would find itself: query from another split"
        )
    with mistakes.noted():
        experiment["val_split"] = validation_split(experiment, f"{key} val_split`")
        test_split = paper_test_split(experiment, f"{key} paper_mode: test_split`")
        experiment["paper_mode"]["test_split"] = test_split
    mistakes.refuse()


OF_IMAGES = ("robustness", "privacy")
"""Analyses that read single images again."""

OF_UNITS = "aggregation"
"""The analysis that belongs to series, studies and patients."""


def _complete_analyses(experiment: dict, listed: Sequence[str], key: str) -> None:
    """Fill in the analyses of an experiment, and refuse those that do not fit its unit."""
    unit = experiment["unit"]
    own, refused = ([], ()) if unit == "image" else ([OF_UNITS], OF_IMAGES)
    known = list(dict.fromkeys([*listed, *own]))
    # With several labels nobody knows yet whether any image has exactly one, as that analysis needs.
    usual = known if experiment["labels"] == "single" else listed
    named = experiment.setdefault("analyses", [each for each in usual if each not in refused])
    wrong = [each for each in named if each in refused]
    if wrong:
        raise InputError(
            f"{key} analyses` names {wrong[0]}, which is about single images, but the experiment "
            f"has `unit: {unit}`: leave it out here"
        )
    check_known(named, known, f"{key} analyses`", "`analyses`")


def validation_split(experiment: Mapping, key: str) -> str | None:
    """The query split that chooses: the one that is named, else ``val`` where another one is left
    to test.
    """
    splits = experiment["query_splits"]
    named = experiment.get("val_split")
    if named is None:
        return "val" if "val" in splits and len(splits) > 1 else None
    if named not in splits:
        raise InputError(
            f"{key} is '{named}', which `query_splits:` does not list: {suggested(named, splits)}"
        )
    if len(splits) == 1:
        raise InputError(
            f"{key} is the only query split, so that nothing is left to test: add one to "
            "`query_splits:`"
        )
    return named


def paper_test_split(experiment: Mapping, key: str) -> str:
    """The query split that paper mode tests: the one that is named, else ``test``, else the last
    that chooses nothing.
    """
    splits = [each for each in experiment["query_splits"] if each != experiment["val_split"]]
    named = experiment["paper_mode"].get("test_split", "test" if "test" in splits else splits[-1])
    if named == experiment["val_split"]:
        raise InputError(
            f"{key} is '{named}', which chooses k (`val_split:`): name another of the "
            "`query_splits:`"
        )
    check_known([named], splits, key, "`query_splits`")
    return named
