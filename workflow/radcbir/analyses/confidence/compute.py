"""The chance that a hit is right, of one model: from stored neighbor lists and labels alone.

All query splits are taken together. Where patients are known, hits of the query's own patient are
left out: a new query comes from a new patient. Queries whose label no index image has are left out
and counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.confidence import conformal, measures, unlike
from radcbir.analyses.confidence.features import DEPTH, hit_features
from radcbir.analyses.confidence.fit import FITS, chosen, fitted, out_of_fold
from radcbir.analyses.confidence.stored import Stored
from radcbir.analyses.levels.region_search import Vectors
from radcbir.metrics.calibration import reliability
from radcbir.metrics.intervals import Measure, of_mean, patients_as_clusters
from radcbir.metrics.lists import LabelledLists, labelled_lists
from radcbir.metrics.selection import FEWEST_PATIENTS

FEWEST_QUERIES = 20
"""Below so many queries nothing is fitted."""

NO_VALUE = Measure(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Benchmark:
    """The queries of all splits that the index can answer, and their lists."""

    lists: unlike.Lists
    clusters: np.ndarray
    """``(q,)``: the patients as codes from 0."""
    unit: str
    """What counts as a patient (:func:`~radcbir.metrics.intervals.patients_as_clusters`)."""
    depth: int
    """How many hits of each query are looked at."""
    names: np.ndarray
    """``(C,)``: the labels."""
    priors: np.ndarray
    """``(C,)``: their shares of the index."""
    index_images: int
    """All of them, with one label or several."""
    without_relevant: int
    """Queries whose label the index does not have."""
    too_short: int
    """Queries whose list is shorter than ``depth``."""

    @property
    def right(self) -> np.ndarray:
        """``(q, K)``: which hits have the query's label."""
        return self.lists.near == self.lists.labels[:, None]

    @property
    def patients(self) -> int:
        """How many there are."""
        return len(np.unique(self.clusters))

    @property
    def counts(self) -> dict[str, Any]:
        """What stands in every table."""
        return {"patients": self.patients, "unit": self.unit, "queries": len(self.clusters)}


def benchmark(
    neighbors: Mapping[str, pd.DataFrame],
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    k: int,
) -> Benchmark:
    """Put the neighbor tables of the query splits together. Arguments and errors are those of
    :func:`~radcbir.metrics.lists.labelled_lists`.
    """
    found: list[LabelledLists] = []
    excluding: list[np.ndarray] = []
    for split, table in neighbors.items():
        variants = labelled_lists(table, catalog, embedded, index_split, split, k)
        name = "other_patients" if "other_patients" in variants else "all"
        found.append(variants[name])
        excluding.append(np.full(len(found[-1].labels), name == "other_patients"))
    ids, labels, relevant, near, scores = (
        np.concatenate([getattr(each, name) for each in found])
        for name in ("query_ids", "labels", "relevant", "neighbor_labels", "scores")
    )
    depth = min(DEPTH, near.shape[1])
    answered, long = relevant > 0, (near[:, :depth] >= 0).all(axis=1)
    kept = answered & long
    patient = pd.Series(pd.factorize(catalog["patient_id"])[0], index=catalog["id"].to_numpy())
    index = catalog[(catalog["split"] == index_split) & catalog["id"].isin(embedded)]
    index_images, index = len(index), index[index["label"].notna()]
    lists = unlike.Lists(
        ids[kept],
        labels[kept],
        np.where(np.concatenate(excluding), patient.loc[ids].to_numpy(), -1)[kept],
        near[kept],
        scores[kept],
        index["id"].to_numpy(np.int64),
        pd.Index(found[0].names).get_indexer(index["label"]),
        patient.loc[index["id"]].to_numpy(),
    )
    clusters, unit = patients_as_clusters(catalog.set_index("id")["patient_id"].loc[lists.ids])
    images = found[0].index_images
    return Benchmark(
        lists,
        np.unique(clusters, return_inverse=True)[1],
        unit,
        depth,
        found[0].names,
        images / max(1, images.sum()),
        index_images,
        int((~answered).sum()),
        int((answered & ~long).sum()),
    )


