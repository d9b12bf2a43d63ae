"""Series, studies and patients that are found: each shown by the slice of it that is nearest to one
of the query's.
"""

from typing import Any

import numpy as np

from radcbir.app.collection import NAMED
from radcbir.app.query_vectors import QueryVectors
from radcbir.app.question import shown
from radcbir.app.stored import Stored
from radcbir.app.units.query import UnitQueries, UnitQuery
from radcbir.app.units.vectors import SliceVectors
from radcbir.core.errors import InputError
from radcbir.datasets.pseudonyms import KINDS, pseudonym, read_key
from radcbir.retrieval.units.slices import nearest

MOST_NAMED = 24
"""Units of one study or series number that are listed."""


class Units:
    """What the engine needs for experiments with ``unit: series``, ``study`` or ``patient``."""

    def __init__(self, stored: Stored, images: QueryVectors):
        self.stored, self.vectors = stored, SliceVectors(stored)
        self.queries = UnitQueries(stored, images, self.vectors)

    def show(self, experiment: str, model: str, query: UnitQuery, hits: list[dict]) -> None:
        """Add to each of ``hits`` how many ``slices`` it has and what is ``nearest``: ``id``,
        ``file`` and ``place`` of a slice (counted from 0), the ``query`` slice that it is nearest to
        (:attr:`UnitQuery.names`), and their cosine, ``score``. Others of the same patient have the
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
        return {"id": described["id"], "file": described["file"], "place": place}
