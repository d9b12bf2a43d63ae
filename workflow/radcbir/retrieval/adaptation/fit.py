"""Linear maps of vectors, fitted on images with known labels.

- ``pca_whitening``: the first principal components, each divided by its standard deviation (Jégou
  and Chum, *Negative evidences and co-occurences in image retrieval*, ECCV 2012). It uses no label.
- ``lda``: linear discriminant analysis; the covariance within each label is shrunk (Ledoit and
  Wolf, *J. Multivariate Analysis* 88, 2004), by scikit-learn.
- ``wccn``: within-class covariance normalisation: the inverse root of the covariance within labels,
  shrunk the same way (Hatch, Kajarekar, Stolcke, Interspeech 2006). No direction is dropped.
- ``projection``: a linear layer trained by a metric loss (:mod:`.projection`).

All take off the mean first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.retrieval.adaptation.transform import Transform
from radcbir.retrieval.reduction import principal_components

MOST_IMAGES = 100_000
"""A fit sees at most so many images, drawn at random: the memory of a fit has an end."""

FEWEST_LABELS = {"lda": 3, "wccn": 1, "projection": 2}
"""A way -> how many labels with two images or more it needs. Two labels leave LDA one number per
image, and the cosine of two numbers is 1 or -1."""


def images_to_fit(taught: pd.DataFrame, asking: set[str]) -> pd.DataFrame:
    """The rows of ``taught`` (id, patient_id, label: index images) that a fit may see.

    Images of the patients ``asking``, who have query images, are left out. Raises
    :class:`InputError` where nothing is left.
    """
    kept = taught[~taught["patient_id"].isin(asking)]
    if not len(kept):
        raise InputError(
            "nothing is left to fit an adapted model on: every image of the index is of a patient "
            "who has a query image as well; split by patient"
        )
    if len(kept) < len(taught):
        logger.info(
            "%d images are left out of the fit: their patients have query images",
            len(taught) - len(kept),
        )
    if len(kept) > MOST_IMAGES:
        logger.info("the fit sees %d of %d images, drawn at random", MOST_IMAGES, len(kept))
        kept = kept.sample(MOST_IMAGES, random_state=0).sort_values("id")
    return kept.reset_index(drop=True)


def fit(vectors: np.ndarray, labels: np.ndarray, settings: Mapping[str, Any]) -> Transform:
    """The map that ``settings`` ask for (``by``, and the settings of it), from unit vectors
    ``(n, d)`` and their labels ``(n,)``.

    Labels of one image tell nothing of what is within a label: the ways that learn from labels
    leave them out. Raises :class:`InputError` where there are too few labels, or where all vectors
    are the same.
    """
    way = settings["by"]
    if way == "pca_whitening":
        return _pca_whitening(vectors, settings["components"])
    _, codes, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    several = counts[codes] > 1
    found = int((counts > 1).sum())
    if found < FEWEST_LABELS[way]:
        needed = FEWEST_LABELS[way]
        raise InputError(
            f"`by: {way}` needs at least {needed} {'label' if needed == 1 else 'labels'} with two "
            f"images or more to fit on, and there {'is' if found == 1 else 'are'} {found}: take "
            "another way to adapt, or leave this model out"
        )
    logger.info("fitted on %d images of %d labels", several.sum(), found)
    vectors, codes = vectors[several], np.unique(codes[several], return_inverse=True)[1]
    if np.ptp(vectors, axis=0).max() == 0:
        raise _all_alike()
    if way == "lda":
        return _lda(vectors, codes)
    if way == "wccn":
        return _wccn(vectors, codes)
    from radcbir.retrieval.adaptation.projection import projection

    return projection(vectors, codes, settings)


def _pca_whitening(vectors: np.ndarray, components: int) -> Transform:
    try:
        found = principal_components(vectors)
    except ValueError:
        raise _all_alike() from None
    kept = min(components, found.rank)
    axes = found.components[:kept] / np.sqrt(found.variances[:kept, None])
    return Transform(found.mean, axes.T)


def _lda(vectors: np.ndarray, codes: np.ndarray) -> Transform:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    values = vectors.astype(np.float64)
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(values, codes)
    kept = min(len(model.classes_) - 1, vectors.shape[1])
    return Transform(values.mean(axis=0), model.scalings_[:, :kept])


def _wccn(vectors: np.ndarray, codes: np.ndarray) -> Transform:
    from sklearn.covariance import ledoit_wolf

    values = vectors.astype(np.float64)
    counts = np.bincount(codes)
    means = np.stack([values[codes == each].mean(axis=0) for each in range(len(counts))])
    covariance = ledoit_wolf(values - means[codes], assume_centered=True)[0]
    spreads, axes = np.linalg.eigh(covariance)
    if spreads[-1] <= 0:
        raise _all_alike()
    return Transform(values.mean(axis=0), axes / np.sqrt(np.maximum(spreads, 1e-12 * spreads[-1])))


def _all_alike() -> InputError:
    return InputError(
        "all vectors that an adapted model would be fitted on are the same: look at the model that "
        "they come from"
    )
