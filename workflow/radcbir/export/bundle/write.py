"""Writes the bundle of an experiment."""

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radcbir import __version__
from radcbir.core.files import atomic_folder
from radcbir.core.logs import logger
from radcbir.core.tables import write_parquet
from radcbir.core.text.retrieved import one, several
from radcbir.embedding.store import read_ids
from radcbir.export.bundle import form
from radcbir.export.bundle.metadata import crate, croissant

LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy")
"""What computes the tables. Other versions may write other bytes of the same numbers."""

README = """# {name}: results of a retrieval benchmark

Which {several} are found for which, by {count} models, and the metrics that follow from it. No image and no vector is in
this folder.

- `experiment.json`: datasets, splits, what is searched and how, the models with their licences and training data, and
  the versions of the software.
- `images.parquet`: a row per {one} with its split, label and patient. `croissant.json` describes it.
- `models/.../neighbors`: the nearest {several} of each query. `embedded.parquet` lists the {several} that have a vector.
- `models/.../metrics`: the tables.
- `ro-crate-metadata.json`: all files with their digests (RO-Crate).

To compute the tables again and compare them, with radcbir {version} installed:

    python -m radcbir.export.bundle.reevaluate .
"""


@dataclass(frozen=True)
class ModelParts:
    """The files of one model's results."""

    about: Mapping[str, Any]
    """Name, licence, citation, training data and meaning of the model."""
    embeddings: Sequence[str | Path]
    neighbors: Mapping[str, str | Path]
    """Query split -> neighbor table."""
    metrics: Sequence[str | Path]
    """The tables of :data:`radcbir.export.bundle.form.TABLES`, in their order."""


def write_bundle(
    folder: str | Path,
    catalog: str | Path,
    experiment: Mapping[str, Any],
    datasets: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, ModelParts],
    made: date,
) -> None:
    """Write the bundle of an experiment to ``folder``, which appears when it is complete.

    ``experiment`` has name, index_split, query_splits and k. ``datasets`` says of each dataset what
    it is known as. The same results and the same day give the same bytes.
    """
    splits = list(experiment["query_splits"])
    with atomic_folder(folder) as part:
        write_parquet(pd.read_parquet(catalog, columns=list(form.SAID)), part / form.IMAGES)
        for name, model in models.items():
            _copy(model, name, part)
        _write_json(part / form.EXPERIMENT, _described(experiment, datasets, models))
        unit = experiment.get("unit", "image")
        words = {"name": experiment["name"], "count": len(models), "version": __version__}
        words |= {"one": one(unit), "several": several(unit)}
        (part / form.README).write_text(README.format(**words), encoding="utf-8")
        _write_json(part / form.CROISSANT, croissant(part, experiment, datasets, made))
        listed = form.files(models, splits)
        _write_json(part / form.CRATE, crate(part, listed, experiment, models, made))
    logger.info("%s: %d models, %d files", folder, len(models), len(listed) + 1)


def _copy(model: ModelParts, name: str, part: Path) -> None:
    ids = np.concatenate([read_ids(path) for path in model.embeddings])
    targets = {form.neighbors(name, split): table for split, table in model.neighbors.items()}
    targets |= {
        form.table(name, table): path
        for table, path in zip(form.TABLES, model.metrics, strict=True)
    }
    for target, source in targets.items():
        (part / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part / target)
    write_parquet(pd.DataFrame({"id": np.sort(ids)}), part / form.embedded(name))


def _described(
    experiment: Mapping[str, Any],
    datasets: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, ModelParts],
) -> dict[str, Any]:
    """``experiment.json``."""
    return {
        "experiment": dict(experiment),
        "datasets": {name: dict(about) for name, about in datasets.items()},
        "models": {name: dict(model.about) for name, model in models.items()},
        "libraries": {
            "radcbir": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
