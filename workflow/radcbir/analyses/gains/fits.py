"""Fits that have not seen some labels, or a dataset: what an adaptation does to what is new."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from radcbir.analyses.gains.folds import Fold, folds
from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.retrieval.adaptation.fit import fit
from radcbir.retrieval.adaptation.transform import Transform


def fit_without(
    images: pd.DataFrame, vectors: np.ndarray, count: int, settings: Mapping[str, Any]
) -> list[tuple[Fold, Transform | None]]:
    """A fit by ``settings`` for each of the :func:`folds`, on the images that are not of it.

    ``images`` (label, dataset) are the rows of ``vectors`` ``(n, d)``. Where too little is left,
    the fold says so.
    """
    found: list[tuple[Fold, Transform | None]] = []
    wanted = folds(images, count)
    progress = Progress(len(wanted), "fits")
    for each in wanted:
        kept = ~each.asked(images).to_numpy()
        try:
            found.append((each, fit(vectors[kept], images["label"].to_numpy()[kept], settings)))
        except InputError as error:
            found.append((Fold(each.kind, each.held, str(error)), None))
        progress.advance()
    return found
