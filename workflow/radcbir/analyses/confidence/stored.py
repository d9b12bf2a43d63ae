"""What is stored of a model's fit, and what it says of the hits of a new query.

The file is JSON: numbers and names, nothing that runs. Reading it needs NumPy alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radcbir.analyses.confidence.features import hit_features
from radcbir.core.files import write_text

Stored = Mapping[str, Any]
"""``depth`` (hits that get a chance), ``index_images``, ``queries`` and ``patients`` behind the fit,
``unit`` (what counts as a patient), ``priors`` (label -> its share of the index), ``chance`` (the
fit; None where there is none), ``set`` (``alpha``, ``size``) and ``unlike`` (``best``, ``mean``;
None where there are no thresholds)."""


@dataclass(frozen=True)
class Rating:
    """What is said of the hits of one query."""

    chance: np.ndarray
    """``(n,)``: the chance that each hit is right; NaN where nothing is said."""
    unlike: bool | None
    """Whether the query is unlike the benchmark's; None where nothing is said."""


def write_stored(path: str | Path, stored: Stored) -> None:
    """Write a fit as JSON."""
    write_text(path, json.dumps(stored, indent=1, allow_nan=False))


def read_stored(path: str | Path) -> Stored:
    """Read the file of a fit."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def probability(chance: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """The chances ``(n,)`` of hits with these features ``(n, F)``, by a fit.

    A fit has a logistic part (``center``, ``scale``, ``coefficients``, ``intercept``), a monotone
    part (``thresholds``, ``values``, linear in between), or both, one after the other. The monotone
    part alone takes the score, the first feature.
    """
    found = features[:, 0]
    if "coefficients" in chance:
        center, scale, weights = (
            np.array(chance[each]) for each in ("center", "scale", "coefficients")
        )
        logit = (features - center) / scale @ weights + chance["intercept"]
        found = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
    if "thresholds" in chance:
        found = np.interp(found, chance["thresholds"], chance["values"])
    return found


def chance_right(stored: Stored, scores: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """The chance ``(n,)`` that each of a query's hits, best first, has the query's label.

    ``scores`` ``(n,)``, ``labels`` n names. NaN behind the first ``depth`` hits, and everywhere
    where there are fewer hits than that, one of the labels is not in the index of the fit, or there
    is no fit.
    """
    found, depth = np.full(len(scores), np.nan), stored["depth"]
    priors, first = stored["priors"], list(labels[:depth])
    known = len(first) == depth and all(each in priors for each in first)
    if stored["chance"] is None or not known or not np.isfinite(scores[:depth]).all():
        return found
    names = list(dict.fromkeys(first))
    codes = np.array([names.index(each) for each in first])
    shares = np.array([priors[each] for each in names])
    features = hit_features(np.asarray(scores)[None, :depth], codes[None], shares)[0]
    found[:depth] = probability(stored["chance"], features)
    return found


def in_ten(chance: float) -> str:
    """A chance as a number of ten cases, in words; empty where there is none."""
    if np.isnan(chance):
        return ""
    number = round(10 * chance)
    return {0: "fewer than 1", 10: "more than 9"}.get(number, f"about {number}") + " of 10"


def is_unlike(stored: Stored, scores: np.ndarray) -> bool | None:
    """Whether the best score of a query, or the mean of its first ``depth``, is below that of nearly
    all queries of the benchmark. None where that is not known.
    """
    limits, depth = stored["unlike"], stored["depth"]
    if limits is None or len(scores) < depth or not np.isfinite(scores[:depth]).all():
        return None
    first = np.asarray(scores[:depth], dtype=np.float64)
    return bool(first[0] < limits["best"] or first.mean() < limits["mean"])


def rated(stored: Stored, scores: np.ndarray, labels: Sequence[str | None]) -> Rating:
    """What is said of the hits of one query, best first. Hits without exactly one label (None) are
    passed over, as in the benchmark. A query that is unlike the benchmark has no chances: they are
    those of the benchmark's.
    """
    kept = [place for place, label in enumerate(labels) if label is not None]
    one, names = np.asarray(scores)[kept], [str(labels[place]) for place in kept]
    chance, unlike = np.full(len(scores), np.nan), is_unlike(stored, one)
    if not unlike:
        chance[kept] = chance_right(stored, one, names)
    return Rating(chance, unlike)
