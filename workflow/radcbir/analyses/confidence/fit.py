"""Chances from features: three fits, tried on patients that they have not seen, and the choice.

Simplest first: isotonic regression on the score, logistic regression on all features, isotonic
regression on the logistic chance (scikit-learn).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from radcbir.analyses.confidence.stored import probability
from radcbir.metrics.intervals import average, difference_interval

FITS = {
    "score": "isotonic regression on the score",
    "logistic": "logistic regression on all features",
    "both": "isotonic regression on the logistic chance",
}
"""Simplest first."""

FEW_PATIENTS, FOLDS = 20, 10
"""Up to so many patients, each is left out on its own; with more there are so many folds."""


def fitted(kind: str, features: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """One of :data:`FITS` on hits with ``features`` ``(n, F)``, as
    :func:`~radcbir.analyses.confidence.stored.probability` takes it.

    Where all hits are right, or none, the chance is constant.
    """
    return all_fitted(features, right, [kind])[kind]


def all_fitted(
    features: np.ndarray, right: np.ndarray, kinds: Iterable[str] = FITS
) -> dict[str, dict[str, Any]]:
    """Several of them.

    Logistic regression has standardised features and scikit-learn's default penalty (C = 1). Its
    solver is Newton's, since features are few.
    """
    if right.all() or not right.any():
        return {kind: {"thresholds": [0.0], "values": [float(right[0])]} for kind in kinds}
    logistic: dict[str, Any] = {}
    if set(kinds) != {"score"}:
        center, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < 1e-12] = 1
        model = LogisticRegression(solver="newton-cholesky").fit((features - center) / scale, right)
        logistic = {
            "center": center.tolist(),
            "scale": scale.tolist(),
            "coefficients": model.coef_[0].tolist(),
            "intercept": float(model.intercept_[0]),
        }
    found = {}
    for kind in kinds:
        found[kind] = {} if kind == "score" else dict(logistic)
        if kind != "logistic":
            monotone = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            monotone.fit(probability(found[kind], features), right.astype(np.float64))
            found[kind]["thresholds"] = monotone.X_thresholds_.tolist()
            found[kind]["values"] = monotone.y_thresholds_.tolist()
    return found


def out_of_fold(
    features: np.ndarray, right: np.ndarray, clusters: np.ndarray
) -> dict[str, np.ndarray]:
    """Per fit the chances ``(n,)`` of hits by fits on other patients; ``clusters`` ``(n,)`` are the
    patients. No patient is in two folds.
    """
    patients = len(np.unique(clusters))
    folds = GroupKFold(patients if patients <= FEW_PATIENTS else FOLDS)
    found = {kind: np.empty(len(right)) for kind in FITS}
    for train, test in folds.split(features, right, clusters):
        fits = all_fitted(features[train], right[train])
        for kind, chance in found.items():
            chance[test] = probability(fits[kind], features[test])
    return found


def chosen(chances: Mapping[str, np.ndarray], right: np.ndarray, clusters: np.ndarray) -> str:
    """The simplest fit that no other one beats: a later one of :data:`FITS` is taken where its Brier
    score is lower and the 95 % interval of the difference, by patient, is above 0.
    """
    errors = np.column_stack([(chances[kind] - right) ** 2 for kind in FITS])
    found = average(errors, np.unique(clusters, return_inverse=True)[1])
    best = 0
    for place in range(1, len(FITS)):
        gain = found.value[best] - found.value[place]
        moves = (found.moves[:, best] - found.moves[:, place])[:, None]
        (low,), _ = difference_interval(np.array([gain]), moves, found.effective)
        best = place if low > 0 else best
    return list(FITS)[best]
