"""A series, a study or a patient as the query: one of the catalog, or slices that are uploaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from radcbir.app.inventory import why_missing
from radcbir.app.query_vectors import QueryVectors, Upload
from radcbir.app.question import MOST_ITEMS, Item, Question
from radcbir.app.stored import Stored
from radcbir.app.units.positions import distances
from radcbir.app.units.slices import GONE
from radcbir.app.units.vectors import SliceVectors
from radcbir.app.vectors import unit
from radcbir.core.errors import InputError
from radcbir.core.text.retrieved import several
from radcbir.project.image_models import image_model
from radcbir.retrieval.units.vectors import pooled_vectors


@dataclass(frozen=True)
class Lie:
    """Where the slices of a query lie."""

    orders: np.ndarray
    """(n,): their numbers, one after the other"""
    positions: np.ndarray | None
    """(n,): in mm; None where they are not known"""
    both_ways: bool
    """Whether nobody knows which end of the series in the index the positions count from."""


@dataclass(frozen=True)
class UnitQuery:
    """What is asked with."""

    vector: np.ndarray
    """(d,): that of the whole"""
    slices: np.ndarray
    """(n, e): those of its slices, by the model whose vectors of images there are"""
    names: list[str]
    """n ids of images of the catalog, or places among the items of the question."""
    lie: Lie | None = None
    """Where its slices lie, for a question for a place."""

    @property
    def order(self) -> np.ndarray:
        """(n,): its slices as they lie, where that is known."""
        if self.lie is None:
            return np.arange(len(self.names))
        positions = self.lie.positions
        return np.argsort(self.lie.orders if positions is None else positions, kind="stable")

    @property
    def middle(self) -> int:
        """The slice in the middle."""
        return int(self.order[len(self.order) // 2])


def check_question(question: Question, kind: str) -> None:
    """Raise :class:`InputError` for what makes no sense where ``kind`` (``series``, ``study``,
    ``patient``, or ``image``) is retrieved.
    """
    if kind == "image":
        if question.place or any(each.slices for each in question.items):
            raise InputError(
                "this experiment finds single images, which have no parts: choose one that finds "
                "series, studies or patients"
            )
        return
    found = several(kind)
    if any(each.kind == "text" for each in question.items):
        raise InputError(
            f"this experiment finds {found}, which are not compared with words: ask with slices"
        )
    if question.right or question.wrong:
        raise InputError(
            f"this experiment finds {found}, by which no search is refined: take the marks away"
        )
    if question.fold is not None:
        raise InputError(
            f"this experiment finds {found}, of which near duplicates are not known: switch the "
            "folding off"
        )
    of_catalog = sum(each.kind == "image" for each in question.items)
    if of_catalog and len(question.items) > 1:
        raise InputError(
            f"ask with one {kind} of the catalog, or with slices of your own: take the others away"
        )


class UnitQueries:
    """Makes the vectors of what is asked with."""

    def __init__(self, stored: Stored, images: QueryVectors, slices: SliceVectors):
        """``images`` embeds slices that are uploaded."""
        self.stored, self.images, self.slices = stored, images, slices

    def of(
        self, question: Question, uploads: Sequence[Upload]
    ) -> dict[str, UnitQuery | InputError]:
        """Per model of a question the query, or why there is none."""
        [first, *_] = question.items
        found: dict[str, UnitQuery | InputError] = {}
        for model in question.models:
            try:
                if missing := why_missing(self.stored, question.experiment, model):
                    name = self.stored.project.cards[model]["name"]
                    raise InputError(f"{name} cannot be used: {missing}")
                if first.kind == "image":
                    found[model] = self._of_catalog(question, model, first)
                else:
                    found[model] = self._of_uploads(question, model, uploads)
            except InputError as error:
                found[model] = error
        return found

    def _of_catalog(self, question: Question, model: str, item: Item) -> UnitQuery:
        """A unit by its stored vector; of a part of it the slices, by their stored vectors or, in a
        box, by the encoder.
        """
        experiment = question.experiment
        if not (item.crop or item.slices or question.place):
            vector = self.stored.vector(experiment, model, item.id)
            ids, slices = self.slices.of(experiment, model, item.id)
            return UnitQuery(vector, slices, [str(each) for each in ids])
        ids, rows = self._chosen(question, model, item)
        lie = self._lie_of_catalog(experiment, rows) if question.place else None
        if item.crop:
            own = image_model(self.stored.project, model)
            cropped = tuple(Item("image", id=int(each), crop=item.crop) for each in ids)
            slices = self._embedded(replace(question, items=cropped), own, [])
        else:
            slices = self.slices.some(experiment, model, ids)
        vector = self._pooled(question, model, slices)
        return UnitQuery(vector, slices, [str(each) for each in ids], lie)

    def _chosen(self, question: Question, model: str, item: Item) -> tuple[np.ndarray, np.ndarray]:
        """Ids of the slices that are asked with, and where they stand in the table of slices."""
        kind, slices = (
            self.stored.unit(question.experiment),
            self.stored.slices(question.experiment),
        )
        rows = slices.rows(item.id)
        if not len(rows):
            raise InputError(GONE)
        first, last = item.slices or (0, len(rows) - 1)
        if last >= len(rows):
            raise InputError(
                f"this {kind} has {len(rows)} slices: choose from the first, 1, to the last, "
                f"{len(rows)}"
            )
        rows = rows[first : last + 1]
        embedded = self.slices.embedded(question.experiment, model, slices.collection.ids[rows])
        rows = rows[embedded]
        rows = rows[:: -(-len(rows) // MOST_ITEMS) or 1]
        if not len(rows):
            raise InputError("the model has no vector of these slices: choose others")
        return slices.collection.ids[rows], rows

    def _lie_of_catalog(self, experiment: str, rows: np.ndarray) -> Lie:
        order = self.stored.slices(experiment).lying
        if len(np.unique(order.series[rows])) > 1:
            raise InputError(
                f"these slices of a {self.stored.unit(experiment)} are of several series or planes, "
                "and lie in no row: choose slices of one"
            )
        placed = order.placed[rows].all()
        positions = order.positions[rows] if placed else None
        return Lie(order.orders[rows], positions, both_ways=False)

    def _of_uploads(self, question: Question, model: str, uploads: Sequence[Upload]) -> UnitQuery:
        """The same steps as for the units of the index: rule ``unit_embeddings``, then the map of an
        adapted model.
        """
        slices = self._embedded(question, image_model(self.stored.project, model), uploads)
        vector = self._pooled(question, model, slices)
        lie = self._lie_of_uploads(question, uploads) if question.place else None
        return UnitQuery(vector, slices, [str(place) for place in range(len(slices))], lie)

    def _lie_of_uploads(self, question: Question, uploads: Sequence[Upload]) -> Lie:
        items = question.items
        positions = distances(self.images.places(question, uploads))
        orders = np.arange(len(items))
        if len({each.file for each in items}) == 1 and len(items) > 1:
            numbers = [[n for key, n in each.part.items() if key != "volume"] for each in items]
            if all(len(each) == 1 for each in numbers):  # one in two, three ... of a long file
                orders = np.array([each for [each] in numbers])
        return Lie(orders, positions, both_ways=True)

    def _embedded(self, question: Question, own: str, uploads: Sequence[Upload]) -> np.ndarray:
        vectors = self.images.each(replace(question, models=(own,)), uploads)[own]
        if isinstance(vectors, InputError):
            raise vectors
        return np.stack(vectors)

    def _pooled(self, question: Question, model: str, slices: np.ndarray) -> np.ndarray:
        project, own = self.stored.project, image_model(self.stored.project, model)
        pooling = project.experiments[question.experiment]["pooling"]
        pooled = pooled_vectors(slices, np.zeros(1, int), pooling, project.part_widths(own))[0]
        try:
            return self.images.adapted(question.experiment, model, unit(pooled))
        except ValueError:
            raise InputError("the slices of the query cancel one another: take one away") from None
