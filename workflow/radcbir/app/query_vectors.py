"""From the items of a question to one vector per model: child processes decode and embed."""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby, islice
from typing import Any

import numpy as np

from radcbir.app.inventory import members, why_missing, why_no_encoder
from radcbir.app.question import Item, Question, shown
from radcbir.app.stored import Recent, Stored
from radcbir.app.vectors import mean_query, unit
from radcbir.app.workers import EMBED_SECONDS, Workers
from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.datasets.providers.dicom.geometry import Place

KEPT = 256
"""Vectors of recent queries that are kept in memory, by digests of what they are made of."""


TOGETHER = 32
"""Slices of a file that are decoded at once: it is unpacked once for all of them."""


@dataclass(frozen=True)
class Upload:
    """A file that came with a question; it is in memory alone."""

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """That of its content, and of the end of its name, which tells the format."""
        return hashlib.sha256(self.name.lower()[-8:].encode() + b"\0" + self.content).hexdigest()


class QueryVectors:
    """Embeds what a query is made of."""

    def __init__(self, stored: Stored, workers: Workers):
        self.stored, self.workers, self.project = stored, workers, stored.project
        self.recent = Recent(KEPT)

    def of(
        self, question: Question, uploads: Sequence[Upload]
    ) -> dict[str, np.ndarray | InputError]:
        """Per model of a question the unit vector of all its items, or why there is none."""
        return {
            model: found if isinstance(found, InputError) else _mean(found)
            for model, found in self.each(question, uploads).items()
        }

    def each(
        self, question: Question, uploads: Sequence[Upload]
    ) -> dict[str, list[np.ndarray] | InputError]:
        """Per model of a question the unit vector of each of its items, or why there is none."""
        found: dict[str, list[np.ndarray]] = {model: [] for model in question.models}
        errors: dict[str, InputError] = {}
        for items in _together(question.items):
            # Images are decoded once for all models, and let go of before the next ones.
            decoded = cache(lambda items=items: self._decoded(question, items, uploads))
            for place, item in enumerate(items):
                for model in question.models:
                    if model in errors:
                        continue

                    def pixels(decoded=decoded, place=place) -> tuple:
                        return decoded()[place]

                    try:
                        found[model].append(self._item(question, model, item, uploads, pixels))
                    except InputError as error:
                        errors[model] = error
        return found | errors

    def match(self, question: Question, uploads: Sequence[Upload]) -> list[dict] | None:
        """Where the question's first image and the image ``question.id`` match; None where the
        model gives no features of patches.
        """
        first = next(each for each in question.items if each.kind != "text")
        assert question.id is not None  # match_question needs one
        target = Item("image", id=question.id)
        images = [self._pixels(question, each, uploads) for each in (first, target)]
        model = question.models[0]
        with self.workers.embedder(model, self._settings(model)) as child:
            return child.ask(EMBED_SECONDS, "match", images)

    def preview(self, question: Question, upload: Upload) -> dict:
        """What an upload looks like, read as the index's images were."""
        item = Item("upload", file=0, part=question.part)
        return self.workers.decode("preview", self._source(question, item, [upload]))

    def places(self, question: Question, uploads: Sequence[Upload]) -> list[Place | None]:
        """Where each of a question's uploads lies, as far as its file says."""
        found: list[Place | None] = []
        for items in _together(question.items):
            source = self._source(question, items[0], uploads)
            found += self.workers.decode("places", source, [each.part for each in items])
        return found

    def picture(self, experiment: str, identity: int, side: int) -> bytes:
        """An image of the catalog as JPEG."""
        source = self._catalog_source(experiment, identity)
        return self.workers.decode("picture", source, side)

    def values(self, experiment: str, identity: int) -> tuple[dict, bytes]:
        """The values of an image of the catalog, for the viewer."""
        modality = self.stored.described(experiment, identity)["modality"]
        source = self._catalog_source(experiment, identity) | {"modality": modality}
        return self.workers.decode("values", source)

    def upload_values(self, question: Question, upload: Upload) -> tuple[dict, bytes]:
        """The values of an upload, for the viewer."""
        item = Item("upload", file=0, part=question.part)
        return self.workers.decode("values", self._source(question, item, [upload]))

    def warm(self, experiment: str, model: str) -> None:
        """Load a model, so that the first query does not wait for its weights.

        Raises :class:`InputError` where it cannot embed what is uploaded, or has other weights than
        its index.
        """
        no_encoder = why_missing(self.stored, experiment, model) or why_no_encoder(
            self.stored, model
        )
        if no_encoder:
            raise InputError(f"{self.project.cards[model]['name']} cannot embed: {no_encoder}")
        for member in members(self.stored, model):
            with self.workers.embedder(member, self._settings(member)) as child:
                self.stored.check_weights(experiment, member, child.described["weights_sha256"])
                child.ask(EMBED_SECONDS, "warm")

    def _item(
        self,
        question: Question,
        model: str,
        item: Item,
        uploads: Sequence[Upload],
        pixels: Callable[[], tuple],
    ) -> np.ndarray:
        """The unit vector of one item: the stored one of a whole image of the catalog, else that of
        the model, of the members of a fusion side by side, or of the base of an adapted model after
        its map.
        """
        missing = why_missing(self.stored, question.experiment, model)
        card = self.project.cards[model]
        if missing:
            raise InputError(f"{card['name']} cannot be used: {missing}")
        if item.kind == "image" and item.crop is None:
            return self.stored.vector(question.experiment, model, item.id)
        no_encoder = why_no_encoder(self.stored, model)
        if no_encoder:
            raise InputError(f"{card['name']} cannot embed this: {no_encoder}")
        if item.kind == "text" and not model_card.has_text(card):
            raise InputError(f"{card['name']} has no text tower: ask it with an image")

        def embed() -> np.ndarray:
            parts = [
                self._embedded(question.experiment, member, item, uploads, pixels)
                for member in members(self.stored, model)
            ]
            vector = np.concatenate(parts) / np.float32(len(parts) ** 0.5)
            return self.adapted(question.experiment, model, vector)

        # A map belongs to an experiment, and is fitted anew when labels change.
        made = (model, self.stored.adaptation_version(question.experiment, model))
        return self.recent.get((*made, *self._identity(question, item, uploads)), embed)

    def adapted(self, experiment: str, model: str, vector: np.ndarray) -> np.ndarray:
        """A vector of the base after the map of an adapted model; of other models as it is."""
        if model not in self.project.adapted:
            return vector
        try:
            return unit(self.stored.adaptation(experiment, model).apply(vector[None])[0])
        except ValueError:
            raise InputError(
                f"{self.project.cards[model]['name']} makes nothing of this: take another image, or "
                "another model"
            ) from None

    def _embedded(
        self,
        experiment: str,
        model: str,
        item: Item,
        uploads: Sequence[Upload],
        pixels: Callable[[], tuple],
    ) -> np.ndarray:
        """The unit vector of one item by one encoder."""
        if item.kind == "text":
            task: tuple[Any, ...] = ("embed_text", item.text)
        else:
            name = uploads[item.file].name if item.kind == "upload" else str(item.id)
            task = ("embed_image", name, pixels())  # decoded before a model is taken
        with self.workers.embedder(model, self._settings(model)) as child:
            self.stored.check_weights(experiment, model, child.described["weights_sha256"])
            vector = child.ask(EMBED_SECONDS, *task)
        try:
            return unit(vector)
        except ValueError:
            raise InputError(
                f"{self.project.cards[model]['name']} makes nothing of this (a zero vector): take "
                "another image or text"
            ) from None

    def _decoded(
        self, question: Question, items: Sequence[Item], uploads: Sequence[Upload]
    ) -> list[tuple]:
        """The pixels of items of :func:`_together`."""
        [first, *others] = items
        if not others:
            return [self._pixels(question, first, uploads)]
        source = self._source(question, first, uploads)
        return self.workers.decode("images", source, [each.part for each in items])

    def _pixels(self, question: Question, item: Item, uploads: Sequence[Upload]) -> tuple:
        return self.workers.decode("image", self._source(question, item, uploads))

    def _source(self, question: Question, item: Item, uploads: Sequence[Upload]) -> dict:
        """What a decoder reads."""
        if item.kind == "image":
            return self._catalog_source(question.experiment, item.id) | {"crop": item.crop}
        upload = uploads[item.file]
        return {
            "name": upload.name,
            "bytes": upload.content,
            "intensity": self._intensity(question),
            "crop": item.crop,
            "part": item.part,
        }

    def _catalog_source(self, experiment: str, identity: int) -> dict:
        dataset, path = self.stored.address(experiment, identity)
        return {"path": str(path), "intensity": self.project.datasets[dataset]["intensity"]}

    def _identity(
        self, question: Question, item: Item, uploads: Sequence[Upload]
    ) -> tuple[Hashable, ...]:
        """What tells an item's vector from others; no content and no name of an upload."""
        if item.kind == "text":
            return "text", item.text
        if item.kind == "image":
            return "image", item.id, item.crop
        upload = uploads[item.file]
        return (
            "upload",
            upload.digest,
            json.dumps(item.part, sort_keys=True),
            digest_of(self._intensity(question)),
            item.crop,
        )

    def _intensity(self, question: Question) -> Mapping:
        datasets = self.project.experiments[question.experiment]["datasets"]
        read_as = question.read_as or datasets[0]
        if read_as not in datasets:
            raise InputError(
                f"the experiment has no dataset '{shown(read_as)}': choose one of "
                f"{', '.join(datasets)}"
            )
        return self.project.datasets[read_as]["intensity"]

    def _settings(self, model: str) -> dict:
        card = self.project.cards[model]
        return {
            "card": self.project.meanings[model],
            "weights": model_card.weights_location(model, card),
            "device": self.project.settings["device"],
            "runtime": model_card.runtime_of(card),
        }


def _together(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items in their order, slices of one upload together, :data:`TOGETHER` at most."""

    def source(item: Item) -> tuple:
        return item.kind, item.file, item.crop

    for (kind, _, _), group in groupby(items, source):
        most = TOGETHER if kind == "upload" else 1
        while some := list(islice(group, most)):
            yield some


def _mean(vectors: Sequence[np.ndarray]) -> np.ndarray | InputError:
    try:
        return mean_query(vectors)
    except ValueError:
        return InputError("the images of the query cancel one another: take one away")
