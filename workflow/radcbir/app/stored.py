"""The files of a finished run that the page reads: opened when they are needed, opened again when a
run beside the page has replaced them.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np

from radcbir.analyses.confidence.stored import Stored as Fit
from radcbir.analyses.confidence.stored import read_stored
from radcbir.app.collection import Collection, shared_duplicates
from radcbir.app.question import shown
from radcbir.app.units.slices import GONE, Slices
from radcbir.app.vectors import VectorIndex
from radcbir.app.views.series import series_of
from radcbir.core import layout
from radcbir.core.errors import InputError
from radcbir.embedding.store import open_embeddings, read, read_attributes, unit_rows
from radcbir.images import reader
from radcbir.project.configuration import Project
from radcbir.retrieval.adaptation.transform import MAP, Transform, load


class Recent:
    """The latest results of a function by key, so many of them."""

    def __init__(self, size: int):
        self.size, self.lock = size, threading.Lock()
        self.values: OrderedDict[Hashable, Any] = OrderedDict()

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


class Stored:
    """What a project's results hold; several threads may read at a time."""

    def __init__(self, project: Project):
        self.project = project
        self._collections, self._indexes, self._duplicates = Recent(4), Recent(8), Recent(4)
        self._fits, self._maps, self._slices = Recent(32), Recent(8), Recent(4)

    def unit(self, experiment: str) -> str:
        """What an experiment retrieves: ``image``, ``series``, ``study`` or ``patient``."""
        return self.project.experiments[experiment]["unit"]

    def catalog_file(self, experiment: str) -> Path:
        """Where the catalog of an experiment is."""
        return Path(layout.POOL.format(experiment=experiment))

    def index_file(self, experiment: str, model: str) -> Path:
        """Where the index of a model is."""
        split = self.project.experiments[experiment]["index_split"]
        return Path(layout.INDEX.format(experiment=experiment, model=model, split=split))

    def embeddings_file(self, experiment: str, model: str, dataset: str) -> Path:
        """Where a model's embeddings of what an experiment retrieves are, in a dataset; those of an
        adapted one and of units are in one file for all datasets.
        """
        if model in self.project.adapted:
            return Path(layout.ADAPTED.format(experiment=experiment, model=model))
        if self.unit(experiment) != "image":
            return Path(layout.UNIT_EMBEDDINGS.format(experiment=experiment, model=model))
        return self.image_embeddings_file(model, dataset)

    def image_embeddings_file(self, model: str, dataset: str) -> Path:
        """Where a model's embeddings of a dataset's images are."""
        return Path(layout.EMBEDDINGS.format(model=model, dataset=dataset))

    def adaptation_file(self, experiment: str, model: str) -> Path:
        """Where the map of an adapted model is."""
        return Path(layout.ADAPTATION.format(experiment=experiment, model=model))

    def adaptation_version(self, experiment: str, model: str) -> Hashable:
        """What tells the maps of an adapted model apart; None for all other models."""
        if model not in self.project.adapted:
            return None
        path = self.adaptation_file(experiment, model)
        return path, version(path)

    def adaptation(self, experiment: str, model: str) -> Transform:
        """The map of an adapted model."""
        path = self.adaptation_file(experiment, model)
        return self._maps.get((path, version(path)), lambda: load(path)[MAP])

    def check_experiment(self, experiment: str) -> None:
        """Raise :class:`InputError` for an experiment that there is not, or that has not run."""
        if experiment not in self.project.experiments:
            raise InputError(f"there is no experiment '{shown(experiment)}': reload the page")
        if not self.catalog_file(experiment).is_file():
            raise InputError(
                f"the experiment '{experiment}' has not run: run `snakemake --cores all`"
            )

    def collection(self, experiment: str) -> Collection:
        """The catalog of an experiment."""
        path = self.catalog_file(experiment)
        split = self.project.experiments[experiment]["index_split"]
        return self._collections.get((experiment, version(path)), lambda: Collection(path, split))

    def slices(self, experiment: str) -> Slices:
        """The images of an experiment's series, studies or patients."""
        path = Path(layout.UNIT_IMAGES.format(experiment=experiment))
        return self._slices.get((experiment, version(path)), lambda: Slices(path))

    def index(self, experiment: str, model: str) -> VectorIndex:
        """The index of a model; of an approximate one the vectors that it stands for, which take
        its place here.
        """
        path = self.index_file(experiment, model)

        def load() -> VectorIndex:
            settings = self.project.experiments[experiment]
            if settings["index"]["type"] == "flat":
                return VectorIndex.open(path)
            collection = self.collection(experiment)
            files = dict.fromkeys(
                self.embeddings_file(experiment, model, each) for each in settings["datasets"]
            )
            return VectorIndex.of(*read(list(files), collection.ids[collection.in_index]))

        return self._indexes.get((experiment, model, version(path)), load)

    def fit(self, experiment: str, model: str, images: int) -> Fit | None:
        """What the analysis confidence says of a model's hits; None where it has not run, or ran for
        an index of another number of ``images``.
        """
        path = Path(layout.FITTED_CHANCE.format(experiment=experiment, model=model))
        if not path.is_file():
            return None
        found = self._fits.get((path, version(path)), lambda: read_stored(path))
        return found if found["index_images"] == images else None

    def duplicates(self, experiment: str) -> dict[int, frozenset]:
        """Index image -> the query images that the audit found it to be a near duplicate of."""
        path = Path(layout.NEAR_DUPLICATES.format(experiment=experiment))
        made = version(path) if path.is_file() else None
        return self._duplicates.get((experiment, made), lambda: shared_duplicates(path))

    def vector(self, experiment: str, model: str, identity: int) -> np.ndarray:
        """The unit vector of a row of the catalog, of the index or of a query split.

        Raises :class:`InputError` where the model has none of it.
        """
        index = self.index(experiment, model)
        place = index.positions(np.array([identity]))[0]
        if place >= 0:
            return np.array(index.vectors[place])
        dataset = self._described(experiment, identity)["dataset"]
        with open_embeddings(self.embeddings_file(experiment, model, dataset)) as file:
            row = np.flatnonzero(file["ids"][:] == identity)
            if len(row):
                return unit_rows(file, slice(row[0], row[0] + 1))[0]
        raise InputError(
            f"{self.project.cards[model]['name']} has no embedding of this {self.unit(experiment)}: "
            "take another one"
        )

    def check_weights(self, experiment: str, model: str, sha256: str) -> None:
        """Raise :class:`InputError` where the stored embeddings are of other weights than these."""
        for dataset in self.project.experiments[experiment]["datasets"]:
            file = self.image_embeddings_file(model, dataset)
            if file.is_file() and read_attributes(file)["weights_sha256"] != sha256:
                raise InputError(
                    f"the weights of {self.project.cards[model]['name']} are not those that its "
                    "index was made with: put those back, or run `snakemake --cores all` with these"
                )

    def address(self, experiment: str, identity: int) -> tuple[str, Path]:
        """Dataset and address of an image of the catalog: nothing else is ever opened for the page.

        Raises :class:`InputError`.
        """
        self.check_experiment(experiment)
        found = self._described(experiment, identity)
        root = self.project.datasets[found["dataset"]].get("images")
        if root is None:
            raise InputError("this dataset has no images here, only embeddings")
        return found["dataset"], reader.resolve(root, found["path"])

    def described(self, experiment: str, identity: int) -> dict:
        """What is shown of an image of the catalog, its path as the user would write it.

        Raises :class:`InputError`.
        """
        self.check_experiment(experiment)
        found = self._described(experiment, identity)
        return found | {"file": self.shown_path(found["dataset"], found["path"])}

    def series(self, experiment: str, identity: int) -> dict:
        """The volume or series of an image of the catalog: ``kind`` and ``place`` as in
        :func:`radcbir.app.views.series.series_of`, and ``images`` with ``id``, ``path``, ``file``
        (:meth:`shown_path`) and ``position`` (mm, or None). Of a series, study or patient, or one
        of its slices, all its slices; ``kind`` is then which of these it is.

        Raises :class:`InputError`.
        """
        self.check_experiment(experiment)
        unit = self.unit(experiment)
        if unit != "image":
            collection = self.slices(experiment).collection
            found = self.slices(experiment).around(identity) | {"kind": unit}
        else:
            self.check_known(experiment, np.array([identity]))
            collection = self.collection(experiment)
            found = series_of(collection.table, int(collection.rows(np.array([identity]))[0]))
        columns = collection.table.select(["id", "path", "dataset", "position"])
        images = columns.take(found.pop("rows")).to_pylist()
        for each in images:
            each["id"] = str(each["id"])
            each["file"] = self.shown_path(each.pop("dataset"), each["path"])
        return found | {"images": images}

    def shown_path(self, dataset: str, path: str) -> str:
        """The path of an image as the user would write it."""
        root = self.project.datasets[dataset].get("images")
        return str(Path(root, path)) if root else path

    def check_known(self, experiment: str, ids: np.ndarray) -> None:
        """Raise :class:`InputError` where an id is none of the catalog's."""
        if len(ids) and (self.collection(experiment).rows(ids) < 0).any():
            raise InputError(GONE)

    def _described(self, experiment: str, identity: int) -> dict:
        """A row of the catalog, or else a slice of one."""
        wanted = np.array([identity])
        collection = self.collection(experiment)
        if self.unit(experiment) != "image" and (collection.rows(wanted) < 0).any():
            collection = self.slices(experiment).collection
        rows = collection.rows(wanted)
        if (rows < 0).any():
            raise InputError(GONE)
        return collection.describe(rows)[0]


def version(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced, so that a run beside the page is seen."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino
