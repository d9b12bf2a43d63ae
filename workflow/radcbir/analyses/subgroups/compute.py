"""P@k by sex, age band, view, source and scanner of the query, by patient.

Groups differ in their labels, and some labels are found more easily. So each group is compared with
the other groups' queries of the same labels as well (direct standardisation: the others' means by
label, weighted by the group's queries).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.shortcuts.compute import age_bands
from radcbir.metrics.intervals import (
    ERROR_RATE,
    Side,
    average,
    compared,
    effective_patients,
    holm,
    pairs_of,
    patients_as_clusters,
)
from radcbir.metrics.lists import ranked_lists, relevant_in_index
from radcbir.metrics.per_query import capped_precision
from radcbir.retrieval.joined import Neighborhood, codes, label_codes, patient_codes

ATTRIBUTES = ("sex", "age_band", "view", "source", "scanner")

PRECISION_AT = (1, 10)

GROUP_COLUMNS = [
    "attribute",
    "group",
    "k",
    "precision",
    "low",
    "high",
    "effective_patients",
    "queries",
    "patients",
    "same_labels",
    "others",
    "difference",
    "difference_low",
    "difference_high",
    "compared_queries",
    "verdict",
    "remark",
]

GAP_COLUMNS = [
    "attribute",
    "k",
    "groups",
    "worst",
    "worst_precision",
    "best",
    "best_precision",
    "gap",
    "low",
    "high",
    "effective_patients",
    "verdict",
    "left_out",
]


@dataclass(frozen=True)
class Answers:
    """The P@k of the queries that count, at one k."""

    value: np.ndarray
    """``(q,)``."""
    label: np.ndarray
    """``(q,)``: codes."""
    patient: np.ndarray
    """``(q,)``: codes from 0; a query without a known patient has one of its own."""


def subgroups(
    catalog: pd.DataFrame, hood: Neighborhood, smallest: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``subgroups`` and ``gaps`` of one query split.

    Neighbors of the query's own patient are left out. Queries without an index image of their label
    are left out, and those whose list ends before min(k, R) neighbors. A group with fewer than
    ``smallest`` queries has no figures and a ``remark``. ``subgroups`` has a row per attribute,
    group and k:

    - ``precision``: P@k, capped; ``low``, ``high``: its 95 % interval by patient;
    - ``same_labels``, ``others``: P@k of the group, and that of all other groups with the labels in
      the same shares, over the ``compared_queries`` whose label the others have from two patients
      or more; ``difference``, and its 95 % interval by patient;
    - ``verdict``: ``less often`` or ``more often`` right than the others, by Holm's adjustment over
      the groups of the attribute at 5 %; ``undecided``; ``too few patients``.

    ``gaps`` has a row per attribute and k with two groups or more: the worst and the best group by
    P@k, and the ``gap`` between them. Its interval and verdict hold for all pairs of groups at once
    (Bonferroni). ``left_out`` names the groups that are too small.
    """
    label, patient = label_codes(catalog), patient_codes(catalog)
    query = hood.queries
    to_find = relevant_in_index(
        label[query], label[hood.index], patient[query], patient[hood.index]
    )
    own = (patient[hood.neighbors] == patient[hood.asking]) & (patient[hood.asking] >= 0)
    right = label[hood.neighbors] == label[hood.asking]
    lists = ranked_lists(hood.offsets, right, own, to_find, max(PRECISION_AT))
    clusters, _ = patients_as_clusters(catalog["patient_id"].iloc[query])
    values = {
        name: age_bands(catalog["age"]) if name == "age_band" else catalog[name]
        for name in ATTRIBUTES
        if name in catalog or (name == "age_band" and "age" in catalog)
    }
    groups, gaps = [], []
    for name, given in values.items():
        code, names = codes(given)
        for k in PRECISION_AT:
            long = lists.retrieved >= np.minimum(k, to_find)
            kept = (to_find > 0) & long & (code[query] >= 0)
            if not kept.any():
                continue
            answers = Answers(
                capped_precision(lists.relevance, to_find, k)[kept],
                label[query][kept],
                np.unique(clusters[kept], return_inverse=True)[1],
            )
            rows = _groups(answers, code[query][kept], names, smallest)
            groups.append(rows.assign(attribute=name, k=k))
            gap = _gap(answers, code[query][kept], names, rows)
            if gap is not None:
                gaps.append(gap | {"attribute": name, "k": k})
    table = pd.concat(groups, ignore_index=True) if groups else pd.DataFrame(columns=GROUP_COLUMNS)
    return table[GROUP_COLUMNS], pd.DataFrame(gaps, columns=GAP_COLUMNS)