def evaluate_confidence(
    given: Benchmark, alpha: float, vectors: Vectors | None, cosines: bool = True
) -> tuple[dict[str, pd.DataFrame], Stored]:
    """The tables of one model, and what is stored of its fit.

    ``vectors`` gives the unit vectors of images by id; None where neighbors do not come from
    vectors of this model. ``cosines`` says whether scores are similarities. Tables:

    - ``confidence``: a row per fit and measure with its interval; one row with a ``remark``, a
      sentence, where nothing is fitted;
    - ``reliability`` and ``risk_coverage``: the curves of the chosen fit;
    - ``first_right``: the share of queries with a right hit among the first k, by k;
    - ``sets``: one row: how many hits are enough;
    - ``unlike``: the limits of scores, and how well they tell queries of left-out classes.
    """
    right = given.right[:, : given.depth].ravel()
    stored: dict[str, Any] = {
        "depth": given.depth,
        "index_images": given.index_images,
        **given.counts,
        "priors": {
            str(name): float(share)
            for name, share in zip(given.names, given.priors, strict=True)
            if share > 0
        },
        "chance": None,
    }
    tables = {"reliability": reliability(right[:0], right[:0])}
    why = why_nothing(given, right)
    if why:
        tables["confidence"] = _no_fit(why)
        tables["risk_coverage"] = pd.DataFrame(columns=["coverage", "risk"])
    else:
        made, stored["chance"] = _chances(given, right)
        tables |= made
    about = given.counts | {
        "queries_without_relevant": given.without_relevant,
        "queries_too_short": given.too_short,
    }
    tables["confidence"] = tables["confidence"].assign(**about)
    tables["first_right"], tables["sets"], stored["set"] = _sets(given, alpha)
    tables["unlike"], stored["unlike"] = _unlike(given, vectors, cosines)
    return tables, stored


def why_nothing(given: Benchmark, right: np.ndarray) -> str:
    """Why nothing can be fitted, as a sentence; empty where something can. ``right`` are the hits."""
    queries, patients = len(given.clusters), given.patients
    if not queries:
        return "No query has an index image of its label."
    if (given.priors > 0).sum() == 1:
        return "All index images have the same label, so that every hit is right."
    if np.isnan(given.lists.scores[:, : given.depth]).any():
        return "The neighbors have no scores, so that nothing tells sure hits from others."
    if queries < FEWEST_QUERIES:
        return f"There are {queries} queries. A chance needs at least {FEWEST_QUERIES}."
    if patients < FEWEST_PATIENTS:
        whose = "one patient" if patients == 1 else f"{patients} patients"
        return f"The queries are of {whose}. A chance needs at least {FEWEST_PATIENTS}."
    if right.all():
        return "All hits are right, so that there is nothing to tell apart."
    if not right.any():
        return "No hit is right, so that there is nothing to tell apart."
    return ""


def unknown_patients(unit: str) -> str:
    """A sentence where not all patients are known; else empty."""
    if unit == "patient":
        return ""
    which = "No patient is known" if unit == "image" else "Not every patient is known"
    return f"{which}: an image without one counts as a patient of its own."


def _no_fit(why: str) -> pd.DataFrame:
    columns = ["fit", "chosen", "measure", "value", "low", "high", "effective_patients", "remark"]
    return pd.DataFrame([["", False, "", np.nan, np.nan, np.nan, np.nan, why]], columns=columns)


def _chances(given: Benchmark, right: np.ndarray) -> tuple[dict[str, pd.DataFrame], dict]:
    """The tables of the fits, and the chosen one, fitted on all patients."""
    lists, depth = given.lists, given.depth
    features = hit_features(lists.scores[:, :depth], lists.near[:, :depth], given.priors)
    features = features.reshape(len(right), -1)
    clusters = np.repeat(given.clusters, depth)
    chances = out_of_fold(features, right, clusters)
    best = chosen(chances, right, clusters)
    rows = []
    for fit in FITS:
        chance = chances[fit]
        found = {
            "auc": measures.area_under_roc(chance, right, clusters),
            "brier": of_mean((chance - right) ** 2, clusters),
            "ece": measures.expected_calibration_error(chance, right, clusters),
            "aurc": measures.area_under_risk(chance, right, clusters),
            "risk_at_80": _risk(measures.right_among_surest(chance, right, clusters, 0.8)),
            "right_of_surest_half": measures.right_among_surest(chance, right, clusters, 0.5),
            "right": of_mean(right, clusters),
        }
        rows += [
            (fit, fit == best, name, each.value, each.low, each.high, each.effective)
            for name, each in found.items()
        ]
    names = ["fit", "chosen", "measure", "value", "low", "high", "effective_patients"]
    _, risk = measures.risks(chances[best], right)
    last = np.maximum(1, np.ceil(measures.COVERAGES * len(risk) - 1e-9).astype(int)) - 1
    return {
        "confidence": pd.DataFrame(rows, columns=names).assign(remark=unknown_patients(given.unit)),
        "reliability": reliability(chances[best], right),
        "risk_coverage": pd.DataFrame({"coverage": measures.COVERAGES, "risk": risk[last]}),
    }, fitted(best, features, right)


