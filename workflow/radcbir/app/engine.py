"""From a question of the page to its answer."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radcbir.analyses.confidence.stored import Stored as Fit
from radcbir.app import inventory
from radcbir.app.archive.taken import Archive, Choice, Taken
from radcbir.app.collection import Collection
from radcbir.app.query_vectors import QueryVectors, Upload
from radcbir.app.question import Question, shown
from radcbir.app.stored import Recent, Stored
from radcbir.app.units.found import Units
from radcbir.app.units.query import UnitQuery, check_question
from radcbir.app.vectors import VectorIndex, refined
from radcbir.app.views.groups import Ranking
from radcbir.app.views.surety import is_like_the_benchmark, surety
from radcbir.app.workers import Workers
from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.text.retrieved import several
from radcbir.images.address import split_address
from radcbir.project.configuration import Project

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
        self.units = Units(self.stored, self.vectors)
        self.archive = Archive(self.stored, self.workers)
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
        """The k nearest index images by each model, near duplicates folded; or the nearest series,
        studies or patients, each with the slice of it that is nearest to one of the query's.

        Raises :class:`InputError` where nothing can be answered; what one model cannot do is in
        its ``error``.
        """
        self._check(question)
        kind = self.stored.unit(question.experiment)
        check_question(question, kind)
        collection = self.stored.collection(question.experiment)
        passed = collection.admitted(question.filters)
        searched = int((passed & collection.in_index).sum())
        if not searched:
            raise InputError(f"no {kind} of the index passes these filters: take one of them away")
        marks = [np.array(each, dtype=np.int64) for each in (question.right, question.wrong)]
        images = np.array(
            [each.id for each in question.items if each.kind == "image"], dtype=np.int64
        )
        self.stored.check_known(question.experiment, np.concatenate([*marks, images]))
        left_out = np.concatenate([marks[1], images])
        queries: Mapping[str, np.ndarray | UnitQuery | InputError] = (
            self.vectors if kind == "image" else self.units.queries
        ).of(question, uploads)
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
                if question.place and isinstance(query, UnitQuery):
                    admitted = passed & collection.in_index
                    admitted[collection.rows(left_out)] = False
                    answer |= self.units.placed(question, model, query, admitted)
                else:
                    index = self.stored.index(question.experiment, model)
                    vector = query.vector if isinstance(query, UnitQuery) else query
                    moved = _refined(index, vector, *marks)
                    fit = self._fit(question, model, index)
                    answer |= self._hits(
                        question, collection, index, (moved, vector), passed, left_out, fit
                    )
                    if isinstance(query, UnitQuery):
                        self.units.show(question.experiment, model, query, answer["hits"])
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
        queries: tuple[np.ndarray, np.ndarray],
        passed: np.ndarray,
        left_out: np.ndarray,
        fit: Fit | None,
    ) -> dict[str, Any]:
        """``hits``, the best images that pass, each with those folded below it, and how far they can
        be trusted (:func:`~radcbir.app.views.surety.surety`).

        ``queries`` are the one that ranks and the original one, which differ after a refinement.
        """
        query, original = queries
        rows = collection.rows(index.ids)
        admitted = (rows >= 0) & passed[rows]
        here = index.positions(left_out)
        admitted[here[here >= 0]] = False
        if not admitted.any():
            raise InputError(
                f"this model has no embedding of any {self.stored.unit(question.experiment)} that "
                "passes the filters: take one of them away"
            )
        shared = self.stored.duplicates(question.experiment) if question.fold else {}
        found = Ranking(index, query, admitted, question.k, question.fold, shared)
        patients = collection.patients[rows] if question.per_patient else None
        groups = found.groups() if patients is None else found.groups_of_patients(patients)
        places = [place for group in groups for place in group.all()]
        positions = np.array(places, dtype=np.int64)
        described = dict(zip(places, collection.describe(rows[positions]), strict=True))
        to_query = index.vectors[positions].astype(np.float64) @ original.astype(np.float64)
        to_ranking = index.vectors[positions].astype(np.float64) @ query.astype(np.float64)
        for place, score, ranking in zip(places, to_query, to_ranking, strict=True):
            hit = described[place]
            hit["score"], hit["to_query"] = round(float(ranking), 4), round(float(score), 4)
            hit["file"] = self.stored.shown_path(hit["dataset"], hit["path"])
        trust: dict[str, Any] = {}
        if fit:
            first, scores = index.best(query, fit["depth"], admitted)
            chances, trust = surety(fit, scores, collection.one_label(rows[first]))
            for place, chance in zip(first.tolist(), chances, strict=True):
                if place in described and chance is not None:
                    described[place]["chance"] = chance
        hits = [
            described[group.head]
            | {
                "rank": rank,
                "folded": [described[each] for each in group.duplicates],
                "patient": [described[each] for each in group.of_patient],
                "patient_images": group.patient_images,
            }
            for rank, group in enumerate(groups, start=1)
        ]
        return trust | {"hits": hits}

    def _fit(self, question: Question, model: str, index: VectorIndex) -> Fit | None:
        """What the analysis confidence says of a model's hits. None where the benchmark had no such
        query, and for fusions whose scores here are not those of the benchmark.
        """
        if self.stored.unit(question.experiment) != "image" and question.items[0].kind != "image":
            return None  # nobody knows whether these are all slices
        searched = self.project.searched_models(question.experiment)
        if model not in searched or not is_like_the_benchmark(question, index):
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
        model, kind = question.models[0], self.stored.unit(question.experiment)
        if kind != "image":
            raise InputError(
                f"this experiment finds {several(kind)}: where a match is, is not known"
            )
        if all(each.kind == "text" for each in question.items):
            raise InputError("a text has no patches: the map needs an image as the query")
        if inventory.is_composed(self.stored, model) or inventory.why_no_encoder(
            self.stored, model
        ):
            raise InputError(f"{self._name(model)} {NO_PATCHES}")
        found = self.vectors.match(question, uploads)
        if found is None:
            raise InputError(f"{self._name(model)} {NO_PATCHES}")
        return {"query": found[0], "hit": found[1]}

    def warm(self, experiment: str, model: str) -> dict:
        """Load a model and the index that it searches; the ``seconds`` that it took.

        Raises :class:`InputError` where the model cannot embed what is uploaded.
        """
        self._check(Question(experiment, (model,)))
        start = time.perf_counter()
        self.vectors.warm(experiment, model)
        self.stored.index(experiment, model)
        return {"seconds": round(time.perf_counter() - start, 1)}

    def warm_default(self) -> None:
        """Load the model that the page will show first, where there is one."""
        try:
            chosen = inventory.first_choice(self.setup())
            if chosen is not None:
                self.warm(*chosen)
        except InputError:
            pass  # the page says what is missing
        except Exception as error:  # it says that too, once it is asked
            logger.warning("the first model could not be loaded: %s", error)

    # --- images -----------------------------------------------------------------------------------

    def item(self, experiment: str, identity: int) -> dict:
        """What is known of an image of the catalog: ``image``, and its ``series``. Raises
        :class:`InputError`.
        """
        return {
            "image": self.stored.described(experiment, identity),
            "series": self.stored.series(experiment, identity),
        }

    def named(self, experiment: str, name: str) -> dict:
        """The series, studies, patients or images that a UID belongs to. Raises :class:`InputError`."""
        self.stored.check_experiment(experiment)
        return self.units.named(experiment, name)

    def archived(self, experiment: str, uid: str, image: str) -> Choice | Taken:
        """What the archive of the experiment's datasets has with a UID. Raises :class:`InputError`."""
        return self.archive.take(experiment, uid, image)

    def values(self, experiment: str, identity: int) -> tuple[dict, bytes]:
        """The values of an image of the catalog as its file has them, and nothing else of the file.

        Raises :class:`InputError`.
        """
        return self.vectors.values(experiment, identity)

    def upload_values(self, question: Question, uploads: Sequence[Upload]) -> tuple[dict, bytes]:
        """The same of the first upload."""
        self._check(question)
        return self.vectors.upload_values(question, uploads[0])

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
