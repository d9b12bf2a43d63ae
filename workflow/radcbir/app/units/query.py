"""A series, a study or a patient as the query: one of the catalog, or slices that are uploaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from radcbir.app.inventory import why_missing
from radcbir.app.query_vectors import QueryVectors, Upload
from radcbir.app.question import Question
from radcbir.app.stored import Stored
from radcbir.app.units.vectors import SliceVectors
from radcbir.app.vectors import unit
from radcbir.core.errors import InputError
from radcbir.core.text.retrieved import several
from radcbir.project.image_models import image_model
from radcbir.retrieval.units.vectors import pooled_vectors


@dataclass(frozen=True)
class UnitQuery:
    """What is asked with."""

    vector: np.ndarray
    """(d,): that of the whole"""
    slices: np.ndarray
    """(n, e): those of its slices, by the model whose vectors of images there are"""
    names: list[str]
    """n ids of images of the catalog, or places among the items of the question."""


def check_question(question: Question, kind: str) -> None:
    """Raise :class:`InputError` for what makes no sense where ``kind`` (``series``, ``study``,
    ``patient``) is retrieved.
    """
    found = several(kind)
    if any(each.kind == "text" for each in question.items):
        raise InputError(
            f"this experiment finds {found}, which are not compared with words: ask with slices"
        )
    if any(each.crop for each in question.items):
        raise InputError(
            f"this experiment finds {found}, which have no regions: take the whole slice"
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
                    found[model] = self._of_catalog(question.experiment, model, first.id)
                else:
                    found[model] = self._of_uploads(question, model, uploads)
            except InputError as error:
                found[model] = error
        return found

    def _of_catalog(self, experiment: str, model: str, identity: int) -> UnitQuery:
        vector = self.stored.vector(experiment, model, identity)
        ids, slices = self.slices.of(experiment, model, identity)
        return UnitQuery(vector, slices, [str(each) for each in ids])

    def _of_uploads(self, question: Question, model: str, uploads: Sequence[Upload]) -> UnitQuery:
        """The same steps as for the units of the index: rule ``unit_embeddings``, then the map of an
        adapted model.
        """
        project, own = self.stored.project, image_model(self.stored.project, model)
        vectors = self.images.each(replace(question, models=(own,)), uploads)[own]
        if isinstance(vectors, InputError):
            raise vectors
        slices = np.stack(vectors)
        pooling = project.experiments[question.experiment]["pooling"]
        pooled = pooled_vectors(slices, np.zeros(1, int), pooling, project.part_widths(own))[0]
        try:
            vector = self.images.adapted(question.experiment, model, unit(pooled))
        except ValueError:
            raise InputError("the slices of the query cancel one another: take one away") from None
        return UnitQuery(vector, slices, [str(place) for place in range(len(slices))])