def _risk(right: Measure) -> Measure:
    """The share of wrong ones from that of right ones."""
    return replace(right, value=1 - right.value, low=1 - right.high, high=1 - right.low)


def _sets(given: Benchmark, alpha: float) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """The curve of first right hits, how many hits are enough, and what is stored of it."""
    deepest = given.lists.near.shape[1]
    first, clusters = conformal.first_right(given.right), given.clusters
    needed, size, covered = conformal.fewest_patients(alpha), None, NO_VALUE
    shares = conformal.shares_by_k(first, clusters, deepest) if len(first) else first[:0]
    sure = f"{1 - alpha:.0%}".replace("%", " %")
    if not len(first):
        remark = "No query has an index image of its label."
    elif given.patients < needed:
        whose = "one patient" if given.patients == 1 else f"{given.patients} patients"
        remark = f"The queries are of {whose}. For {sure} at least {needed} are needed."
    else:
        size = conformal.set_size(first, clusters, alpha, deepest)
        remark = unknown_patients(given.unit)
        if size is None:
            remark = f"A list of {deepest} is not enough for {sure}: ask for a larger `k`."
        left_out = conformal.left_out_coverage(first, clusters, alpha, deepest)
        if not np.isnan(left_out).any():
            covered = of_mean(left_out, np.arange(len(left_out)))
    row = {
        "alpha": alpha,
        "size": size if size is not None else np.nan,
        "coverage": covered.value,
        "low": covered.low,
        "high": covered.high,
        "deepest": deepest,
        "needed_patients": needed,
        **given.counts,
        "remark": remark,
    }
    curve = pd.DataFrame({"k": np.arange(1, len(shares) + 1), "share": shares})
    return curve, pd.DataFrame([row]), {"alpha": alpha, "size": size}


def _unlike(
    given: Benchmark, vectors: Vectors | None, cosines: bool
) -> tuple[pd.DataFrame, dict[str, float] | None]:
    """The limits of scores with how well they tell queries of left-out classes, and the limits."""
    scores, below, found, remark = given.lists.scores[:, : given.depth], None, None, ""
    if np.isnan(scores).any():
        remark = "The neighbors have no scores."
    elif not cosines:
        remark = "The scores are no similarities, so that no limit says what is unlike."
    elif len(scores) < unlike.FEWEST_QUERIES:
        remark = (
            f"There are {len(scores)} queries. The first percentile needs at least "
            f"{unlike.FEWEST_QUERIES}."
        )
    else:
        below = unlike.limits(unlike.statistics(scores))
        if vectors is not None:
            found = unlike.held_out(given.lists, given.depth, below, given.clusters, vectors)
        if found is None:
            remark = "No class can be left out of the index, so that the limits are not tested."
    rows = []
    for name in (*unlike.STATISTICS, "either"):
        area = found.areas.get(name, NO_VALUE) if found else NO_VALUE
        flagged = found.flagged[name] if found else NO_VALUE
        rows.append(
            {
                "statistic": name,
                "limit": below[name] if below and name in below else np.nan,
                "auroc": area.value,
                "low": area.low,
                "high": area.high,
                "flagged": flagged.value,
                "flagged_low": flagged.low,
                "flagged_high": flagged.high,
                "classes": found.classes if found else 0,
                "held_out_queries": found.queries if found else 0,
                **given.counts,
                "remark": remark,
            }
        )
    return pd.DataFrame(rows), below
