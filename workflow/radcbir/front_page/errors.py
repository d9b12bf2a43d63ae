"""The errors of the best model: of which kinds they are, and an example of each of the commonest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

SHOWN = 8
"""So many kinds of errors get an example."""


@dataclass(frozen=True)
class Error:
    """Queries of one label whose nearest image has one other label, with an example."""

    label: str
    found: str
    count: int
    """How many errors are of this kind."""
    query: tuple[str, str]
    """Dataset and path of the example's query."""
    neighbor: tuple[str, str]
    """Dataset and path of its nearest image."""
    score: float


@dataclass(frozen=True)
class Errors:
    """The wrong nearest images of one model."""

    count: int
    same_region: float
    """The share that has the query's modality and region; NaN without an error."""
    typical: list[Error]
    """The commonest kinds, most errors first."""


def errors_of(
    per_query: pd.DataFrame,
    neighbors: str | Path,
    catalog: pd.DataFrame,
    split: str,
    shown: int = SHOWN,
) -> Errors:
    """The errors of a model on the queries of a split.

    ``per_query`` is the model's ``per_query.parquet``, ``neighbors`` the path of its neighbor table
    and ``catalog`` the pooled catalog. A kind is a pair of labels. The example is the error with
    the middle score of its kind, so that it is neither the best nor the worst of them.
    """
    wrong = per_query[
        (per_query["query_split"] == split)
        & (per_query["neighbors"] == "all")
        & (per_query["relevant_in_index"] > 0)
        & (per_query["precision_at_1"] == 0)
    ]
    images = catalog[catalog["label"].notna()].set_index("id")[["dataset", "path", "label"]]
    near = _nearest(neighbors, set(images.index))
    pairs = wrong[["query"]].merge(near, on="query")
    pairs["label"] = images["label"].loc[pairs["query"]].to_numpy(object)
    pairs["found"] = images["label"].loc[pairs["neighbor"]].to_numpy(object)
    if pairs.empty:
        return Errors(0, float("nan"), [])
    same = pairs["label"].map(_region) == pairs["found"].map(_region)
    kinds = [
        (part.sort_values(["score", "query"], ascending=[False, True]), label, found)
        for (label, found), part in pairs.groupby(["label", "found"], sort=True)
    ]
    kinds.sort(key=lambda kind: -len(kind[0]))
    typical = []
    for part, label, found in kinds[:shown]:
        example: Any = part.iloc[len(part) // 2]
        query, neighbor = (
            (str(images["dataset"][example[each]]), str(images["path"][example[each]]))
            for each in ("query", "neighbor")
        )
        typical.append(
            Error(
                str(label),
                str(found),
                len(part),
                query,
                neighbor,
                float(example["score"]),
            )
        )
    return Errors(len(pairs), float(same.mean()), typical)


def kind_in_words(error: Error) -> Mapping[str, str]:
    """What the query is and what its nearest image is: the whole labels where modality or region
    differ, else the findings.
    """
    if _region(error.label) == _region(error.found):
        where = _region(error.label).replace("/", " ")
        return {
            "where": where,
            "is": error.label.split("/", 2)[2],
            "found": error.found.split("/", 2)[2],
        }
    return {
        "where": "another region or modality",
        "is": error.label.replace("/", " "),
        "found": error.found.replace("/", " "),
    }


def _nearest(path: str | Path, usable: set[int]) -> pd.DataFrame:
    """query, neighbor and score of each query's nearest image that has one label."""
    columns = ["query", "rank", "neighbor", "score"]
    first = pq.read_table(path, columns=columns, filters=[("rank", "<=", 1)]).to_pandas()
    if first["neighbor"].isin(usable).all():
        return first
    table = pq.read_table(path, columns=columns).to_pandas()
    table = table[table["neighbor"].isin(usable)].sort_values(["query", "rank"], kind="stable")
    return table.drop_duplicates("query")


def _region(label: str) -> str:
    """Modality and region of a label."""
    return "/".join(label.split("/")[:2])
