"""Series, studies and patients that are found: each shown by the slice of it that is nearest to one
of the query's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from radcbir.app.collection import NAMED
from radcbir.app.query_vectors import QueryVectors
from radcbir.app.question import Question, shown
from radcbir.app.stored import Stored
from radcbir.app.units.places import Place, Places, Slabs, best_places
from radcbir.app.units.query import UnitQueries, UnitQuery
from radcbir.app.units.vectors import SliceVectors
from radcbir.app.views.groups import MOST_OTHERS
from radcbir.core.errors import InputError
from radcbir.core.text.retrieved import several
from radcbir.datasets.pseudonyms import KINDS, pseudonym, read_key
from radcbir.retrieval.units.slices import nearest

MOST_NAMED = 24
"""Units of one study or series number that are listed."""


class Units:
    """What the engine needs for experiments with ``unit: series``, ``study`` or ``patient``."""

    def __init__(self, stored: Stored, images: QueryVectors):
        self.stored, self.vectors = stored, SliceVectors(stored)
        self.queries = UnitQueries(stored, images, self.vectors)
        self.places = Places(stored, self.vectors)

    def show(self, experiment: str, model: str, query: UnitQuery, hits: list[dict]) -> None:
        """Add to each of ``hits`` how many ``slices`` it has and what is ``nearest``: ``id``,
        ``file``, ``place`` (counted from 0) and ``position`` in mm of a slice, the ``query`` slice
        that it is nearest to (:attr:`UnitQuery.names`), and their cosine, ``score``. Others of the same patient have the
        number of slices alone.
        """
        slices = self.stored.slices(experiment)
        units = [int(each["id"]) for each in hits]
        of_each = self.vectors.of_each(experiment, model, units)
        for hit, (ids, vectors) in zip(hits, of_each, strict=True):
            for each in (hit, *hit["patient"]):
                each["slices"] = len(slices.rows(int(each["id"])))
            if not len(ids) or not len(query.slices):
                continue
            asked, found, score = nearest(query.slices, vectors)
            hit["nearest"] = self._described(experiment, int(ids[found])) | {
                "query": query.names[asked],
                "score": round(score, 4),
            }

    def placed(
        self, question: Question, model: str, query: UnitQuery, admitted: np.ndarray
    ) -> dict[str, Any]:
        """``hits``, the units that are ``admitted`` (bool per row of the catalog) in the order of
        the best place of the part that is asked with, and how many were ``not_compared``.

        A hit has the mean cosine there as its ``score``, its ``nearest`` is the slice in the middle
        of the place, and ``part`` says where it is: ``first`` and ``last`` slice (from 0) with
        their files, whether the part lies there ``turned``, the other way round, and how many of its
        slices ``fit``, ``of`` how many. Raises :class:`InputError` where it fits nowhere.
        """
        experiment = question.experiment
        slabs, not_compared = self.places.slabs(experiment, model, query, admitted)
        found = best_places(slabs, query, admitted)
        if not found:
            raise InputError(
                f"less than half of these slices fit into any of the {several(self.stored.unit(experiment))} "
                "that are searched: choose fewer slices, or take a filter away"
            )
        patients = self.stored.collection(experiment).patients
        others: dict[int, list[Place]] = {}
        heads: list[Place] = []
        for each in found:
            owner = int(patients[each.unit]) if question.per_patient else -1
            if owner in others:
                others[owner].append(each)
            elif len(heads) < question.k:
                heads.append(each)
                if owner >= 0:
                    others[owner] = []
        hits = []
        for rank, head in enumerate(heads, start=1):
            beside = others.get(int(patients[head.unit]), [])
            first, *more = self._of_places(experiment, slabs, query, [head, *beside[:MOST_OTHERS]])
            more_keys = {"folded": [], "patient": more, "patient_images": len(beside)}
            hits.append(first | {"rank": rank} | more_keys)
        return {"hits": hits, "not_compared": not_compared}

    def _of_places(
        self, experiment: str, slabs: Slabs, query: UnitQuery, places: Sequence[Place]
    ) -> list[dict]:
        collection, slices = self.stored.collection(experiment), self.stored.slices(experiment)
        described = collection.describe([each.unit for each in places])
        middle = query.names[query.middle]
        for hit, place in zip(described, places, strict=True):
            score = round(place.score, 4)
            rows = slabs.rows[[place.first, place.last, place.center]].tolist()
            start = int(slices.rows(int(hit["id"]))[0])
            shown = slices.collection.describe(rows)
            files = [self.stored.shown_path(each["dataset"], each["path"]) for each in shown]
            (first, first_file), (last, last_file) = sorted(zip(rows[:2], files[:2], strict=True))
            hit |= {
                "file": self.stored.shown_path(hit["dataset"], hit["path"]),
                "score": score,
                "to_query": score,
                "slices": len(slices.rows(int(hit["id"]))),
                "nearest": {
                    "id": shown[2]["id"],
                    "file": files[2],
                    "place": rows[2] - start,
                    "position": shown[2]["position"],
                    "query": middle,
                    "score": round(place.pair, 4),
                },
                "part": {
                    "first": first - start,
                    "last": last - start,
                    "first_file": first_file,
                    "last_file": last_file,
                    "turned": place.turned,
                    "fit": place.fit,
                    "of": len(query.names),
                },
            }
        return described

    def named(self, experiment: str, name: str) -> dict:
        """The ``units`` that a UID or another name of a study or series belongs to: the first
        :data:`MOST_NAMED` of them, and how many there are, ``count``. Where images are found, they
        are its images. With `pseudonymise:` a name may be the real one.

        Raises :class:`InputError` where there is none.
        """
        kind, collection = self.stored.unit(experiment), self.stored.collection(experiment)
        of_units = kind != "image"
        named = self.stored.slices(experiment).named if of_units else collection.named
        asked = self._names(name) if name else []
        found: list[int] = next(filter(None, map(named, asked)), [])
        if not found:
            raise InputError(
                f"no {kind} of the experiment '{experiment}' has the StudyInstanceUID, "
                f"SeriesInstanceUID, study_id or series_id '{shown(name)}': ask with "
                f"{'slices of it' if of_units else 'its file'}"
            )
        first = np.array(found[:MOST_NAMED])
        described = collection.describe(collection.rows(first))
        for each in described if of_units else ():
            each["slices"] = len(self.stored.slices(experiment).rows(int(each["id"])))
        return {"units": described, "count": len(found)}

    def _names(self, name: str) -> list[str]:
        """What the catalog may call a study or series: the name itself, or its pseudonym."""
        key_file = self.stored.project.key_file
        if not key_file:
            return [name]
        key = read_key(key_file)
        return [name, *(pseudonym(key, KINDS[each], name) for each in NAMED)]

    def _described(self, experiment: str, identity: int) -> dict[str, Any]:
        described = self.stored.described(experiment, identity)
        place = self.stored.slices(experiment).around(identity)["place"]
        names = ("id", "file", "position")
        return {name: described[name] for name in names} | {"place": place}
