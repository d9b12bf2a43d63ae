"""From a question of the page to its answer."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radcbir.analyses.confidence.stored import Stored as Fit
from radcbir.analyses.confidence.stored import rated
from radcbir.app import inventory
from radcbir.app.collection import Collection
from radcbir.app.query_vectors import QueryVectors, Upload
from radcbir.app.question import Question, shown
from radcbir.app.stored import Recent, Stored
from radcbir.app.vectors import VectorIndex, folded, refined
from radcbir.app.workers import Workers
from radcbir.core.errors import InputError
from radcbir.images.address import split_address
from radcbir.project.configuration import Project

DEEPEST = 25
"""How many times k is searched at most to fill up k groups of near duplicates."""

PICTURE_SIDES = (192, 1024)
"""Longest sides of pictures of catalog images: in the list, and on their own."""

KEPT_PICTURES = 3000
"""Small pictures of the catalog that are kept in memory."""

NO_PATCHES = "gives no features of patches, so there is no map of where the match is"


class Engine:
    """What the page can find in a project's results; several threads may use it at a time."""

    def __init__(self, project: Project, pixels: int):
        """``pixels`` is how many an uploaded image may have."""
        self.project, self.stored, self.workers = project, Stored(project), Workers(pixels)
        self.vectors = QueryVectors(self.stored, self.workers)
        self.pictures = Recent(KEPT_PICTURES)

    def close(self) -> None:
        """End the child processes; none is started from now on."""
        self.workers.close()

    def setup(self) -> list[dict]:
        """The experiments with their models, filters and sample queries; what is not there says
        what to run.
        """
        return inventory.experiments(self.stored)

    # --- searching --------------------------------------------------------------------------------

    def search(self, question: Question, uploads: Sequence[Upload] = ()) -> dict:
        """The k nearest index images by each model, near duplicates folded.

        Raises :class:`InputError` where nothing can be answered; what one model cannot do is in
        its ``error``.
        """
        self._check(question)
        collection = self.stored.collection(question.experiment)
        passed = collection.admitted(question.filters)
        searched = int((passed & collection.in_index).sum())
        if not searched:
            raise InputError("no image of the index passes these filters: take one of them away")
        marks = [np.array(each, dtype=np.int64) for each in (question.right, question.wrong)]
        images = np.array(
            [each.id for each in question.items if each.kind == "image"], dtype=np.int64
        )
        self.stored.check_known(question.experiment, np.concatenate([*marks, images]))
        left_out = np.concatenate([marks[1], images])
        queries = self.vectors.of(question, uploads)
        answers = []
        for model in question.models:
            answer: dict[str, Any] = {
                "slug": model,
                "name": self._name(model),
                "error": "",
                "hits": [],
            }
            try:
                query = queries[model]
                if isinstance(query, InputError):
                    raise query
                start = time.perf_counter()
                index = self.stored.index(question.experiment, model)
                query = _refined(index, query, *marks)
                fit = self._fit(question, model, index)
                answer |= self._hits(question, collection, index, query, passed, left_out, fit)
                answer["seconds"] = round(time.perf_counter() - start, 3)
            except InputError as error:
                answer["error"] = str(error)
            answers.append(answer)
        return {"experiment": question.experiment, "searched": searched, "models": answers}

    def _hits(
        self,
        question: Question,
        collection: Collection,
        index: VectorIndex,
        query: np.ndarray,
        passed: np.ndarray,
        left_out: np.ndarray,
        fit: Fit | None,
    ) -> dict[str, Any]:
        """``hits``, the best images that pass, each with those folded below it, and what the ``fit``
        of the analysis confidence says of them: ``chance`` of the first ones, and beside ``hits``
        ``of_patients`` (behind the fit), ``set_size`` and ``unlike``.
        """
        k, fold = question.k, question.fold
        rows = collection.rows(index.ids)
        admitted = (rows >= 0) & passed[rows]
        here = index.positions(left_out)
        admitted[here[here >= 0]] = False
        available = int(admitted.sum())
        if not available:
            raise InputError(
                "this model has no embedding of any image that passes the filters: take one of "
                "them away"
            )
        shared = self.stored.duplicates(question.experiment) if fold else {}
        count = max(k if fold is None else 4 * k, fit["depth"] if fit else 0)
        count = min(available, count)
        while True:
            positions, found = index.best(query, count, admitted)
            ids = index.ids[positions].tolist()
            groups = (
                [[place] for place in range(min(k, len(ids)))]
                if fold is None
                else folded(index.vectors[positions], ids, k, fold, shared)
            )
            if len(groups) >= k or count >= min(available, DEEPEST * k):
                break
            count = min(available, DEEPEST * k)
        places = [place for group in groups for place in group]
        described = dict(zip(places, collection.describe(rows[positions[places]]), strict=True))
        for place, hit in described.items():
            hit["score"] = round(float(found[place]), 4)
            hit["file"] = self.stored.shown_path(hit["dataset"], hit["path"])
        answer = _surety(fit, found, collection.one_label(rows[positions])) if fit else {}
        for place, chance in answer.pop("chances", {}).items():
            if place in described:
                described[place]["chance"] = chance
        hits = [
            described[head] | {"rank": rank, "folded": [described[each] for each in others]}
            for rank, (head, *others) in enumerate(groups, start=1)
        ]
        return answer | {"hits": hits}

    def _fit(self, question: Question, model: str, index: VectorIndex) -> Fit | None:
        """The fit of a model, for a query of the benchmark's kind: one whole image that the index does
        not have, searched in the whole index. None for others, and for fusions whose scores here are
        not those of the benchmark.
        """
        marked = question.right or question.wrong or any(question.filters.values())
        [first, *others] = question.items
        known = first.kind == "image" and (index.positions(np.array([first.id])) >= 0).any()
        if marked or others or known or first.kind == "text" or first.crop:
            return None
        if model not in self.project.searched_models(question.experiment):
            return None
        return self.stored.fit(question.experiment, model, len(index))

    # --- where a match is -------------------------------------------------------------------------

    def match(self, question: Question, uploads: Sequence[Upload] = ()) -> dict:
        """Where the query's first image and an image of the catalog (``id``) match, by one model's
        patches.

        Returns ``query`` and ``hit``, each ``picture`` and ``grid``. Raises :class:`InputError`
        where there is no such map.
        """
        self._check(question)
        model = question.models[0]
        if all(each.kind == "text" for each in question.items):
            raise InputError("a text has no patches: the map needs an image as the query")
        composed = len(inventory.members(self.stored, model)) > 1
        if composed or inventory.why_no_encoder(self.stored, model):
            raise InputError(f"{self._name(model)} {NO_PATCHES}")
        found = self.vectors.match(question, uploads)
        if found is None:
            raise InputError(f"{self._name(model)} {NO_PATCHES}")
        return {"query": found[0], "hit": found[1]}

    # --- pictures ---------------------------------------------------------------------------------

    def preview(self, question: Question, uploads: Sequence[Upload]) -> dict:
        """What the first upload looks like, read as the index's images were."""
        self._check(question)
        return self.vectors.preview(question, uploads[0])

    def picture(self, experiment: str, identity: int, side: int) -> bytes:
        """An image of the catalog as JPEG, its longest side at most ``side`` pixels. Raises
        :class:`InputError`.
        """
        side = next((each for each in PICTURE_SIDES if each >= side), PICTURE_SIDES[-1])

        def make() -> bytes:
            return self.vectors.picture(experiment, identity, side)

        if side != PICTURE_SIDES[0]:
            return make()
        return self.pictures.get((experiment, identity), make)

    def original(self, experiment: str, identity: int) -> Path:
        """The file of an image of the catalog. Raises :class:`InputError` where names are
        pseudonyms: a file may hold some.
        """
        if self.project.key_file:
            raise InputError(
                "names are pseudonyms in this project, and original files may hold names: they are "
                "not served"
            )
        return Path(split_address(str(self.stored.address(experiment, identity)[1]))[0])

    def _check(self, question: Question) -> None:
        """Raise :class:`InputError` for an experiment or a model that there is not."""
        self.stored.check_experiment(question.experiment)
        for model in question.models:
            if model not in self.project.experiments[question.experiment]["models"]:
                raise InputError(
                    f"the experiment '{question.experiment}' has no model '{shown(model)}': reload "
                    "the page"
                )

    def _name(self, model: str) -> str:
        return self.project.cards[model]["name"]


