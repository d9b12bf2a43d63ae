"""Ranked images as results: near duplicates folded below the best of them, and one result per
patient.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from radcbir.app.vectors import VectorIndex, folded

DEEPEST = 25
"""How many times k is searched at most to fill up k groups of near duplicates."""

MOST_OTHERS = 12
"""Images of a patient beside the best one that are listed."""


@dataclass
class Group:
    """One result, as positions in the index."""

    head: int
    duplicates: list[int] = field(default_factory=list)
    of_patient: list[int] = field(default_factory=list)
    """Other images of the same patient, best first, :data:`MOST_OTHERS` at most."""
    patient_images: int = 0
    """How many of these there are."""

    def all(self) -> list[int]:
        """All positions."""
        return [self.head, *self.duplicates, *self.of_patient]


@dataclass(frozen=True)
class Ranking:
    """A search of ``query`` ``(d,)`` for ``k`` results."""

    index: VectorIndex
    query: np.ndarray
    admitted: np.ndarray
    """bool ``(n,)``: which images may be found."""
    k: int
    fold: float | None
    """Images more similar than this are near duplicates; None: nothing is folded."""
    shared: Mapping[int, frozenset]
    """By id, what each image is a near duplicate of."""

    def groups(self) -> list[Group]:
        """The k best images, near duplicates folded below them."""
        available = int(self.admitted.sum())
        count = min(available, self.k if self.fold is None else 4 * self.k)
        while True:
            positions, _ = self.index.best(self.query, count, self.admitted)
            groups = self._folded(positions)
            if len(groups) >= self.k or count >= min(available, DEEPEST * self.k):
                return groups
            count = min(available, DEEPEST * self.k)

    def groups_of_patients(self, patients: np.ndarray) -> list[Group]:
        """The best image of each of the k best patients, with others of the same patient.

        ``patients`` (int ``(n,)``) says whose each image is, -1 where the patient is not known:
        such an image stands for itself. Near duplicates of other patients are folded too.
        """
        heads = np.empty(0, dtype=np.int64)
        groups: list[Group] = []
        for part in self._best_of_patients(patients):
            heads = np.concatenate([heads, part])
            groups = self._folded(heads)
            if len(groups) >= self.k:
                break
        self._add_others(groups, patients)
        return groups

    def _folded(self, positions: np.ndarray) -> list[Group]:
        if self.fold is None:
            return [Group(position) for position in positions[: self.k].tolist()]
        ids = self.index.ids[positions].tolist()
        found = folded(self.index.vectors[positions], ids, self.k, self.fold, self.shared)
        places = [positions[group].tolist() for group in found]
        return [Group(head, others) for head, *others in places]

    def _best_of_patients(self, patients: np.ndarray) -> Iterator[np.ndarray]:
        """The best image of each patient, best first, in parts. Each part comes from a search among
        patients that were not found before, twice as deep each time, so that a patient with
        thousands of images does not hide the others.
        """
        left, depth = self.admitted.copy(), 4 * self.k
        while True:
            positions, _ = self.index.best(self.query, depth, left)
            if not len(positions):
                return
            owners = patients[positions]
            first = owners < 0
            first[np.unique(owners, return_index=True)[1]] = True
            yield positions[first]
            left[positions] = False
            left &= ~_among(patients, owners)
            depth *= 2

    def _add_others(self, groups: list[Group], patients: np.ndarray) -> None:
        heads = np.array([each.head for each in groups], dtype=np.int64)
        candidates = self.admitted & _among(patients, patients[heads])
        candidates[heads] = False
        places = np.flatnonzero(candidates)
        scores = self.index.vectors[places].astype(np.float64) @ self.query.astype(np.float64)
        places = places[np.lexsort((self.index.ids[places], -scores, patients[places]))]
        owners = patients[places]
        for group in groups:
            owner = patients[group.head]
            if owner >= 0:
                start, end = np.searchsorted(owners, [owner, owner + 1])
                group.of_patient = places[start : min(end, start + MOST_OTHERS)].tolist()
                group.patient_images = int(end - start)


def _among(patients: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which images belong to one of the ``wanted`` patients, bool ``(n,)``."""
    chosen = np.zeros(int(patients.max(initial=-1)) + 2, dtype=bool)
    chosen[wanted[wanted >= 0]] = True
    return chosen[patients]  # -1 is the last place, which nobody has
