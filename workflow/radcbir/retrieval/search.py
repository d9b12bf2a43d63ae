"""The neighbors of queries by whichever search a model of an experiment has: exact, approximate, or
that of a fusion.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from radcbir.retrieval import exact
from radcbir.retrieval.approximate import approximate_neighbor_table
from radcbir.retrieval.fused import fused_neighbor_table
from radcbir.retrieval.neighbor_table import Queries


def neighbors_by(
    path: str | Path,
    index: Mapping,
    fusion: Mapping | None,
    indexed: Callable[[], tuple[np.ndarray, np.ndarray]],
    queries: Queries,
    memory: int,
) -> pa.Table | Iterable[pa.Table]:
    """The table of :func:`~radcbir.retrieval.exact.neighbor_table`, or its parts.

    ``path`` is the index file and ``index`` what its search needs. ``fusion`` says ``by`` and
    ``widths`` of a fusion by score or by rank. ``indexed`` gives ids ``(n,)`` and vectors ``(n, d)``
    of the index; it is called only where the search needs them. An exact search keeps to ``memory``
    bytes.
    """
    if fusion:
        return fused_neighbor_table(fusion["by"], fusion["widths"], *indexed(), queries)
    if index["type"] == "flat":
        return exact.neighbor_tables(path, queries, memory)
    return approximate_neighbor_table(path, index, *indexed(), queries)
