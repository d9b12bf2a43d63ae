"""The tables of the page on robustness."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from radcbir.analyses.robustness.compute import ALL
from radcbir.analyses.robustness.figure import NOTHING, title
from radcbir.analyses.robustness.kinds import PERTURBATIONS
from radcbir.metrics.intervals import FEW, FEWEST_FOR_INTERVAL, FEWEST_FOR_VERDICT, caution
from radcbir.report.sections import by_split, count, difference, figure, section, text

COLUMNS = [
    ("before_1", "P@1", "of the queries as they are", figure),
    ("precision_1", "perturbed", "P@1 of the perturbed queries, mean over the severities", figure),
    ("change_1", "change", "of P@1", difference),
    ("change_1_low", "from", "where its 95 % interval by patient begins", difference),
    ("change_1_high", "to", "where the interval ends", difference),
    ("verdict", "right", "by the interval of the change of P@1", text),
    ("before_10", "P@10", "of the queries as they are, capped", figure),
    ("change_10", "change", "of P@10, mean over the severities", difference),
    ("change_10_low", "from", "where its 95 % interval by patient begins", difference),
    ("change_10_high", "to", "where the interval ends", difference),
    ("overlap", "same of ten", "share of the first ten neighbors that stay the same", figure),
    ("overlap_low", "from", "where its 95 % interval by patient begins", figure),
    ("overlap_high", "to", "where the interval ends", figure),
    ("queries", "queries", "of the sample that can be answered", count),
    ("patients", "patients", "of these queries", count),
    ("left_out", "left out", "queries that could not be embedded in all severities", count),
    ("remark", "remark", "", text),
]


def robustness_sections(
    areas: pd.DataFrame, cards: Mapping[str, Mapping], left_out: Sequence[str]
) -> list[dict]:
    """The worst perturbation of each model, the mean of all, each perturbation, and what the
    severities are.
    """
    if areas.empty:
        sentence = (
            f"{NOTHING[0].upper()}{NOTHING[1:]}: no index image of another patient has its label."
        )
        found = [section("Nothing can be compared", sentence, areas, [], cards)]
    else:
        found = [each for split, rows in by_split(areas) for each in _of_split(split, rows, cards)]
    if left_out:
        sentence = (
            f"Left out: {', '.join(left_out)}. They read no images themselves: fusions and embeddings "
            "that exist already cannot be perturbed."
        )
        found.append(section("Models without perturbed queries", sentence, areas[:0], [], cards))
    return [*found, _amounts()]


def _of_split(split: str, rows: pd.DataFrame, cards: Mapping[str, Mapping]) -> list[dict]:
    worst = rows[rows["worst"].astype(bool)].assign(
        shown=lambda table: table["perturbation"].map(title)
    )
    both = [("shown", "worst perturbation", "of this model", text), *COLUMNS]
    sections = [
        section(
            f"Worst perturbation (queries: {split})",
            "The perturbation that takes most of P@1. It is the worst of several: part of that is "
            f"chance. Verdicts are not adjusted for the number of perturbations. {_said(rows)}",
            worst,
            both,
            cards,
        )
    ]
    for name in (ALL, *(each for each in PERTURBATIONS if each in set(rows["perturbation"]))):
        of = "All perturbations" if name == ALL else title(name).capitalize()
        words = (
            "The mean over all perturbations and severities."
            if name == ALL
            else f"The mean over the severities: {PERTURBATIONS[name].unit}."
        )
        own = rows[rows["perturbation"] == name]
        sections.append(section(f"{of} (queries: {split})", words, own, COLUMNS, cards))
    return sections


UNITS = {"patient": "patients", "image": "images (no patient is known)"}

CAUTIONS = {
    "no interval": f" With fewer than {FEWEST_FOR_INTERVAL} there is no interval.",
    "no verdict": f" With fewer than {FEWEST_FOR_VERDICT} there is no verdict.",
    "few patients": f" With fewer than {FEW}, intervals may be too narrow.",
}


def _said(rows: pd.DataFrame) -> str:
    """What the intervals follow from."""
    whole = rows[rows["perturbation"] == ALL].iloc[0]
    units = UNITS.get(str(whole["unit"]), "patients, or images without one")
    effective = float(whole["effective_patients"])
    return (
        f"95 % intervals by patient, from {int(whole['patients']):,} {units}, effectively "
        f"{effective:.1f}.{CAUTIONS.get(caution(effective), '')}"
    )


def _amounts() -> dict:
    rows: list[dict[str, Any]] = [
        {"name": each.title, "unit": each.unit}
        | {f"s{place}": f"{amount:g}" for place, amount in enumerate(each.amounts, 1)}
        for each in PERTURBATIONS.values()
    ]
    columns = [("name", "perturbation", "", text), ("unit", "amount", "", text)]
    columns += [(f"s{place}", f"{place}", f"severity {place}", text) for place in range(1, 6)]
    words = (
        "What the amounts of the severities count. A unit is 1/224 of the image's shorter side. The "
        "window is changed on all bits of the file, everything else on 8 bit."
    )
    return section("Severities", words, pd.DataFrame(rows), columns, {})
