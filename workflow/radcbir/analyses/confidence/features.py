"""What is known of a hit when its query's label is not."""

import numpy as np

DEPTH = 10
"""Hits of a query that get a chance; what a hit has in common with the others is seen in these."""

FEATURES = (
    "score",
    "log_rank",
    "gap_to_first",
    "gap_to_next",
    "agreement",
    "weighted_agreement",
    "density",
    "log_prior",
)
"""Score; natural logarithm of the rank; how far the score is below the first one, and above the
next one (0 for the last hit); the share of hits with the same label, counted and weighted by score
(negative scores weigh nothing); the mean score; natural logarithm of the label's share of the
index."""


def hit_features(scores: np.ndarray, labels: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """The :data:`FEATURES` ``(q, D, 8)`` of the first D hits of q queries.

    ``scores`` ``(q, D)`` fall with the rank, ``labels`` ``(q, D)`` are codes, ``priors`` ``(C,)``
    the shares of the index that have each label.
    """
    scores = np.asarray(scores, dtype=np.float64)
    found = np.empty((*scores.shape, len(FEATURES)))
    same = labels[:, :, None] == labels[:, None, :]
    weights = np.clip(scores, 0, None)
    weights[weights.sum(axis=1) == 0] = 1
    found[..., 0] = scores
    found[..., 1] = np.log(np.arange(1, scores.shape[1] + 1))
    found[..., 2] = scores[:, :1] - scores
    found[..., 3] = -np.diff(scores, axis=1, append=scores[:, -1:])
    found[..., 4] = same.mean(axis=2)
    found[..., 5] = np.einsum("qrs,qs->qr", same, weights) / weights.sum(axis=1)[:, None]
    found[..., 6] = scores.mean(axis=1)[:, None]
    found[..., 7] = np.log(priors[labels])
    return found
