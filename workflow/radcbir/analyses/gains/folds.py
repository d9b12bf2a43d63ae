"""What fits have not seen: some labels, or a dataset; and the file of such fits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.retrieval.adaptation import transform
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


def save(path: str | Path, fits: Sequence[tuple[Fold, Transform | None]]) -> None:
    """Write fits, with what each has not seen, to one file."""
    listed = json.dumps([asdict(fold) for fold, _ in fits])
    maps = {str(place): each for place, (_, each) in enumerate(fits) if each is not None}
    transform.save(path, maps, {"folds": listed})


def load(path: str | Path) -> Iterator[tuple[Fold, Transform | None]]:
    """The fits of a file of :func:`save`."""
    maps = transform.load(path)
    for place, each in enumerate(json.loads(transform.attributes(path)["folds"])):
        yield Fold(**each), maps.get(str(place))
