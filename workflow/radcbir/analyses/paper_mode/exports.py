"""Results in the files and columns of the reference."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.analyses.paper_mode.compute import QUERIES_PER_BLOCK
from radcbir.analyses.paper_mode.lists import PaperLists
from radcbir.core.files import atomic_write


def write_neighbor_lists(
    path: str | Path,
    splits: Sequence[PaperLists],
    catalog: pd.DataFrame,
    datasets: Sequence[str],
    quirks: Mapping[str, bool],
) -> None:
    """Write the reference's ``knn.csv``: query, 1, 2 ... k; per dataset first the test queries,
    then those of validation.

    Beyond the end of the index stands its last image again (``invented_neighbors``), or nothing.
    """
    paths = np.append(catalog["path"].to_numpy(object), "")
    dataset = catalog["dataset"].to_numpy(object)
    width = splits[0].neighbors.shape[1]
    with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerow(["query", *range(1, width + 1)])
        for name in datasets:
            for lists in splits:
                rows = np.flatnonzero(dataset[lists.queries] == name)
                for start in range(0, len(rows), QUERIES_PER_BLOCK):
                    block = rows[start : start + QUERIES_PER_BLOCK]
                    neighbors = lists.neighbors[block]
                    neighbors = np.where(
                        neighbors < 0, lists.last if quirks["invented_neighbors"] else -1, neighbors
                    )
                    table = pd.DataFrame(paths[np.column_stack([lists.queries[block], neighbors])])
                    table.to_csv(handle, index=False, header=False, lineterminator="\n")


def write_numbered(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as the reference does: with row numbers, from 0, in a first column without a
    name.
    """
    with atomic_write(path) as part:
        table.to_csv(part)
