"""From a question of the page to its answer: which models can be asked, the query's vector, the
search, the pictures.
"""

import hashlib
import io
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radcbir.app.collection import FACETS, Collection, shared_duplicates
from radcbir.app.vectors import VectorIndex, folded, mean_query, refined, unit
from radcbir.app.workers import Workers
from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.embedding.store import open_embeddings, read, read_attributes, unit_rows
from radcbir.images import raster, reader
from radcbir.images.address import split_address
from radcbir.project.configuration import Project
from radcbir.retrieval.index_settings import approximate_note

MOST_NEIGHBORS, MOST_ITEMS, MOST_MODELS, LONGEST_TEXT = 200, 32, 2, 1000


DEEPEST = 25
"""How many times k is searched at most to fill up k groups of near duplicates."""

SAMPLES = 12

PICTURE_SIDES = (192, 1024)
"""Longest sides of pictures of catalog images: in the list, and on their own."""


@dataclass(frozen=True)
class Upload:
    """A file that came with a question; it is in memory alone."""

    name: str
    content: bytes


class Recent:
    """The latest results of a function by key, so many of them."""

    def __init__(self, size: int):
        self.size, self.values, self.lock = size, OrderedDict(), threading.Lock()

    def get(self, key: Hashable, make: Callable):
        """The value of ``key``, made where it is not at hand."""
        with self.lock:
            if key in self.values:
                self.values.move_to_end(key)
                return self.values[key]
        value = make()
        with self.lock:
            self.values[key] = value
            while len(self.values) > self.size:
                self.values.popitem(last=False)
        return value


