"""The library for use without Snakemake: a notebook, a script, another program.

The names of this module are also those of the package: ``radcbir.load_encoder`` and so on. The
workflow uses the same functions below them.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from radcbir.cards.model_card import ModelCard, weights_files, weights_location
from radcbir.cards.model_card import load_card as _load_card
from radcbir.cards.model_list import model_rows
from radcbir.core import layout, package_data
from radcbir.core.errors import InputError
from radcbir.core.tables import read_csv
from radcbir.core.vectors import normalised
from radcbir.encoders import Encoder
from radcbir.export.read import Export, read_export
from radcbir.images.intensity import INTENSITY

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


@dataclass(frozen=True)
class Embeddings:
    """Images and their vectors."""

    images: np.ndarray
    """``(n,)``: paths below a folder, or ids as in an experiment's catalog."""
    vectors: np.ndarray
    """``(n, d)`` float32, each of length one, so that inner products are cosine similarities."""
    rejected: pd.DataFrame
    """Images without a vector: columns image, reason."""


def list_models() -> pd.DataFrame:
    """One row per model card that comes with the library: name, licence, input, dimension, ..."""
    cards = {
        path.stem: _load_card(path) for path in sorted(package_data.model_cards().glob("*.yaml"))
    }
    return pd.DataFrame(model_rows(cards, "resources/weights"))


def load_card(model: str | Path) -> ModelCard:
    """A model card, by its slug or by the path of its YAML file.

    Raises :class:`~radcbir.core.errors.InputError` where there is none, or where a key is wrong.
    """
    path = Path(model)
    if path.suffix != ".yaml":
        path = package_data.model_cards() / f"{model}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml")))
        raise InputError(f"there is no model card {path}: name one of {known or 'none'}")
    return _load_card(path)


def fetch_weights(model: str, folder: str | Path = "resources/weights") -> list[Path]:
    """Fetch the weights of a model to ``folder/model/``, check their digests, return their paths.

    Files that are there are used as they are. Raises :class:`~radcbir.core.errors.InputError` where
    a file cannot be fetched or has another digest.
    """
    from radcbir.fetch.weights import fetch

    paths = []
    for name, source in weights_files(load_card(model)).items():
        path = Path(folder) / model / name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            fetch(source, path, name)
        paths.append(path)
    return paths


def load_encoder(
    model: str | Path, weights: str | Path = "resources/weights", device: str = "auto"
) -> Encoder:
    """The encoder of a model card.

    ``weights`` is the folder that :func:`fetch_weights` fetched to. ``device`` is ``auto``,
    ``cpu``, ``cuda``, ``cuda:N`` or ``mps``. Raises :class:`~radcbir.core.errors.InputError` where
    weights are missing or do not fit.
    """
    from radcbir import encoders

    card, slug = load_card(model), Path(model).stem
    location = weights_location(slug, card)
    if location is not None:
        location = str(Path(weights) / Path(location).relative_to("resources/weights"))
    return encoders.load_encoder(slug, card, location, device)


def embed_folder(
    folder: str | Path, encoder: Encoder, batch_size: int = 32, threads: int | None = None
) -> Embeddings:
    """Embed every image below a folder: PNG, JPEG, TIFF, DICOM, and other formats of one image.

    ``threads`` images are decoded at a time; by default as many as there are cores.
    """
    from radcbir.embedding.images import embed_images

    root = Path(folder)
    listed = sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    places, vectors, rejected = embed_images(
        list(enumerate(listed)),
        root,
        encoder,
        batch_size,
        threads or os.cpu_count() or 1,
        INTENSITY,
    )
    unit = normalised(vectors)[0].astype(np.float32) if len(vectors) else vectors
    table = pd.DataFrame([each[1:] for each in rejected], columns=["image", "reason"])
    return Embeddings(np.array(listed, dtype=object)[places], unit, table)


def open_embeddings(path: str | Path) -> Embeddings:
    """The embeddings in a file of the workflow, ``results/embeddings/{model}/{dataset}.h5``.

    The images are ids, as in the column ``id`` of :func:`experiment_catalog`.
    """
    from radcbir.embedding import store

    ids, vectors = store.read([path], store.read_ids(path))
    rejected = pd.DataFrame(store.read_rejected(path), columns=["id", "image", "reason"])
    return Embeddings(ids, vectors, rejected[["image", "reason"]])


def open_export(folder: str | Path) -> Export:
    """An export of the workflow, ``results/exports/{experiment}/{model}``: images, vectors, index,
    neighbors and what its manifest says. Every file is held against its digest.

    Raises :class:`~radcbir.core.errors.InputError` where a file is missing or damaged.
    """
    return read_export(folder)


def export_to_qdrant(folder: str | Path, client: "QdrantClient", collection: str) -> int:
    """Put the index split of an export into a new collection of Qdrant, a point per image; return
    how many.

    ``client`` is a ``qdrant_client.QdrantClient``: in local mode, ``QdrantClient(path="...")``, no
    server is needed. Raises :class:`~radcbir.core.errors.InputError` where the export is damaged or
    the collection exists.
    """
    from radcbir.export.qdrant import to_qdrant

    return to_qdrant(read_export(folder), client, collection)


