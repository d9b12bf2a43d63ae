"""Fits that have not seen some labels, or a dataset: what an adaptation does to what is new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import Progress
from radcbir.retrieval.adaptation import transform
from radcbir.retrieval.adaptation.fit import fit
from radcbir.retrieval.adaptation.transform import Transform


@dataclass(frozen=True)
class Fold:
    """What one fit has not seen."""

    kind: str
    """``label`` or ``dataset``."""
    held: Sequence[str]
    """The labels, or the dataset."""
    error: str = ""
    """Why there is no such fit, in one sentence; empty where there is one."""

    def asked(self, catalog: pd.DataFrame) -> pd.Series:
        """Bool per row of ``catalog``: the images that this fold is about."""
        return catalog[self.kind].isin(self.held)


def folds(images: pd.DataFrame, count: int) -> list[Fold]:
    """``count`` parts of the labels at most, drawn at random, and each of several datasets.

    ``images`` are those that a fit may see: label, dataset.
    """
    labels = np.unique(images["label"].astype(str))
    order = np.random.default_rng(0).permutation(labels)
    parts = min(count, len(labels)) if len(labels) > 1 else 0
    found = [Fold("label", sorted(order[part::parts])) for part in range(parts)]
    datasets = sorted(images["dataset"].unique())
    return found + [Fold("dataset", [each]) for each in datasets if len(datasets) > 1]


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


def save(path: str | Path, fits: Sequence[tuple[Fold, Transform | None]]) -> None:
    """Write the fits of :func:`fit_without` to one file."""
    listed = json.dumps([asdict(fold) for fold, _ in fits])
    maps = {str(place): each for place, (_, each) in enumerate(fits) if each is not None}
    transform.save(path, maps, {"folds": listed})


def load(path: str | Path) -> Iterator[tuple[Fold, Transform | None]]:
    """The fits of a file of :func:`save`."""
    maps = transform.load(path)
    for place, each in enumerate(json.loads(transform.attributes(path)["folds"])):
        yield Fold(**each), maps.get(str(place))