class Engine:
    """What the page can ask of a project's results; several threads may ask at a time."""

    def __init__(self, project: Project, pixels: int):
        """``pixels`` is how many an uploaded image may have."""
        self.project, self.pixels = project, pixels
        self.workers = Workers()
        self.collections, self.indexes, self.query_vectors, self.pictures = (
            Recent(4),
            Recent(8),
            Recent(256),
            Recent(3000),
        )
        self.duplicates = Recent(4)

    def close(self) -> None:
        """End the child processes."""
        self.workers.close()

    # --- what there is
    # ------------------------------------------------------------------------------------------------

    def setup(self) -> list[dict]:
        """The experiments with their models, filters and sample queries; what is not there says
        what to run.
        """
        return [self._experiment(name) for name in self.project.experiments]

    def _experiment(self, name: str) -> dict:
        experiment = self.project.experiments[name]
        described = {
            "name": name,
            "datasets": list(experiment["datasets"]),
            "missing": "",
            "models": [],
        }
        path = self._catalog_path(name)
        if not path.is_file():
            return described | {
                "missing": f"this experiment has not run: run `snakemake --cores all {path}`"
            }
        collection = self._collection(name)
        policies = {
            digest_of(self.project.datasets[each]["intensity"]) for each in experiment["datasets"]
        }
        return described | {
            "images": int(collection.in_index.sum()),
            "note": approximate_note(experiment["index"])
            and "Here every image is compared; the experiment's own index is approximate.",
            "several_intensities": len(policies) > 1,
            "originals": not self.project.key_file,
            "facets": {
                facet: collection.facets[facet].counts(collection.in_index) for facet in FACETS
            },
            "samples": self._samples(name, collection),
            "models": [self._model(name, model) for model in experiment["models"]],
        }

    def _model(self, experiment: str, model: str) -> dict:
        card = self.project.cards[model]
        missing = self._missing(experiment, model)
        no_encoder = "" if missing else self._no_encoder(model)
        return {
            "slug": model,
            "name": card["name"],
            "control": model_card.is_control(card),
            "missing": missing,
            "no_encoder": no_encoder,
            "text": not no_encoder and model_card.has_text(card),
            "note": "Fused vectors: the score is the mean of the members' similarities."
            if card["loader"] == "fusion" and card["fusion"]["by"] != "concatenation"
            else "",
        }

    def _missing(self, experiment: str, model: str) -> str:
        """Why a model cannot be asked, and what to run; empty where it can."""
        card = self.project.cards[model]
        if not model_card.has_vectors(card):
            return "it has neighbor lists and no embeddings, so that nothing can be searched"
        path = self._index_path(experiment, model)
        again = f"run `snakemake --cores all {path}`"
        if not path.is_file():
            return f"no index yet: {again}"
        for dataset in self.project.experiments[experiment]["datasets"]:
            file = self._embeddings_path(model, dataset)
            if not file.is_file():
                return f"{file} is missing: {again}"
            try:
                found = read_attributes(file)
            except InputError as error:
                return str(error)
            if found.get("card_digest", "") != self.project.card_digest(model):
                return f"its model card has changed since its index was made: {again}"
            intensity = json.dumps(self.project.datasets[dataset]["intensity"], sort_keys=True)
            if (
                card["loader"] not in (model_card.PRECOMPUTED, "fusion")
                and found.get("intensity") != intensity
            ):
                return f"`intensity:` of the dataset {dataset} has changed since its index was made: {again}"
        return ""

    def _no_encoder(self, model: str) -> str:
        """Why a model cannot embed what is uploaded; empty where it can."""
        for member in self._members(model):
            card = self.project.cards[member]
            if model_card.is_precomputed(card):
                return "its embeddings were made elsewhere: start from an image of the catalog (more like this)"
            absent = [
                each
                for each in model_card.weights_files(card)
                if not Path(model_card.WEIGHTS, member, each).is_file()
            ]
            if absent:
                return (
                    f"the weights of {card['name']} are not here: run `snakemake --cores 1 weights`"
                )
        return ""

    def _members(self, model: str) -> list[str]:
        card = self.project.cards[model]
        return card["fusion"]["of"] if card["loader"] == "fusion" else [model]

    def _samples(self, experiment: str, collection: Collection) -> list[str]:
        """A few images of the query splits, spread over the labels."""
        rows = np.flatnonzero(~collection.in_index)
        labels = collection.facets["label"]
        code = np.zeros(len(collection.ids), dtype=np.int64)
        code[labels.rows] = labels.codes
        rows = rows[np.lexsort((collection.ids[rows], code[rows]))]
        places = np.unique(
            np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).round().astype(int)
        )
        return [str(each) for each in collection.ids[rows[places]]] if len(rows) else []

    # --- searching
    # ----------------------------------------------------------------------------------------------------

    def search(self, question: Mapping, uploads: Sequence[Upload] = ()) -> dict:
        """Answer a question: the k nearest index images by each model, near duplicates folded.

        ``question``: ``experiment``; ``models`` (one or two); ``items``, of which the query is the
        mean, each ``{"kind": "upload", "file": 0}``, ``{"kind": "image", "id": "..."}`` or
        ``{"kind": "text", "text": "..."}``, with an optional ``crop`` and ``part``; optional
        ``right`` and ``wrong`` (ids), ``filters`` (facet -> values), ``k``, ``fold`` (cosine
        similarity beyond which images are near duplicates; None: nothing is folded), ``read_as``
        (the dataset whose intensity policy uploads get).

        Raises :class:`InputError` where nothing can be answered; what one model cannot do stands in
        its ``error``.
        """
        experiment, models = self._asked(question)
        collection = self._collection(experiment)
        items = _items(question, len(uploads))
        right, wrong = (_ids(question.get(each, ())) for each in ("right", "wrong"))
        k, fold = _whole(question.get("k", 24), "k", 1, MOST_NEIGHBORS), question.get("fold")
        if fold is not None and not (isinstance(fold, int | float) and 0 < fold <= 1):
            raise InputError("near duplicates are told by a similarity between 0 and 1: correct it")
        passed = collection.admitted(_filters(question))
        searched = int((passed & collection.in_index).sum())
        if not searched:
            raise InputError("no image of the index passes these filters: take one of them away")
        asked = np.array(
            [int(each["id"]) for each in items if each["kind"] == "image"], dtype=np.int64
        )
        if right.size or wrong.size or asked.size:
            self._known(collection, np.concatenate([right, wrong, asked]))
        left_out = np.concatenate([wrong, asked])
        shared = (
            self.duplicates.get(experiment, lambda: shared_duplicates(self._audit_path(experiment)))
            if fold
            else {}
        )
        answers = []
        for model in models:
            answer = {
                "slug": model,
                "name": self.project.cards[model]["name"],
                "error": "",
                "hits": [],
            }
            try:
                query = self._query(question, experiment, model, items, uploads)
                start = time.perf_counter()
                index = self._index(experiment, model)
                query = self._refined(index, query, right, wrong)
                answer["hits"] = self._hits(
                    collection, index, query, passed, left_out, k, fold, shared
                )
                answer["seconds"] = round(time.perf_counter() - start, 3)
            except InputError as error:
                answer["error"] = str(error)
            answers.append(answer)
        return {"experiment": experiment, "searched": searched, "models": answers}

    def _hits(
        self,
        collection: Collection,
        index: VectorIndex,
        query: np.ndarray,
        passed: np.ndarray,
        left_out: np.ndarray,
        k: int,
        fold: float | None,
        shared: Mapping,
    ) -> list[dict]:
        """The best images that pass, each with those folded below it."""
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
        count = min(available, k if fold is None else 4 * k)
        while True:
            positions, found = index.best(query, count, admitted)
            ids = index.ids[positions].tolist()
            groups = (
                [[place] for place in range(len(ids))]
                if fold is None
                else folded(index.vectors[positions], ids, k, fold, shared)
            )
            if len(groups) >= k or count >= min(available, DEEPEST * k):
                break
            count = min(available, DEEPEST * k)
        shown = [place for group in groups for place in group]
        described = dict(zip(shown, collection.describe(rows[positions[shown]]), strict=True))
        for place, hit in described.items():
            hit["score"] = round(float(found[place]), 4)
            hit["file"] = self._shown_path(hit["dataset"], hit["path"])
        return [
            described[head] | {"rank": rank, "folded": [described[each] for each in others]}
            for rank, (head, *others) in enumerate(groups, start=1)
        ]

    def _refined(
        self, index: VectorIndex, query: np.ndarray, right: np.ndarray, wrong: np.ndarray
    ) -> np.ndarray:
        if len(query) != index.vectors.shape[1]:
            raise InputError(
                f"the query has {len(query)} numbers, the index {index.vectors.shape[1]}: build "
                "the index again"
            )
        if not (right.size or wrong.size):
            return query
        marked = [
            index.vectors[places[places >= 0]]
            for places in (index.positions(right), index.positions(wrong))
        ]
        try:
            return refined(query, *marked)
        except ValueError:
            raise InputError(
                "what is marked as wrong cancels the query: take a mark away"
            ) from None

    def _query(
        self,
        question: Mapping,
        experiment: str,
        model: str,
        items: Sequence[Mapping],
        uploads: Sequence[Upload],
    ) -> np.ndarray:
        """The unit vector of all items of a question."""
        missing = self._missing(experiment, model)
        if missing:
            raise InputError(f"{self.project.cards[model]['name']} cannot be asked: {missing}")
        vectors = [self._item_vector(question, experiment, model, item, uploads) for item in items]
        try:
            return mean_query(vectors)
        except ValueError:
            raise InputError("the images of the query cancel one another: take one away") from None

    def _item_vector(
        self,
        question: Mapping,
        experiment: str,
        model: str,
        item: Mapping,
        uploads: Sequence[Upload],
    ) -> np.ndarray:
        if item["kind"] == "image" and not item.get("crop"):
            return self._stored(experiment, model, int(item["id"]))
        no_encoder = self._no_encoder(model)
        if no_encoder:
            raise InputError(
                f"{self.project.cards[model]['name']} cannot embed this query: {no_encoder}"
            )
        if item["kind"] == "text":
            if not model_card.has_text(self.project.cards[model]):
                raise InputError(
                    f"{self.project.cards[model]['name']} has no text tower: ask it with an image"
                )
            key, task, given = (model, "text", item["text"]), "embed_texts", [item["text"]]
        else:
            source, identity = self._source(question, experiment, item, uploads)
            key, task, given = (model, *identity), "embed_images", [source]
        members = self._members(model)

        def embed() -> np.ndarray:
            parts = []
            for member in members:
                child = self._encoder(member)
                self._check_weights(experiment, member, child.describe()["weights_sha256"])
                parts.append(unit(child.ask(task, given)[0]))
            return np.concatenate(parts) / np.float32(len(members) ** 0.5)

        return self.query_vectors.get(key, embed)

    def _source(
        self, question: Mapping, experiment: str, item: Mapping, uploads: Sequence[Upload]
    ) -> tuple[dict, tuple[Hashable, ...]]:
        """What a child process reads, and what tells it from others."""
        crop, part = _crop(item.get("crop")), item.get("part") or {}
        if item["kind"] == "image":
            dataset, path = self._address(experiment, int(item["id"]))
            intensity = self.project.datasets[dataset]["intensity"]
            source = {"path": str(path), "intensity": intensity, "crop": crop}
            return source, ("image", item["id"], tuple(crop or ()))
        upload = uploads[item["file"]]
        intensity = self._intensity(question, experiment)
        source = {
            "name": upload.name,
            "bytes": upload.content,
            "intensity": intensity,
            "crop": crop,
            "part": part,
        }
        told = (
            hashlib.sha256(upload.content).hexdigest(),
            json.dumps(part, sort_keys=True),
            digest_of(intensity),
        )
        return source, ("upload", upload.name.lower()[-8:], *told, tuple(crop or ()))

    def _intensity(self, question: Mapping, experiment: str) -> Mapping:
        datasets = self.project.experiments[experiment]["datasets"]
        read_as = question.get("read_as") or datasets[0]
        if read_as not in datasets:
            raise InputError(
                f"the experiment has no dataset '{read_as}': choose one of {', '.join(datasets)}"
            )
        return self.project.datasets[read_as]["intensity"]

    def _stored(self, experiment: str, model: str, identity: int) -> np.ndarray:
        """The vector of an image of the catalog, of the index or of a query split."""
        index = self._index(experiment, model)
        place = index.positions(np.array([identity]))[0]
        if place >= 0:
            return np.array(index.vectors[place])
        collection = self._collection(experiment)
        dataset = collection.describe(collection.rows(np.array([identity])))[0]["dataset"]
        with open_embeddings(self._embeddings_path(model, dataset)) as file:
            row = np.flatnonzero(file["ids"][:] == identity)
            if len(row):
                return unit_rows(file, slice(row[0], row[0] + 1))[0]
        raise InputError(
            f"{self.project.cards[model]['name']} has no embedding of this image: take another one"
        )

    def _check_weights(self, experiment: str, model: str, sha256: str) -> None:
        for dataset in self.project.experiments[experiment]["datasets"]:
            file = self._embeddings_path(model, dataset)
            if file.is_file() and read_attributes(file)["weights_sha256"] != sha256:
                raise InputError(
                    f"the weights of {self.project.cards[model]['name']} are not those that its "
                    "index was made with: put "
                    "those back, or run `snakemake --cores all` with these"
                )

    # --- where a match lies
    # -------------------------------------------------------------------------------------------

    def match(self, question: Mapping, uploads: Sequence[Upload] = ()) -> dict:
        """Where the query's first image and an image of the catalog (``id``) match, by one model's
        patches.

        Returns ``query`` and ``hit``, each ``picture`` and ``grid``. Raises :class:`InputError`
        where there is no such map.
        """
        experiment, (model, *_) = self._asked(question)
        name = self.project.cards[model]["name"]
        item = next(
            (each for each in _items(question, len(uploads)) if each["kind"] != "text"), None
        )
        if item is None:
            raise InputError("a text has no patches: the map needs an image as the query")
        if len(self._members(model)) > 1 or self._no_encoder(model):
            raise InputError(
                f"{name} gives no features of patches, so there is no map of where the match lies"
            )
        target = int(_ids([question.get("id")])[0])
        self._known(self._collection(experiment), np.array([target]))
        sources = [
            self._source(question, experiment, each, uploads)[0]
            for each in (item, {"kind": "image", "id": str(target)})
        ]
        found = self._encoder(model).ask("match", sources)
        if found is None:
            raise InputError(
                f"{name} gives no features of patches, so there is no map of where the match lies"
            )
        return {"query": found[0], "hit": found[1]}

    # --- pictures
    # -----------------------------------------------------------------------------------------------------

    def preview(self, question: Mapping, uploads: Sequence[Upload]) -> dict:
        """What an upload looks like, read as the index's images were."""
        experiment, _ = self._asked(
            question | {"models": question.get("models") or [None]}, models=False
        )
        if not uploads:
            raise InputError("no file came: choose an image")
        item = {"kind": "upload", "file": 0, "part": question.get("part")}
        source, _ = self._source(question, experiment, item, uploads)
        return self.workers.of("", {"pixels": self.pixels}).ask("preview", source)

    def picture(self, experiment: str, identity: int, side: int) -> bytes:
        """An image of the catalog as JPEG, its longest side at most ``side`` pixels. Raises
        :class:`InputError`.
        """
        side = next((each for each in PICTURE_SIDES if each >= side), PICTURE_SIDES[-1])
        dataset, path = self._address(experiment, identity)

        def make() -> bytes:
            buffer = io.BytesIO()
            try:
                found = reader.thumbnail(path, side, self.project.datasets[dataset]["intensity"])
            except raster.UnreadableImage as error:
                raise InputError(f"the image cannot be read any more ({error})") from None
            found.save(buffer, "JPEG", quality=85)
            return buffer.getvalue()

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
        return Path(split_address(str(self._address(experiment, identity)[1]))[0])

    def _address(self, experiment: str, identity: int) -> tuple[str, Path]:
        """Dataset and address of an image of the catalog: nothing else is ever opened for the
        page.
        """
        if (
            experiment not in self.project.experiments
            or not self._catalog_path(experiment).is_file()
        ):
            raise InputError("there is no such experiment: reload the page")
        collection = self._collection(experiment)
        self._known(collection, np.array([identity]))
        found = collection.describe(collection.rows(np.array([identity])))[0]
        root = self.project.datasets[found["dataset"]].get("images")
        if root is None:
            raise InputError("this dataset has no images here, only embeddings")
        return found["dataset"], reader.resolve(root, found["path"])

    def _shown_path(self, dataset: str, path: str) -> str:
        root = self.project.datasets[dataset].get("images")
        return str(Path(root, path)) if root else path

    # --- what is kept
    # -------------------------------------------------------------------------------------------------

    def _asked(self, question: Mapping, models: bool = True) -> tuple[str, list[str]]:
        """Experiment and models of a question, checked."""
        experiment = question.get("experiment")
        if experiment not in self.project.experiments:
            raise InputError(f"there is no experiment '{experiment}': reload the page")
        if not self._catalog_path(experiment).is_file():
            raise InputError(
                f"the experiment '{experiment}' has not run: run `snakemake --cores all`"
            )
        if not models:
            return experiment, []
        asked = question.get("models")
        known = self.project.experiments[experiment]["models"]
        if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_MODELS:
            raise InputError("choose one model, or two to compare")
        for model in asked:
            if model not in known:
                raise InputError(
                    f"the experiment '{experiment}' has no model '{model}': reload the page"
                )
        return experiment, list(dict.fromkeys(asked))

    def _known(self, collection: Collection, ids: np.ndarray) -> None:
        if (collection.rows(ids) < 0).any():
            raise InputError("an image is not in the catalog (any more): reload the page")

    def _collection(self, experiment: str) -> Collection:
        path = self._catalog_path(experiment)
        split = self.project.experiments[experiment]["index_split"]
        return self.collections.get((experiment, _version(path)), lambda: Collection(path, split))

    def _index(self, experiment: str, model: str) -> VectorIndex:
        """The index of a model; of an approximate one the vectors that it stands for, which take
        its place here.
        """
        path = self._index_path(experiment, model)

        def load() -> VectorIndex:
            settings = self.project.experiments[experiment]
            if settings["index"]["type"] == "flat":
                return VectorIndex.open(path)
            collection = self._collection(experiment)
            files = [self._embeddings_path(model, each) for each in settings["datasets"]]
            return VectorIndex.of(*read(files, collection.ids[collection.in_index]))

        return self.indexes.get((experiment, model, _version(path)), load)

    def _encoder(self, model: str):
        card = self.project.cards[model]
        settings = {
            "model": model,
            "card": self.project.meanings[model],
            "weights": model_card.weights_location(model, card),
            "device": self.project.settings["device"],
            "runtime": model_card.runtime_of(card),
            "pixels": self.pixels,
        }
        return self.workers.of(model, settings)

    def _catalog_path(self, experiment: str) -> Path:
        return Path(f"results/experiments/{experiment}/catalog.parquet")

    def _audit_path(self, experiment: str) -> Path:
        return Path(f"results/experiments/{experiment}/audit/near_duplicates.parquet")

    def _index_path(self, experiment: str, model: str) -> Path:
        split = self.project.experiments[experiment]["index_split"]
        return Path(f"results/experiments/{experiment}/{model}/index/{split}.faiss")

    def _embeddings_path(self, model: str, dataset: str) -> Path:
        return Path(f"results/embeddings/{model}/{dataset}.h5")


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced, so that a run beside the page is seen."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def _items(question: Mapping, files: int) -> list[dict]:
    """The items of a question, checked."""
    items = question.get("items")
    if not isinstance(items, list) or not items:
        raise InputError(
            "the query is empty: drop an image, type a text, or start from one of the samples"
        )
    if len(items) > MOST_ITEMS:
        raise InputError(f"the query has {len(items)} items: take {MOST_ITEMS} at most")
    for item in items:
        kind = item.get("kind") if isinstance(item, Mapping) else None
        if kind == "upload":
            if item.get("file") not in range(files):
                raise InputError("a file of the query did not arrive: drop it again")
        elif kind == "image":
            _ids([item.get("id")])
        elif kind == "text":
            text = item["text"] = " ".join(str(item.get("text", "")).split())
            if not text:
                raise InputError("the text is empty: type what to look for")
            if len(text) > LONGEST_TEXT:
                raise InputError(f"the text has {len(text)} characters: {LONGEST_TEXT} are enough")
        else:
            raise InputError("the query has an item of an unknown kind: reload the page")
    return items


def _filters(question: Mapping) -> dict[str, list[str]]:
    filters = question.get("filters") or {}
    if not isinstance(filters, Mapping) or not all(
        isinstance(each, list) for each in filters.values()
    ):
        raise InputError("the filters are not of the page's form: reload the page")
    return {name: values for name, values in filters.items() if values}


def _ids(given: Sequence) -> np.ndarray:
    try:
        return np.array([int(each) for each in given], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        raise InputError("an image is named by something that is no id: reload the page") from None


def _whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    return value


def _crop(crop: object) -> list[float] | None:
    """Left, top, right, bottom as shares of width and height."""
    if crop is None:
        return None
    numbers = (
        isinstance(crop, list)
        and len(crop) == 4
        and all(isinstance(each, int | float) for each in crop)
    )
    if not numbers or not (0 <= crop[0] < crop[2] <= 1 and 0 <= crop[1] < crop[3] <= 1):
        raise InputError("the region is not within the image: draw it again")
    return None if crop == [0, 0, 1, 1] else [float(each) for each in crop]