def export_to_sqlite(folder: str | Path, path: str | Path) -> int:
    """Write the index split of an export to a new file of SQLite, a row per image; return how many.

    The extension sqlite-vec searches it exactly (docs/export.md). Raises
    :class:`~radcbir.core.errors.InputError` where the export is damaged or the file exists.
    """
    from radcbir.export.sqlite import to_sqlite

    return to_sqlite(folder, path)


def reevaluate(folder: str | Path) -> pd.DataFrame:
    """Compute the metrics of a result bundle again, from its neighbors and labels, and compare them.

    Columns: file; found (``as bundled``, ``changed``, ``missing``, ``not of the bundle``);
    recomputed (``same bytes``, ``same values, other bytes``, ``other values``, or empty for files
    that are no tables of metrics). Raises :class:`~radcbir.core.errors.InputError` where the folder
    is no bundle.
    """
    from radcbir.export.bundle.reevaluate import reevaluate as compute

    return compute(folder)


def search(index: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of ``index`` ``(n, d)`` for each of ``queries`` ``(q, d)``, exactly.

    Both hold vectors of length one. Returns positions ``(q, k)`` in the index and cosine
    similarities ``(q, k)``, best first; equal ones by position. As in the workflow, the result does
    not depend on threads or batches. Where torch is loaded, the search runs in a child process: the
    OpenMP runtimes of torch and FAISS do not get on with each other in one.

    Raises :class:`ValueError` where vectors are not of length one, or k < 1.
    """
    if "torch" not in sys.modules:
        return _search(index, queries, k)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_search, index, queries, k).result()


def _search(index: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    from radcbir.core.vectors import unit_vectors
    from radcbir.retrieval.exact import exact_searcher

    if k < 1:
        raise ValueError(f"k is {k}: use at least 1")
    width = np.asarray(index).shape[1]
    return exact_searcher(unit_vectors(index, width))(unit_vectors(queries, width), k)


def retrieval_metrics(
    positions: np.ndarray, index_labels: np.ndarray, query_labels: np.ndarray
) -> pd.DataFrame:
    """The metrics of neighbors: columns metric, average (micro, macro), k, value, queries, ...

    ``positions`` ``(q, k)`` are those of :func:`search`; ``index_labels`` ``(n,)`` and
    ``query_labels`` ``(q,)`` are the labels. A neighbor is right when it has the query's label.
    """
    from radcbir.metrics.evaluation import evaluate

    positions = np.asarray(positions)
    queries, k = positions.shape
    index_size = len(index_labels)
    labels = np.concatenate([np.asarray(index_labels, object), np.asarray(query_labels, object)])
    parts = pd.Series(labels).astype(str).str.split("/", expand=True)
    catalog = pd.DataFrame(
        {
            "id": np.arange(len(labels)),
            "split": ["index"] * index_size + ["query"] * queries,
            "label": labels,
            "modality": parts[0],
            "region": parts.get(1, ""),
            "patient_id": None,
        }
    )
    neighbors = pd.DataFrame(
        {
            "query": np.repeat(np.arange(queries) + index_size, k),
            "rank": np.tile(np.arange(1, k + 1), queries),
            "neighbor": positions.ravel(),
        }
    )
    ids = catalog["id"].to_numpy()
    found = evaluate(neighbors, catalog, ids, "index", "query", k).summary
    return found.drop(columns=["query_split", "neighbors"])


def results(
    project: str | Path, experiment: str, table: str = "comparison/summary"
) -> pd.DataFrame:
    """A table of results, by ``analysis/name``: ``comparison/summary``, ``leakage/leakage``, ...

    ``project`` is the folder in which Snakemake ran.
    """
    analysis, _, name = table.partition("/")
    path = Path(project) / layout.of_experiment(analysis, f"{name}.csv").format(
        experiment=experiment
    )
    if not path.is_file():
        folder = path.parents[1]
        known = sorted(f"{each.parent.name}/{each.stem}" for each in folder.glob("*/*.csv"))
        raise InputError(f"there is no table {path}: {', '.join(known) or 'run snakemake first'}")
    return read_csv(path)


def experiment_catalog(project: str | Path, experiment: str) -> pd.DataFrame:
    """The images of an experiment: id, path, dataset, split, labels, patient and so on."""
    return pd.read_parquet(Path(project) / layout.POOL.format(experiment=experiment))


def experiment_neighbors(
    project: str | Path, experiment: str, model: str, split: str
) -> pd.DataFrame:
    """The neighbors of a query split by a model: query, rank, neighbor, score, same_patient."""
    path = layout.NEIGHBORS.format(experiment=experiment, model=model, split=split)
    return pd.read_parquet(Path(project) / path)
