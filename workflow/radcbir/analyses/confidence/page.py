"""The tables of the page on chances."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from radcbir.analyses.confidence.fit import FITS
from radcbir.metrics.intervals import caution
from radcbir.report.sections import count, figure, section, text

MEASURES = {
    "auc": ("AUC", "how often a right hit has a higher chance than a wrong one: 0.5 is chance"),
    "ece": ("ECE", "expected calibration error, 15 bins of equal width: lower is better"),
    "brier": ("Brier", "mean squared error of the chance: lower is better"),
    "right": ("right", "the share of right hits among the first ones of all queries"),
    "right_of_surest_half": ("right, surest half", "the share of right hits in the surest half"),
    "risk_at_80": (
        "wrong at 80 %",
        "the share of wrong hits where the least sure 20 % are left out",
    ),
    "aurc": ("AURC", "the mean share of wrong hits over all such cuts: lower is better"),
}
"""Measure -> the head of its column, and what it means."""

STATISTIC_NAMES = {"best": "best score", "mean": "mean of the first ten", "either": "either"}


def confidence_sections(
    tables: Mapping[str, pd.DataFrame], cards: Mapping[str, Mapping]
) -> list[dict]:
    """The chance of a hit, how many hits are enough, and what is unlike the benchmark."""
    return [
        _chances(tables["confidence"], cards),
        _sets(tables["sets"], cards),
        _unlike(tables["unlike"], cards),
    ]


def _chances(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> dict:
    """A row per model and fit."""
    rows = []
    keys: Any
    for keys, part in table.assign(fit=table["fit"].astype(object).fillna("")).groupby(
        ["model", "fit"], sort=False
    ):
        found = {row["measure"]: row for row in part.to_dict("records")}
        row = part.iloc[0].to_dict() | {"name": FITS.get(keys[1], "")}
        row["taken"] = "taken" if row["chosen"] else ""
        rows.append(row | {each: _with_interval(found.get(each)) for each in MEASURES})
    columns = [
        ("name", "fit", "simplest first", text),
        ("taken", "taken", "the simplest that no other one beats by its Brier score", text),
        ("remark", "remark", "why there is nothing, or what to keep in mind", text),
        *((measure, head, meaning, text) for measure, (head, meaning) in MEASURES.items()),
        ("queries", "queries", "whose label the index has", count),
        ("patients", "patients", "of these queries", count),
        ("effective_patients", "effective", "effective number of patients", _one_decimal),
    ]
    wide = pd.DataFrame(rows)
    reading = (
        "Every figure comes from patients that the fit has not seen. A chance can be used where the "
        "AUC is clearly above 0.5 and the ECE is near 0. Compare the surest half with all hits: the "
        f"difference is what the chance is worth. {few(table.loc[table['measure'] == 'right', 'effective_patients'])}"
    )
    return section("The chance that a hit is right", reading.strip(), wide, columns, cards)


def _sets(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> dict:
    """A row per model."""
    alpha = float(table["alpha"].iloc[0])
    columns = [
        ("size", "hits", "so many hits are enough", count),
        ("coverage", "left out", "mean share of covered queries of a patient left out", figure),
        ("low", "from", "where its 95 % interval begins", figure),
        ("high", "to", "where the interval ends", figure),
        ("deepest", "listed", "hits of each query that are known", count),
        ("queries", "queries", "whose label the index has", count),
        ("patients", "patients", "of these queries", count),
        ("needed_patients", "needed", "fewest patients", count),
        ("remark", "remark", "why there is nothing, or what to keep in mind", text),
    ]
    reading = (
        f"So many hits have to be looked at until, with a probability of {1 - alpha:.0%} or more, at "
        "least one of them is right, for a random query of a new patient. The method is hierarchical "
        "conformal prediction (Lee, Barber, Willett, arXiv 2306.06342). It holds for patients like "
        "those of the benchmark, with labels that the index has."
    ).replace("%", " %")
    return section("How many hits are enough", reading, table, columns, cards)


def _unlike(table: pd.DataFrame, cards: Mapping[str, Mapping]) -> dict:
    """A row per model and statistic."""
    table = table.assign(name=table["statistic"].map(STATISTIC_NAMES))
    columns = [
        ("name", "statistic", "of a query", text),
        ("limit", "limit", "99 % of the benchmark's queries are above it", figure),
        ("auroc", "AUROC", "queries of left-out classes against the others: 0.5 is chance", figure),
        ("low", "from", "where its 95 % interval by patient begins", figure),
        ("high", "to", "where the interval ends", figure),
        ("flagged", "flagged", "the share of queries of left-out classes below the limit", figure),
        ("classes", "classes", "left out of the index in turn", count),
        ("held_out_queries", "tried", "queries of these classes", count),
        ("queries", "queries", "behind the limit", count),
        ("patients", "patients", "of these queries", count),
        ("remark", "remark", "why there is nothing", text),
    ]
    reading = (
        "A query below a limit is flagged as unlike the benchmark: here, in the gallery and in "
        "queries of your own. About 1 in 100 queries of the benchmark is. The test leaves out one "
        "class of the index at a time. Where its queries are seldom flagged, the flag finds other "
        "kinds of images, but not a new finding."
    )
    return section("Unlike the benchmark", reading, table, columns, cards)


def few(effective: Sequence[float] | pd.Series) -> str:
    """A sentence where there are too few patients for intervals, or few; else empty."""
    known = pd.Series(effective).dropna()
    if known.empty or not caution(known.min()):
        return ""
    return (
        f"Effectively {known.min():.1f} patients are few: intervals are wide, may be too narrow all "
        "the same, and are left out below 3."
    )


def _with_interval(row: Mapping[Any, Any] | None) -> str:
    """A value with its interval, as text; empty where there is none."""
    if row is None:
        return ""
    interval = f" ({row['low']:.2f} – {row['high']:.2f})" if row["low"] == row["low"] else ""
    return f"{row['value']:.3f}{interval}"


def _one_decimal(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.1f}"
