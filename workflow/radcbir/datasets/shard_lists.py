"""Reading the image lists of shards. Jobs that read images need no tables."""

import csv
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path


def read_shards(shards: Iterable[str | Path]) -> Iterator[tuple[int, str]]:
    """The id and path of every image of some shard lists."""
    for row in _rows(shards):
        yield int(row["id"]), row["path"]


def rows_of(wanted: Collection[int], shards: Iterable[str | Path]) -> dict[int, dict[str, str]]:
    """What shard lists say of the files of some images, by id: path, bytes, content."""
    return {int(row["id"]): row for row in _rows(shards) if int(row["id"]) in wanted}


def _rows(shards: Iterable[str | Path]) -> Iterator[dict[str, str]]:
    for shard in shards:
        with open(shard, newline="", encoding="utf-8") as handle:
            yield from csv.DictReader(handle, delimiter="\t")