def _groups(answers: Answers, code: np.ndarray, names: np.ndarray, smallest: int) -> pd.DataFrame:
    """A row per group, ``code`` ``(q,)`` being places in ``names``."""
    rows: list[dict[str, Any]] = []
    chances = []
    for group in np.unique(code):
        own = code == group
        queries = int(own.sum())
        row: dict[str, Any] = {
            "group": str(names[group]),
            "queries": queries,
            "patients": len(np.unique(answers.patient[own])),
            "remark": "",
            "verdict": "",
        }
        chance = np.nan
        if queries < smallest:
            row["remark"] = f"fewer than {smallest} queries"
        else:
            found = _mean(answers, own)
            (low,), (high,) = found.interval()
            row |= {"precision": found.value[0], "low": low, "high": high}
            row["effective_patients"] = found.effective
            cells, chance = _against_others(answers, own)
            row |= cells
        rows.append(row)
        chances.append(chance)
    for row, chance in zip(rows, holm(np.array(chances)), strict=True):
        if not np.isnan(chance):
            decided = "more often" if row["difference"] > 0 else "less often"
            row["verdict"] = decided if chance <= ERROR_RATE else "undecided"
    return pd.DataFrame(rows).reindex(columns=GROUP_COLUMNS)


def _mean(answers: Answers, own: np.ndarray):
    patients = np.unique(answers.patient[own], return_inverse=True)[1]
    return average(answers.value[own][:, None], patients)


def _against_others(answers: Answers, own: np.ndarray) -> tuple[dict, float]:
    """A group's queries against the others' with the same labels: cells of the row, and p.

    A query of the group moves the difference by its distance from the others' mean of its label; a
    query of the others by its distance from that mean, enlarged for what its patient takes away
    from it.
    """
    label = np.unique(answers.label, return_inverse=True)[1]
    number = label.max() + 1
    pairs = np.unique(np.column_stack([label, answers.patient])[~own], axis=0)
    patients = np.bincount(pairs[:, 0], minlength=number)
    counts = np.bincount(label[~own], minlength=number)
    sums = np.bincount(label[~own], answers.value[~own], minlength=number)
    mean = np.divide(sums, counts, out=np.zeros(number), where=counts > 0)
    usable = patients >= 2
    mine, others = own & usable[label], ~own & usable[label]
    queries = int(mine.sum())
    if not queries:
        return {"compared_queries": 0, "remark": "no other group has these labels"}, np.nan
    distance = answers.value - mean[label]
    difference = float(distance[mine].mean())
    weight = np.bincount(label[mine], minlength=number) / queries
    enlarged = np.sqrt(patients / np.maximum(patients - 1, 1))
    share = np.divide(weight * enlarged, counts, out=np.zeros(number), where=counts > 0)
    own_value, moves = float(answers.value[mine].mean()), np.zeros((2, len(label)))
    moves[0, mine] = (distance[mine] - difference) / queries
    moves[1, others] = (share[label] * distance)[others]
    sides = [
        Side(value, np.bincount(answers.patient, each), effective_patients(answers.patient[mask]))
        for value, each, mask in zip(
            (own_value, own_value - difference), moves, (mine, others), strict=True
        )
    ]
    low, high, chance = compared(sides[0], sides[1])
    verdict = "too few patients" if np.isnan(chance) else ""
    cells = {
        "same_labels": own_value,
        "others": own_value - difference,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "compared_queries": queries,
        "verdict": verdict,
    }
    return cells, chance


def _gap(answers: Answers, code: np.ndarray, names: np.ndarray, rows: pd.DataFrame) -> dict | None:
    """The worst and the best group, and what lies between them; None with fewer than two groups."""
    shown = rows[rows["precision"].notna()].sort_values("precision", kind="stable")
    if len(shown) < 2:
        return None
    worst, best = shown.iloc[0], shown.iloc[-1]
    sides = []
    for each in (best, worst):
        own = names[code] == each["group"]
        moves = np.zeros(len(code))
        moves[own] = (answers.value[own] - answers.value[own].mean()) / own.sum()
        patients = effective_patients(answers.patient[own])
        sides.append(Side(float(each["precision"]), np.bincount(answers.patient, moves), patients))
    gap, pairs = sides[0].value - sides[1].value, pairs_of(len(shown))
    low, high, chance = compared(sides[0], sides[1], pairs)
    small = rows.loc[rows["precision"].isna(), "group"]
    undecided = "too few patients" if np.isnan(chance) else "undecided"
    return {
        "groups": len(shown),
        "worst": worst["group"],
        "worst_precision": worst["precision"],
        "best": best["group"],
        "best_precision": best["precision"],
        "gap": gap,
        "low": low,
        "high": high,
        "effective_patients": min(each.effective for each in sides),
        "verdict": "apart" if chance <= ERROR_RATE else undecided,
        "left_out": "; ".join(small),
    }
