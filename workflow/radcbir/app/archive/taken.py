"""A study or series by its UID from the archive of a dataset: a list to choose from, or its images,
as if they were uploaded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radcbir.app.archive.fetching import AGAIN, Fetch, Image
from radcbir.app.archive.where import archives
from radcbir.app.question import shown
from radcbir.app.stored import Stored
from radcbir.app.units.found import MOST_NAMED
from radcbir.app.workers import Workers
from radcbir.core.errors import InputError
from radcbir.core.text.addresses import shown as address
from radcbir.fetch.dicomweb.instances import is_uid
from radcbir.fetch.dicomweb.lookup import NO_IMAGES, Series, instances_of, series_of
from radcbir.fetch.dicomweb.server import Server

TRIES, PAUSE, TIMEOUT = 2, 0.5, (5.0, 20.0)


@dataclass(frozen=True)
class Choice:
    """Several series or images, of which one is to be chosen."""

    choices: list[dict[str, str]]
    """The first of them: ``uid`` and ``image`` to ask with, and ``words`` that say what it is."""
    count: int
    of: str
    """``series`` or ``images``."""


@dataclass(frozen=True)
class Taken:
    """The images of a query."""

    files: list[tuple[str, bytes]]
    """Name and content, in the order of the slices."""
    uid: str
    """The UID that gives them again."""
    dataset: str
    """The dataset whose archive has them, and as whose images they are read."""
    said: str
    """Where they come from, in a sentence."""


class Archive:
    """Asks the archives of a project; several threads may do so at a time."""

    def __init__(self, stored: Stored, workers: Workers):
        self.stored, self.workers, self.project = stored, workers, stored.project
        self.most_bytes = self.project.settings["app"]["upload_megabytes"] << 20

    def take(self, experiment: str, uid: str, image: str = "") -> Choice | Taken:
        """What the first archive has that knows the UID of a study or series; ``image`` is the
        SOPInstanceUID of the one image of it that is wanted.

        Raises :class:`InputError` where there is nothing to ask with.
        """
        self.stored.check_experiment(experiment)
        asked = archives(self.project, experiment)
        if not asked:
            raise InputError(
                f"the page asks no archive for the experiment '{experiment}': see `app: archive:` in "
                "docs/app.md"
            )
        if self.project.settings["offline"]:
            raise InputError(
                "`offline: true` is set, so that no archive is asked: take it out, or ask with files"
            )
        for name in (uid, image or uid):
            if not is_uid(name):
                raise InputError(
                    f"'{shown(name)}' is no UID, which has digits and dots, 64 at most: correct it"
                )
        failures = []
        for dataset, options in asked:
            try:
                server = Server(options, TRIES, PAUSE, TIMEOUT, AGAIN)
                series = series_of(server, uid)
            except InputError as error:
                failures.append(error)
                continue
            if series:
                return self._of(experiment, dataset, options, server, series, (uid, image))
        if failures:
            raise failures[0]
        names = " and ".join(address(options["url"]) for _, options in asked)
        raise InputError(
            f"neither the catalog of the experiment '{experiment}' nor {names} has a study or series "
            "with this UID: correct it, or ask with files"
        )

    def _of(
        self,
        experiment: str,
        dataset: str,
        options: Mapping[str, Any],
        server: Server,
        series: Sequence[Series],
        asked: tuple[str, str],
    ) -> Choice | Taken:
        """The choice or the images of what was found."""
        kind, (uid, image) = self.stored.unit(experiment), asked
        study = series[0].study
        if kind == "study" and uid != study:  # a series stands for its study
            series = series_of(server, study) or series
        usable = [each for each in series if each.modality not in NO_IMAGES]
        if not usable:
            kinds = ", ".join(dict.fromkeys(each.modality for each in series))
            raise InputError(
                f"{server.name} has no image with this UID, only {kinds}: take another study or series"
            )
        if kind != "study" and len(usable) > 1:
            first = [{"uid": each.uid, "words": _words(each)} for each in usable[:MOST_NAMED]]
            return Choice(first, len(usable), "series")
        images = [Image(each, sop) for each in usable for sop in instances_of(server, each)]
        if image:
            images = [each for each in images if each.sop == image]
        if not images:
            raise InputError(f"{server.name} lists no image of it (any more): take another one")
        if kind == "image" and len(images) > 1:
            step = math.ceil(len(images) / MOST_NAMED)
            some = [
                {
                    "uid": each.series.uid,
                    "image": each.sop,
                    "words": f"{place + 1} of {len(images)}",
                }
                for place, each in enumerate(images)
                if place % step == 0
            ]
            return Choice(some, len(images), "images")
        found = Fetch(self.workers, server, options, self.most_bytes).images(images)
        own = study if kind == "study" else usable[0].uid
        return Taken(found.files, own, dataset, found.said)


def _words(series: Series) -> str:
    """What a series is, for a list."""
    count = f"{series.size} {'image' if series.size == '1' else 'images'}" if series.size else ""
    number = f"series {series.number}" if series.number else ""
    return (
        " · ".join(filter(None, (series.modality, number, series.description, count))) or "series"
    )
