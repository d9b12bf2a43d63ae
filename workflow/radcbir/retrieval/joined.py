"""Neighbor tables beside the pooled catalog: rows of the catalog in place of ids, ready for array
operations.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radcbir.embedding.store import read_ids


@dataclass(frozen=True)
class Neighborhood:
    """The neighbors of ``q`` queries, best first; images are row numbers of the catalog."""

    offsets: np.ndarray
    """``(q + 1,)``: the rows ``offsets[i] : offsets[i + 1]`` of ``neighbors`` are query i's
    list."""
    queries: np.ndarray
    """``(q,)`` catalog rows."""
    neighbors: np.ndarray
    """``(rows,)`` catalog rows."""
    index: np.ndarray
    """``(n,)`` catalog rows of the images that can be found."""

    @property
    def asking(self) -> np.ndarray:
        """``(rows,)``: the catalog row of the query that each neighbor belongs to."""
        return np.repeat(self.queries, np.diff(self.offsets))

    def first(self, kept: np.ndarray) -> np.ndarray:
        """The position ``(q,)`` of each query's first neighbor among those ``kept`` ``(rows,)``
        bool; -1 without one.
        """
        rows = np.append(np.flatnonzero(kept), len(kept))
        found = rows[np.searchsorted(rows[:-1], self.offsets[:-1])]
        return np.where(found < self.offsets[1:], found, -1)


def neighborhood(
    neighbors: pd.DataFrame,
    catalog: pd.DataFrame,
    embedded: np.ndarray,
    index_split: str,
    one_label: bool = True,
) -> Neighborhood:
    """Join a neighbor table (query, rank, neighbor; the rows of a query by rank) with the pooled
    catalog.

    ``embedded`` has the ids of the embedded images; those of ``index_split`` are the index. With
    ``one_label`` the images without exactly one label are excluded from queries and index, and
    neighbors behind them move up.

    Raises :class:`ValueError` where the table names an image that is not in the catalog.
    """
    ids = pd.Index(catalog["id"].to_numpy(np.int64))
    query, neighbor = (
        ids.get_indexer(neighbors[column].to_numpy()) for column in ("query", "neighbor")
    )
    if min(query.min(initial=0), neighbor.min(initial=0)) < 0:
        raise ValueError("the neighbor table names an image that is not in the catalog")
    usable = catalog["label"].notna().to_numpy() if one_label else np.ones(len(catalog), dtype=bool)
    kept = usable[query] & usable[neighbor]
    query, neighbor = query[kept], neighbor[kept]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    index = (catalog["split"] == index_split).to_numpy() & ids.isin(embedded) & usable
    return Neighborhood(
        np.append(starts, len(query)), query[starts], neighbor, np.flatnonzero(index)
    )


def neighborhoods(
    catalog: pd.DataFrame,
    index_split: str,
    query_splits: Sequence[str],
    tables: Sequence[str | Path],
    embeddings: Sequence[str | Path],
    one_label: bool = True,
) -> Iterator[tuple[str, Neighborhood]]:
    """Query split and neighborhood of the neighbor tables of one model, read one after the other.

    ``tables`` has the path of a table per query split, ``embeddings`` of a file per dataset.
    """
    embedded = np.concatenate([read_ids(path) for path in embeddings])
    for split, path in zip(query_splits, tables, strict=True):
        table = pd.read_parquet(path, columns=["query", "rank", "neighbor"])
        yield split, neighborhood(table, catalog, embedded, index_split, one_label)


def files_of(models: Sequence[str], files: Sequence[str | Path]) -> dict[str, list[str | Path]]:
    """Each model's share of files that are listed model by model, as many of each."""
    each = len(files) // len(models)
    return {
        model: list(files[place * each : (place + 1) * each]) for place, model in enumerate(models)
    }


def by_split(
    analysis: Callable[[Neighborhood], pd.DataFrame], hoods: Iterable[tuple[str, Neighborhood]]
) -> pd.DataFrame:
    """The tables that ``analysis`` makes of the neighborhoods, the column query_split in front."""
    tables = []
    for split, hood in hoods:
        table = analysis(hood)
        table.insert(0, "query_split", split)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def codes(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes ``(n,)``, -1 where missing, and the sorted values behind them."""
    found, names = pd.factorize(values.astype(object).where(values.notna(), None), sort=True)
    return found, np.asarray(names, dtype=object)


def label_codes(catalog: pd.DataFrame) -> np.ndarray:
    """Codes of the one label of each image, -1 where an image has none or several."""
    return codes(catalog["label"])[0]


def patient_codes(catalog: pd.DataFrame) -> np.ndarray:
    """Codes of the patients, -1 where unknown."""
    return codes(catalog["patient_id"])[0]


def study_codes(catalog: pd.DataFrame) -> np.ndarray:
    """Codes of the studies, -1 where unknown; two datasets may number their studies alike."""
    named = catalog["dataset"].astype(str) + ":" + catalog["study_id"].astype(str)
    return codes(named.where(catalog["study_id"].notna()))[0]
