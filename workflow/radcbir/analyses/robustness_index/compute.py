"""The robustness index: right neighbors from other sites against wrong ones from the same site.

Of the first k neighbors of all queries, SO have the query's label and another site, OS have another
label and the query's site. The index is SO / (SO + OS): 1 where neighbors follow the label alone, 0
where they follow the site alone (PathoROB: Kömen, de Jong, Hense et al., *Nature Communications*
17, 5218, 2026). Neighbors of the query's own patient are left out, as PathoROB leaves out those of
the same slide. There all classes come from all sites. Here a query counts only where the index has
images of both kinds for it, and the index of a random neighbor stands beside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from radcbir.metrics.intervals import average, caution, patients_as_clusters, verdict
from radcbir.metrics.lists import places, relevant_in_index
from radcbir.retrieval.joined import Neighborhood, codes, label_codes, patient_codes

ATTRIBUTES = ("source", "scanner", "view", "sex")

EVEN = 0.5
"""As many right neighbors from other sites as wrong ones from the same site."""

COUNTS = ["queries", "patients", "effective_patients", "neighbors", "without", "remark"]

INDEX_COLUMNS = [
    "attribute",
    "k",
    "sites",
    "robustness_index",
    "low",
    "high",
    "chance",
    "verdict",
    "worst_site",
    "worst",
    "worst_low",
    "worst_high",
    *COUNTS,
    "left_out",
]

SITE_COLUMNS = ["attribute", "site", "robustness_index", "low", "high", "chance", *COUNTS]


@dataclass(frozen=True)
class Kinds:
    """The neighbors of queries that are right or from the same site, but not both."""

    query: np.ndarray
    """``(n,)``: which query each belongs to, 0 to q - 1."""
    right: np.ndarray
    """``(n,)`` bool: right and from another site (SO); else wrong and from the same (OS)."""
    possible: np.ndarray
    """``(q, 2)``: how many index images of other patients are SO, and OS, of each query."""
    site: np.ndarray
    """``(q,)``: the queries' sites, -1 where unknown."""
    cluster: np.ndarray
    """``(q,)``: the queries' patients."""

    @property
    def counting(self) -> np.ndarray:
        """``(q,)``: whether the index has images of both kinds."""
        return np.asarray((self.possible > 0).all(axis=1))


def robustness_index(
    catalog: pd.DataFrame, hood: Neighborhood, k: int, smallest: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``robustness_index`` and ``sites`` of one query split.

    ``robustness_index`` has a row per attribute of :data:`ATTRIBUTES` that is known of queries and
    index: the index, its 95 % interval by patient, ``chance`` (that of a random neighbor), a
    ``verdict``, and the ``worst_site``: the site of the queries whose index is the lowest, of those
    with ``smallest`` queries or more. ``neighbors`` is SO + OS, ``without`` how many queries have
    neither among their first ``k``, ``left_out`` how many the index has no images of both kinds for.
    ``sites`` has a row per attribute and site of the queries. What cannot be told is missing, and
    ``remark`` says why.
    """
    rows: list[dict[str, Any]] = []
    sites: list[dict[str, Any]] = []
    for name in ATTRIBUTES:
        if name not in catalog:
            continue
        site, names = codes(catalog[name])
        if not (site[hood.queries] >= 0).any() or not (site[hood.index] >= 0).any():
            continue
        kinds = _kinds(catalog, hood, site, k)
        own = [
            {"attribute": name, "site": str(names[each])}
            | _measured(kinds, kinds.site == each, smallest)
            for each in np.unique(kinds.site[kinds.site >= 0])
        ]
        number = len(np.unique(site[site >= 0]))
        row: dict[str, Any] = {"attribute": name, "k": k, "sites": number, "worst_site": ""}
        row |= _measured(kinds, kinds.site >= 0, 1)
        row["left_out"] = int((~kinds.counting[kinds.site >= 0]).sum())
        if number < 2:
            row["remark"] = "all images have the same value"
        measured = [each for each in own if not np.isnan(each["robustness_index"])]
        if measured:
            worst = min(measured, key=lambda each: each["robustness_index"])
            row |= {"worst_site": worst["site"], "worst": worst["robustness_index"]}
            row |= {f"worst_{end}": worst[end] for end in ("low", "high")}
        rows.append(row | {"verdict": _verdict(row)})
        sites += own
    return (
        pd.DataFrame(rows).reindex(columns=INDEX_COLUMNS),
        pd.DataFrame(sites).reindex(columns=SITE_COLUMNS),
    )


def _kinds(catalog: pd.DataFrame, hood: Neighborhood, site: np.ndarray, k: int) -> Kinds:
    label, patient = label_codes(catalog), patient_codes(catalog)
    asking, found = hood.asking, hood.neighbors
    own = (patient[found] == patient[asking]) & (patient[asking] >= 0)
    query, _, kept = places(hood.offsets, own, k)
    right = label[found] == label[asking]
    known = (site[found] >= 0) & (site[asking] >= 0)
    one_kind = kept & known & (right != (site[found] == site[asking]))
    asked = np.flatnonzero(site[hood.queries] >= 0)
    index = hood.index[site[hood.index] >= 0]
    possible = np.zeros((len(hood.queries), 2), dtype=np.int64)
    pair = label * (site.max() + 1) + site
    of_label, of_site, of_both = (
        relevant_in_index(
            each[hood.queries[asked]],
            each[index],
            patient[hood.queries[asked]],
            patient[index],
        )
        for each in (label, site, pair)
    )
    possible[asked] = np.column_stack([of_label - of_both, of_site - of_both])
    one_kind &= np.asarray((possible > 0).all(axis=1))[query]
    clusters = patients_as_clusters(catalog["patient_id"].iloc[hood.queries])[0]
    return Kinds(query[one_kind], right[one_kind], possible, site[hood.queries], clusters)


def _measured(kinds: Kinds, which: np.ndarray, smallest: int) -> dict[str, Any]:
    """The index of the queries ``which`` ``(q,)`` bool, in columns."""
    which = which & kinds.counting
    queries = int(which.sum())
    of_these = which[kinds.query]
    right, query = kinds.right[of_these], kinds.query[of_these]
    row: dict[str, Any] = {
        "robustness_index": np.nan,
        "queries": queries,
        "patients": len(np.unique(kinds.cluster[which])),
        "neighbors": len(right),
        "without": queries - len(np.unique(query)),
        "remark": "",
    }
    if not queries:
        row["remark"] = (
            "no query has, of other patients, both index images of its label from elsewhere and "
            "images of another label from its own site"
        )
    elif queries < smallest:
        row["remark"] = f"fewer than {smallest} queries"
    elif not len(right):
        row["remark"] = "no neighbor is right and from elsewhere, or wrong and from the same site"
    else:
        patients = np.unique(kinds.cluster[query], return_inverse=True)[1]
        found = average(right[:, None].astype(np.float64), patients)
        (low,), (high,) = found.interval()
        random = kinds.possible[which].sum(axis=0)
        row |= {
            "robustness_index": float(found.value[0]),
            "low": low,
            "high": high,
            "chance": random[0] / random.sum(),
            "effective_patients": found.effective,
        }
        if caution(found.effective) == "no interval":
            row["remark"] = "too few patients for an interval"
    return row


def _verdict(row: dict[str, Any]) -> str:
    """Whether neighbors follow the label or the site, by the interval of the index."""
    if np.isnan(row["robustness_index"]):
        return ""
    ends = row["low"], row["high"]
    return verdict(*ends, row["effective_patients"], "the site", "the label", EVEN)
