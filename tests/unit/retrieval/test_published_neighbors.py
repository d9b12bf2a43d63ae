"""Neighbor lists from outside that are no lists, or damaged."""

import gzip

import numpy as np
import pandas as pd
import pytest
from mutants import outcomes, written

from radcbir.core.errors import InputError
from radcbir.datasets.catalog import image_id
from radcbir.retrieval.published_neighbors import take_neighbors

PATHS = [f"p{number}/{number}.png" for number in range(10)]
IDS = [image_id("set", path) for path in PATHS]


@pytest.fixture
def take(tmp_path):
    lines = [f"{image}\t{path}\t0" for image, path in zip(IDS, PATHS, strict=True)]
    (tmp_path / "list.tsv").write_text("\n".join(["id\tpath\tbytes", *lines]) + "\n")

    def images(part):
        return pd.DataFrame({"id": part, "patient_id": None}).astype({"patient_id": object})

    def take(content, k=2):
        path = tmp_path / "knn.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return take_neighbors(
            path, [tmp_path / "list.tsv"], images(IDS[:3]), images(IDS[3:]), np.array(IDS), k
        )

    return take


def lists(separator=",", end="\n", tail=""):
    rows = [[query, PATHS[place + 3], PATHS[place + 4]] for place, query in enumerate(PATHS[:3])]
    return end.join(separator.join(row) + tail for row in [["query", "1", "2"], *rows]) + end


@pytest.mark.parametrize(
    "content",
    [lists(), lists(";"), lists("\t", "\r\n"), "\ufeff" + lists(), lists(tail=","), "\n" + lists()],
)
def test_dialects_give_the_same_neighbors(take, content):
    expected = [IDS[place] for query in range(3) for place in (query + 3, query + 4)]
    table = take(content).to_pandas().sort_values(["query", "rank"])
    by_query = {query: rows["neighbor"].tolist() for query, rows in table.groupby("query")}
    assert [image for query in IDS[:3] for image in by_query[query]] == expected


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gzip.compress(lists().encode(), mtime=0), "are compressed: unpack them with gunzip"),
        (lists().encode("utf-16"), "are not UTF-8 text: save them as such"),
        (lists().replace("p0/", "pä/").encode("latin-1"), "are not UTF-8 text: save them as such"),
        (lists().encode() + b"\xff" * 9 + b",b,c\n", "knn.csv (are not UTF-8|cannot be read)"),
        ("", "cannot be read as comma-separated text: it is empty"),
        (lists().replace("\n", ",x\n", 2), "cannot be read as neighbor lists .*Expected 4 columns, got 3"),
        (lists().replace("2\n", "1\n"), "has the column '1' twice"),
        ("x" * (1 << 20) + "\n", "have a first line of more than 1,048,576 bytes"),
        (b"PK\x03\x04" + bytes(100), "it is an Excel workbook or a zip archive"),
        (b"query,1,2\na\0,b,c\n", "has a NUL byte in line 2"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_one_sentence(take, content, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        take(content)
    assert "\n" not in str(caught.value)


READ = """
import numpy as np
import pandas as pd
from radcbir.retrieval.published_neighbors import take_neighbors

def images(part):
    return pd.DataFrame({"id": part, "patient_id": None}).astype({"patient_id": object})

def read(path):
    take_neighbors(path, [SHARD], images(IDS[:3]), images(IDS[3:]), np.array(IDS), 2)
"""


def test_damaged_lists_are_read_or_refused_in_one_sentence(take, tmp_path):
    take(lists())
    files = written(tmp_path / "mutants", tmp_path / "knn.csv", 300)
    found = outcomes(f"IDS = {IDS}\nSHARD = {str(tmp_path / 'list.tsv')!r}\n{READ}", files)
    assert set(found) == {"read", "refused"}