def _surety(fit: Fit, scores: np.ndarray, labels: Sequence[str | None]) -> dict[str, Any]:
    """What a fit says of ranked hits: ``chances`` by place, and what there is of ``of_patients``,
    ``set_size`` and ``unlike``.
    """
    found = rated(fit, scores, labels)
    chances = {
        place: round(float(chance), 3)
        for place, chance in enumerate(found.chance)
        if not np.isnan(chance)
    }
    answer: dict[str, Any] = {"chances": chances}
    if chances and fit["unit"] != "image":
        answer["of_patients"] = fit["patients"]
    if fit["set"]["size"] is not None and not found.unlike:
        answer |= {"set_size": fit["set"]["size"], "set_sure": 1 - fit["set"]["alpha"]}
    if found.unlike is not None:
        answer["unlike"] = found.unlike
    return answer


def _refined(
    index: VectorIndex, query: np.ndarray, right: np.ndarray, wrong: np.ndarray
) -> np.ndarray:
    """The query moved by what is marked, where something is."""
    if len(query) != index.vectors.shape[1]:
        raise InputError(
            f"the query has {len(query)} numbers, the index {index.vectors.shape[1]}: build the "
            "index again"
        )
    if not (right.size or wrong.size):
        return query
    marked: Sequence[np.ndarray] = [
        index.vectors[places[places >= 0]]
        for places in (index.positions(right), index.positions(wrong))
    ]
    try:
        return refined(query, *marked)
    except ValueError:
        raise InputError("what is marked as wrong cancels the query: take a mark away") from None
