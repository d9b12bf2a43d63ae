"""Do adapted vectors, or another order of the neighbors, give better hits?"""

from typing import Any

from radcbir.analyses import Analysis, Project
from radcbir.cards.derived import base_of, is_adapted
from radcbir.core import layout


def made_from(project: Project, experiment: str) -> dict[str, str]:
    """The adapted and reranked models of an experiment -> the model that each is made from."""
    bases = {
        each: base_of(project.cards[each]) for each in project.experiments[experiment]["models"]
    }
    return {model: base for model, base in bases.items() if base is not None}


def _models(project: Project, experiment: str) -> list[str]:
    return list(made_from(project, experiment))


def _settings(project: Project, experiment: str) -> dict[str, Any]:
    bases = made_from(project, experiment)
    return {
        "bases": {model: project.cards[base]["name"] for model, base in bases.items()},
        "query_splits": project.experiments[experiment]["query_splits"],
    }


def _inputs(project: Project, experiment: str) -> dict[str, list[str]]:
    """What the fits of the adapted models took, and the queries of the reranked ones by split."""
    models, splits = (
        _models(project, experiment),
        project.experiments[experiment]["query_splits"],
    )
    adapted = [each for each in models if is_adapted(project.cards[each])]
    return {
        "fits": [
            layout.ADAPTATION_TIMINGS.format(experiment=experiment, model=each) for each in adapted
        ],
        "searches": [
            layout.RERANKING_TIMINGS.format(experiment=experiment, model=each, split=split)
            for each in models
            for split in splits
            if each not in adapted
        ],
    }


def _without(project: Project, experiment: str) -> str:
    made = made_from(project, experiment)
    return "" if made else "the experiment has no adapted and no reranked model"


ANALYSIS = Analysis(
    name="gains",
    title="Gains",
    question="Do adapted vectors, or another order of the neighbors, give better hits?",
    section="Which encoder",
    tables=("gains", "left_out"),
    summaries=("gain_timings",),
    reported={"gains": "gains of adapted and reranked models (CSV)"},
    figures={"gains": "gains of adapted and reranked models"},
    page="gains of adapted and reranked models (tables)",
    needs_vectors=False,
    models=_models,
    settings=_settings,
    inputs=_inputs,
    without=_without,
)
