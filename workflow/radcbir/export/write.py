"""Writes an export: vectors with what is known of their images, the index, neighbors, a manifest."""

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from radcbir import __version__
from radcbir.core.errors import InputError
from radcbir.core.files import atomic_folder, sha256_of_file
from radcbir.core.logs import logger
from radcbir.core.tables import read_csv
from radcbir.embedding import store
from radcbir.export import form

HEADLINES = (
    "precision_at_1",
    "precision_at_10",
    "mean_average_precision",
    "ndcg",
    "mean_reciprocal_rank",
)
"""The metrics that the manifest has; all others follow from neighbors and labels."""

LIBRARIES = ("faiss-cpu", "h5py", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class Parts:
    """The files of a run that an export is made from."""

    catalog: str | Path
    """The pooled catalog of the experiment."""
    embeddings: Sequence[str | Path]
    """The model's embeddings of each of its datasets."""
    index: str | Path
    """The index of the index split."""
    neighbors: Mapping[str, str | Path]
    """Query split -> neighbor table."""
    metrics: str | Path
    """``summary.csv`` of the retrieval metrics."""


def write_export(
    folder: str | Path,
    parts: Parts,
    experiment: Mapping[str, Any],
    model: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the export of one model of an experiment to ``folder``, and return its manifest.

    ``experiment`` has the settings that the manifest shows, among them ``index_split``. ``model`` is
    what it says of the model. The folder appears when it is complete. The same input gives the same
    bytes. Memory does not grow with the number of images, but for their catalog.
    Raises :class:`~radcbir.core.errors.InputError` where the index split has no image with a vector.
    """
    catalog = pd.read_parquet(parts.catalog, columns=list(form.COLUMNS)).set_index("id")
    splits = [experiment["index_split"], *parts.neighbors]
    with atomic_folder(folder) as part:
        counts = _write_vectors(part / form.VECTORS, parts.embeddings, catalog, splits)
        if not counts[splits[0]]:
            raise InputError(
                f"no image of the index split '{splits[0]}' has a vector: see the ledger for why"
            )
        shutil.copyfile(parts.index, part / form.INDEX)
        for split, table in parts.neighbors.items():
            path = part / form.neighbors(split)
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(table, path)
        manifest = {
            "format": form.FORMAT,
            "experiment": dict(experiment),
            "model": dict(model),
            "dimension": store.dimension(parts.embeddings),
            "images": {
                split: {
                    "listed": int((catalog["split"] == split).sum()),
                    "with_vector": counts[split],
                }
                for split in splits
            },
            "embeddings": [_made_by(path) for path in parts.embeddings],
            "metrics": headlines(read_csv(parts.metrics)),
            "libraries": {
                "radcbir": __version__,
                "python": platform.python_version(),
                **{name: version(name) for name in LIBRARIES},
            },
            "files": {
                name: {
                    "bytes": (part / name).stat().st_size,
                    "sha256": sha256_of_file(part / name),
                }
                for name in form.files(list(parts.neighbors))
            },
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (part / form.MANIFEST).write_text(text + "\n", encoding="utf-8")
    logger.info("%s: %d images, dimension %d", folder, sum(counts.values()), manifest["dimension"])
    return manifest


def _write_vectors(
    path: Path, embeddings: Sequence[str | Path], catalog: pd.DataFrame, splits: Sequence[str]
) -> dict[str, int]:
    """Write the images with a vector, split by split, and return how many each split has."""
    schema = form.schema(store.dimension(embeddings))
    told = [name for name in form.COLUMNS if name != "id"]
    counts = dict.fromkeys(splits, 0)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=told) as writer:
        for split in splits:
            wanted = catalog.index[catalog["split"] == split].to_numpy(np.int64)
            for ids, vectors in store.blocks(embeddings, wanted):
                images = catalog.loc[ids]
                columns = [pa.array(ids)]
                for name in told:
                    values = images[name].astype(object)
                    values = values.where(images[name].notna(), None)
                    columns.append(pa.array(values.tolist(), schema.field(name).type))
                flat = pa.array(np.ascontiguousarray(vectors).ravel())
                columns.append(pa.FixedSizeListArray.from_arrays(flat, type=schema.types[-1]))
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                counts[split] += len(ids)
    return counts


def headlines(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the metrics that :data:`HEADLINES` names, over all neighbors."""
    kept = summary[(summary["neighbors"] == "all") & summary["metric"].isin(HEADLINES)]
    columns = ["query_split", "metric", "average", "k", "value", "queries"]
    rows = kept[columns].astype(object).where(kept[columns].notna(), None)
    return [dict(zip(columns, row, strict=True)) for row in rows.to_numpy().tolist()]


def _made_by(path: str | Path) -> dict[str, Any]:
    """What made a file of embeddings."""
    found = store.read_attributes(path)
    return {
        "dataset": found.get("dataset", ""),
        "images": int(found["images"]),
        "storage": found["storage"],
        "card_digest": found.get("card_digest", ""),
        "weights_sha256": found.get("weights_sha256", ""),
        "intensity": json.loads(found.get("intensity") or "{}"),
        "libraries": json.loads(found.get("libraries") or "{}"),
    }
