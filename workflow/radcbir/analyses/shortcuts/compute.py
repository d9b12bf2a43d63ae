"""Shortcuts: do neighbors share the scanner's, the site's or the view's look rather than the
finding?
"""

import numpy as np
import pandas as pd

from radcbir.metrics.lists import relevant_in_index
from radcbir.retrieval.joined import Neighborhood, codes, label_codes, patient_codes

ATTRIBUTES = ("dataset", "source", "scanner", "view", "sex", "age_band")

AGE_BAND = 20


def age_bands(ages: pd.Series) -> pd.Series:
    """Ages in years as bands of twenty: 00-19, 20-39, ...; missing stays missing."""
    start = (ages // AGE_BAND * AGE_BAND).astype("Int64")
    named = start.map(lambda year: f"{year:02d}-{year + AGE_BAND - 1:02d}", na_action="ignore")
    return named.astype(object).where(ages.notna(), None)


def shortcuts(catalog: pd.DataFrame, hood: Neighborhood) -> pd.DataFrame:
    """How often the nearest neighbor shares each attribute, beside how often it shares the finding;
    a row per attribute.

    The nearest neighbor is the first of another patient; queries whose finding no other patient in
    the index has are left out. An attribute is asked of the queries for which it is known of both;
    one with fewer than two values in the index, or whose values there are never those of a query,
    is left out. Columns:

    - ``attribute`` (the first is ``finding``, the label), ``values`` (how many the index holds),
      ``queries``;
    - ``precision_at_1``: the share whose nearest neighbor has the query's value; ``chance``: that
      of a random index image with a known value; ``lift``: their ratio;
    - ``precision_given_finding``, ``chance_given_finding``: the same among the queries whose
      nearest neighbor has the right finding, against a random index image of that finding: what the
      finding itself does not explain;
    - ``finding_precision``: P@1 of the finding for these queries, and ``finding_if_shared`` (over
      ``queries_shared``) and ``finding_if_not``: where the nearest neighbor shares the attribute,
      and where it does not.
    """
    label, patient = label_codes(catalog), patient_codes(catalog)
    own = (patient[hood.neighbors] == patient[hood.asking]) & (patient[hood.asking] >= 0)
    first = hood.first(~own)
    relevant = relevant_in_index(
        label[hood.queries], label[hood.index], patient[hood.queries], patient[hood.index]
    )
    answered = (first >= 0) & (relevant > 0)
    query, nearest = hood.queries[answered], hood.neighbors[first[answered]]
    columns = {
        "finding": catalog["label"],
        **{name: catalog[name] for name in ATTRIBUTES if name in catalog},
    }
    columns["age_band"] = age_bands(catalog["age"])
    rows = []
    for attribute, given in columns.items():
        value, names = codes(given)
        in_index = hood.index[value[hood.index] >= 0]
        present = len(np.unique(value[in_index]))
        known = (value[query] >= 0) & (value[nearest] >= 0)
        if (present < 2 and attribute != "finding") or not known.any():
            continue
        asked, found = query[known], nearest[known]
        shared, right = value[asked] == value[found], label[asked] == label[found]
        counts = np.bincount(value[in_index], minlength=len(names))
        chance = (counts[value[asked]] / len(in_index)).mean()
        if chance == 0:
            continue
        row = {
            "attribute": attribute,
            "values": present,
            "queries": len(asked),
            "precision_at_1": shared.mean(),
            "chance": chance,
            "lift": shared.mean() / chance,
        }
        if attribute != "finding":
            joint = np.bincount(
                label[in_index] * len(names) + value[in_index],
                minlength=(label.max() + 1) * len(names),
            ).reshape(-1, len(names))
            expected = (
                joint[label[asked], value[asked]][right] / joint.sum(axis=1)[label[asked]][right]
            )
            row |= {
                "precision_given_finding": _mean(shared[right]),
                "chance_given_finding": _mean(expected),
                "finding_precision": right.mean(),
                "finding_if_shared": _mean(right[shared]),
                "queries_shared": int(shared.sum()),
                "finding_if_not": _mean(right[~shared]),
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = [
    "attribute",
    "values",
    "queries",
    "precision_at_1",
    "chance",
    "lift",
    "precision_given_finding",
    "chance_given_finding",
    "finding_precision",
    "finding_if_shared",
    "queries_shared",
    "finding_if_not",
]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
