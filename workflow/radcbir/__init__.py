"""Content-based image retrieval in radiology: the library behind the workflow.

The packages follow the pipeline, and none imports a later one: ``core`` (what all others use),
``images``, ``datasets``, ``audit``, ``cards``, ``fetch``, ``encoders``, ``embedding``,
``retrieval``, ``metrics``, ``export``, ``report``, ``analyses``, ``query``, ``project``, ``app``. Nothing here
imports Snakemake. torch and FAISS are never loaded in one process, since their OpenMP runtimes
clash: torch is for ``encoders`` and ``linear_probing``, FAISS for ``retrieval`` and some analyses.

The names of :mod:`radcbir.api` are names of this package too. They are loaded on first use, so that
``import radcbir`` takes no time.
"""

import importlib
from typing import Any

__version__ = "0.2.0"

__all__ = [
    "Embeddings",
    "embed_folder",
    "experiment_catalog",
    "experiment_neighbors",
    "export_to_qdrant",
    "export_to_sqlite",
    "fetch_weights",
    "list_models",
    "load_card",
    "load_encoder",
    "open_embeddings",
    "open_export",
    "reevaluate",
    "results",
    "retrieval_metrics",
    "search",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("radcbir.api"), name)
    raise AttributeError(f"module 'radcbir' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
