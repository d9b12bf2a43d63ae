"""Reading the image lists of shards. Jobs that read images need no tables."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path


def read_shards(shards: Iterable[str | Path]) -> Iterator[tuple[int, str]]:
    """The id and path of every image of some shard lists."""
    for shard in shards:
        with open(shard, newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                yield int(row["id"]), row["path"]
