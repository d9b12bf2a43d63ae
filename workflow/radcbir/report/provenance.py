"""What made the results, read back from the embedding files."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from radcbir import __version__
from radcbir.embedding import store


def provenance_table(paths: Sequence[str | Path]) -> pd.DataFrame:
    """One row per embedding file: model, dataset, its size, type and settings, digests, and library
    versions.
    """
    rows = []
    for path in paths:
        found = store.read_attributes(path)
        libraries = json.loads(found["libraries"])
        rows.append(
            {
                **{
                    name: found[name]
                    for name in (
                        "model",
                        "dataset",
                        "images",
                        "dimension",
                        "storage",
                        "card_digest",
                    )
                },
                "weights": found["weights_sha256"] or "none",
                "code": found["code"],
                "intensity": _policy(json.loads(found.get("intensity") or "{}")),
                "libraries": ", ".join(f"{name} {number}" for name, number in libraries.items()),
            }
        )
    return pd.DataFrame(rows)


def _policy(intensity: dict) -> str:
    """An intensity policy in words."""
    if not intensity:
        return "not recorded"
    range_of = f"{intensity.get('low')} to {intensity.get('high')} %"
    if intensity["policy"] == "window":
        return (
            f"window {intensity['window']}"
            if "window" in intensity
            else f"window of the file, else {range_of}"
        )
    return f"percentile {range_of}" if intensity["policy"] == "percentile" else intensity["policy"]


def environment() -> str:
    """Python and the libraries that search and evaluate, with their versions, in one line."""
    libraries = ["snakemake", "numpy", "pandas", "faiss-cpu", "h5py", "matplotlib"]
    found = [f"radcbir {__version__}", f"Python {platform.python_version()}"]
    for name in libraries:
        try:
            found.append(f"{name} {version(name)}")
        except ModuleNotFoundError:  # a rule's own environment may lack what other rules use
            continue
    return ", ".join(found)
