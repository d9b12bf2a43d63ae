"""The tables of the page on gains."""

from collections.abc import Mapping

import pandas as pd

from radcbir.analyses.gains.figure import METRICS, without_own_patient
from radcbir.report.sections import by_split, count, difference, figure, section, text

DIFFERENCE = [
    ("base_value", "before", "of the model that it is made from", figure),
    ("value", "after", "of the adapted or reranked model", figure),
    ("difference", "gain", "after less before, over the same queries", difference),
    ("low", "from", "where its 95 % interval by patient begins", difference),
    ("high", "to", "where the interval ends", difference),
    (
        "verdict",
        "verdict",
        "better or worse: the gain is more than chance, also if all models that are made from the "
        "same one are counted",
        text,
    ),
]

COUNTS = [
    ("queries", "queries", "", count),
    ("effective_patients", "effective", "effective number of patients", figure),
]


def gains_sections(
    gains: pd.DataFrame,
    left_out: pd.DataFrame,
    timings: pd.DataFrame,
    bases: Mapping[str, str],
    cards: Mapping[str, Mapping],
) -> list[dict]:
    """The gains by query split, what happens to what was not in the fit, and the cost."""
    sections = []
    for split, part in by_split(without_own_patient(gains)):
        rows = part.assign(base=part["model"].map(bases), metric=part["metric"].map(METRICS))
        columns = [("base", "made from", "", text), ("metric", "metric", "", text)]
        sections.append(
            section(
                f"Gains (queries: {split})", READING, rows, columns + DIFFERENCE + COUNTS, cards
            )
        )
    left_out = without_own_patient(left_out)
    for kind in left_out["left_out"].unique():
        for split, part in by_split(left_out[left_out["left_out"] == kind]):
            rows = part.assign(metric=part["metric"].map(METRICS))
            title = f"A {kind} that was not in the fit (queries: {split})"
            columns = [("metric", "metric", "", text), *DIFFERENCE, *_lost(kind), *COUNTS]
            sections.append(section(title, _reading(kind), rows, columns, cards))
    sections.append(section("What it costs", COST, timings, TIMES, cards))
    return sections


def _lost(kind: str) -> list:
    return [
        (
            "seen_value",
            "had it seen them",
            f"the model as it is, whose fit has seen the {kind}",
            figure,
        ),
        ("lost", "lost", f"what is lost because the fit has not seen the {kind}", difference),
        ("lost_low", "from", "where its 95 % interval by patient begins", difference),
        ("lost_high", "to", "where the interval ends", difference),
        ("fits", "fits", "each without a part of them", count),
        ("remark", "remark", "what could not be fitted", text),
    ]


READING = (
    "Each model against the one that it is made from. It is better only where the interval of the "
    "gain is above 0 and the verdict says better. Neighbors of the query's own patient are left "
    "out where patients are known."
)


def _reading(kind: str) -> str:
    return (
        f"Queries whose {kind} no image of the fit had: each is searched with a fit that has not seen it, "
        "in the whole index. This is what to expect of a new "
        + ("finding" if kind == "label" else "source of images")
        + ". A gain here is a gain that carries over. A loss here, beside a gain above, means that "
        f"the adaptation is good for the {kind}s that it knows, and for nothing else."
    )


COST = (
    "What it took on the machine of this run. A fit is made once. The milliseconds come on top of the "
    "search, but for database augmentation, where they are the search. An adapted query costs one "
    "product of its vector with a matrix."
)

TIMES = [
    ("query_split", "queries of", "", text),
    ("images", "images", "in the fit", count),
    ("dimension", "numbers", "of an adapted vector", count),
    ("fit_seconds", "fit, s", "", figure),
    ("preparation_seconds", "preparation, s", "before the first query", figure),
    ("milliseconds_per_query", "per query, ms", "", figure),
    ("queries", "queries", "", count),
]
