"""FAISS against brute force, ties, lists that go deeper for other patients, and files that are not
what they should be."""

import logging
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radcbir.core import logs
from radcbir.core.errors import InputError
from radcbir.retrieval import exact, index_file
from radcbir.retrieval import neighbor_table as table_file
from radcbir.retrieval.exact import ExactSearch, neighbor_table, neighbor_tables, search
from radcbir.retrieval.neighbor_table import Queries

WORKFLOW = Path(exact.__file__).parents[2]


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone: other tests import torch into this
    one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def unit_vectors(rng, count, dimension):
    vectors = rng.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def on_circle(*degrees):
    """Vectors of two dimensions: the cosine similarity of two is the cosine of the angle between
    them."""
    radians = np.deg2rad(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def search_file(path, queries, k, threads=2, batch=None):
    import faiss

    faiss.omp_set_num_threads(threads)
    index = index_file.read_index(path)
    parts = [
        queries[start : start + (batch or len(queries))]
        for start in range(0, len(queries), batch or len(queries))
    ]
    found = [search(index, part, k) for part in parts]
    return np.concatenate([ids for ids, _ in found]), np.concatenate(
        [scores for _, scores in found]
    )


def search_with_log(path, queries, k):
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logs.logger.addHandler(handler)
    logs.logger.setLevel(logging.INFO)
    try:
        return *search(index_file.read_index(path), queries, k), messages
    finally:
        logs.logger.removeHandler(handler)


def table_of_file(path, *arguments):
    return neighbor_table(index_file.read_index(path), Queries(*arguments))


def depths_of_table(path, *arguments):
    """How many neighbors per query the table had to look at."""
    depths, nearest = [], ExactSearch.nearest
    ExactSearch.nearest = lambda self, queries, k: depths.append(k) or nearest(self, queries, k)
    try:
        table_of_file(path, *arguments)
    finally:
        ExactSearch.nearest = nearest
    return depths


def index_of_another_kind(path):
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatL2(2))
    index.add_with_ids(on_circle(0, 1), np.array([1, 2]))
    faiss.write_index(index, str(path))


def contents(path):
    index = index_file.read_index(path)
    return index.ntotal, index.d, [index.reconstruct(identity) for identity in (40, 10)]


# --- index
# ----------------------------------------------------------------------------------------------------------


def test_blocks_of_any_size_and_precision_make_one_index(apart, tmp_path):
    path = tmp_path / "deep" / "train.faiss"
    blocks = [
        (np.array([40, 7]), on_circle(10, 20)),
        (np.array([], dtype=np.int64), np.empty((0, 2), np.float32)),
        (np.array([10]), on_circle(60).astype(np.float16)),
    ]
    assert apart(index_file.build_index, path, blocks, 2) == 3
    count, dimension, (first, last) = apart(contents, path)
    assert (count, dimension) == (3, 2)
    np.testing.assert_array_equal(first, on_circle(10)[0])
    np.testing.assert_allclose(last, on_circle(60)[0], atol=1e-3)
    assert [each.name for each in path.parent.iterdir()] == ["train.faiss"]


def test_an_empty_index_names_its_split(apart, tmp_path):
    with pytest.raises(InputError, match="index split 'train' has no embedded image"):
        apart(
            index_file.build_index,
            tmp_path / "train.faiss",
            [(np.empty(0, np.int64), np.empty((0, 2)))],
            2,
        )
    with pytest.raises(InputError, match="index split 'train'"):
        apart(index_file.build_index, tmp_path / "train.faiss", [], 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ([5, 6], [[1, 0], [0, 0]], "id 6 has length 0"),
        ([5, 6], [[1, 0], [0, np.nan]], "id 6 has length nan"),
        ([5, 6], [[np.inf, 0], [0, 1]], "id 5 has length inf"),
        ([5, 6], [[1, 0], [0.7, 0.7]], "id 6 has length 0.98"),
        ([5, 6], [[1, 0, 0], [0, 1, 0]], r"\(2, 3\) do not fit an index of dimension 2"),
        ([5, 6, 7], [[1, 0], [0, 1]], "3 ids came with 2 vectors"),
        ([5, 5], [[1, 0], [0, 1]], "id 5 comes twice"),
        ([5, 9], [[1, 0], [0, 1]], "id 9 comes twice"),
        ([5, -1], [[1, 0], [0, 1]], "id -1 is negative"),
    ],
)
def test_vectors_and_ids_that_would_spoil_the_index_are_refused(
    apart, tmp_path, ids, vectors, message
):
    blocks = [(np.array([9]), on_circle(30)), (np.array(ids), np.array(vectors, dtype=np.float32))]
    with pytest.raises(ValueError, match=message):
        apart(index_file.build_index, tmp_path / "train.faiss", blocks, 2)
    assert not list(tmp_path.iterdir())


def test_an_index_that_cannot_be_used_is_named(apart, tmp_path):
    path = tmp_path / "train.faiss"
    with pytest.raises(InputError, match=r"train\.faiss cannot be read \(could not open"):
        apart(contents, path)
    apart(index_file.build_index, path, [(np.arange(500), on_circle(*range(500)))], 2)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"train\.faiss cannot be read .*delete it and run again"):
        apart(contents, path)
    path.write_text("not an index at all")
    with pytest.raises(InputError, match=r"train\.faiss cannot be read \(Index type"):
        apart(contents, path)
    apart(index_of_another_kind, path)
    with pytest.raises(InputError, match="not an exact inner-product index"):
        apart(contents, path)


# --- search
# ---------------------------------------------------------------------------------------------------------


def test_search_agrees_with_brute_force(apart, tmp_path):
    rng = np.random.default_rng(1)
    vectors, queries = (
        unit_vectors(rng, 700, 24),
        unit_vectors(rng, table_file.QUERIES_PER_BLOCK + 300, 24),
    )
    ids = rng.permutation(10_000)[:700].astype(np.int64) * (1 << 45)
    apart(
        index_file.build_index,
        tmp_path / "a.faiss",
        [(ids[:300], vectors[:300]), (ids[300:], vectors[300:])],
        24,
    )
    found, scores = apart(search_file, tmp_path / "a.faiss", queries, 20)
    similarity = queries.astype(float) @ vectors.T.astype(float)
    order = np.argsort(-similarity, axis=1)[:, :20]
    np.testing.assert_array_equal(found, ids[order])
    np.testing.assert_allclose(scores, np.take_along_axis(similarity, order, axis=1), atol=1e-6)
    assert found.dtype == np.int64
    assert scores.dtype == np.float32


def test_k_beyond_the_index_gives_every_image_once_and_never_minus_one(apart, tmp_path):
    apart(
        index_file.build_index,
        tmp_path / "a.faiss",
        [(np.array([30, 20, 10]), on_circle(0, 90, 180))],
        2,
    )
    ids, scores, messages = apart(search_with_log, tmp_path / "a.faiss", on_circle(10, 170), 8)
    assert ids.tolist() == [[30, 20, 10], [10, 20, 30]]
    assert scores.shape == (2, 3)
    assert len(messages) == 1
    assert "holds 3 images" in messages[0]
    assert "k = 8" in messages[0]
    assert not apart(search_with_log, tmp_path / "a.faiss", on_circle(10), 3)[2]
    with pytest.raises(ValueError, match="k is 0"):
        apart(search_file, tmp_path / "a.faiss", on_circle(10), 0)


def test_identical_images_tie_and_stand_by_id_whatever_the_threads_and_batches(apart, tmp_path):
    rng = np.random.default_rng(2)
    vectors, queries = unit_vectors(rng, 3000, 129), unit_vectors(rng, 40, 129)
    copies = rng.choice(3000, 500, replace=False)
    vectors[copies] = vectors[rng.choice(50, 500) + 100]
    ids = rng.permutation(3000).astype(np.int64)
    queries[:20] = vectors[copies[:20]]
    apart(index_file.build_index, tmp_path / "a.faiss", [(ids, vectors)], 129)
    found, scores = apart(search_file, tmp_path / "a.faiss", queries, 100)
    position = np.argsort(ids)
    identical = (vectors[position[found[:, 1:]]] == vectors[position[found[:, :-1]]]).all(axis=2)
    assert identical.sum() > 100
    assert (scores[:, 1:] <= scores[:, :-1]).all()
    assert (scores[:, 1:] == scores[:, :-1])[identical].all()
    assert (found[:, 1:] > found[:, :-1])[identical].all()
    for threads, batch in ((1, None), (2, 1), (1, 7)):
        again, _ = apart(search_file, tmp_path / "a.faiss", queries, 100, threads, batch)
        np.testing.assert_array_equal(again, found)


def test_a_tie_across_rank_k_is_settled_by_id(apart, tmp_path):
    vectors = np.repeat(on_circle(0, 20, 40), [2, 5, 2], axis=0)
    ids = np.array([90, 91, 14, 11, 13, 10, 12, 1, 2])
    apart(index_file.build_index, tmp_path / "a.faiss", [(ids, vectors)], 2)
    for k in range(1, 10):
        found, _ = apart(search_file, tmp_path / "a.faiss", on_circle(-30), k)
        assert found.tolist() == [[90, 91, 10, 11, 12, 13, 14, 1, 2][:k]]


def test_queries_that_are_no_unit_vectors_are_refused(apart, tmp_path):
    apart(index_file.build_index, tmp_path / "a.faiss", [(np.array([1]), on_circle(0))], 2)
    for wrong in ([[2.0, 0.0]], [[np.nan, 1.0]], [[1.0, 0.0, 0.0]]):
        with pytest.raises(ValueError, match="length|do not fit"):
            apart(search_file, tmp_path / "a.faiss", np.array(wrong), 1)
        with pytest.raises(ValueError, match="length|do not fit"):
            apart(table_of_file, tmp_path / "a.faiss", np.array([4]), np.array(wrong), 1)


# --- table
# ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def circle(apart, tmp_path_factory):
    """Index images 10 .. 15 at 0, 10 .. 50 degrees, of patients a, a, b, a, unknown, b."""
    path = tmp_path_factory.mktemp("circle") / "train.faiss"
    apart(index_file.build_index, path, [(np.arange(10, 16), on_circle(0, 10, 20, 30, 40, 50))], 2)
    return path, {10: "a", 11: "a", 12: "b", 13: "a", 14: None, 15: "b"}


def test_without_shared_patients_the_table_holds_k_ranks(apart, circle):
    path, patients = circle
    queries = on_circle(-1, 51)
    plain = apart(table_of_file, path, np.array([2, 1]), queries, 3)
    assert plain.to_pydict() == {
        "query": [2, 2, 2, 1, 1, 1],
        "rank": [1, 2, 3, 1, 2, 3],
        "neighbor": [10, 11, 12, 15, 14, 13],
        "score": pytest.approx(np.cos(np.deg2rad([1, 11, 21, 1, 11, 21])).tolist(), abs=1e-6),
        "same_patient": [False] * 6,
    }
    assert plain.schema.equals(table_file.NEIGHBOR_SCHEMA)
    assert table_file.neighbor_settings(plain.schema) == {"k": 3, "neighbors": 3, "index_images": 6}
    strangers = np.array(["z", None], dtype=object)
    assert apart(table_of_file, path, np.array([2, 1]), queries, 3, strangers, patients).equals(
        plain
    )


def test_lists_go_on_until_k_neighbors_are_of_other_patients(apart, circle):
    path, patients = circle
    queries = on_circle(-1, -1, -1, 51)
    asking = np.array(["a", "b", None, "b"], dtype=object)
    table = apart(
        table_of_file, path, np.array([1, 2, 3, 4]), queries, 2, asking, patients
    ).to_pandas()
    lists = {query: list(rows["neighbor"]) for query, rows in table.groupby("query")}
    # Patient a: images 10 and 11 are its own, 12 counts, 13 is its own, 14 is the second of others.
    assert lists == {1: [10, 11, 12, 13, 14], 2: [10, 11], 3: [10, 11], 4: [15, 14, 13]}
    assert table.loc[table["query"] == 1, "same_patient"].tolist() == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert table.loc[table["query"] == 4, "same_patient"].tolist() == [True, False, False]
    assert table.loc[table["query"] == 1, "rank"].tolist() == [1, 2, 3, 4, 5]
    assert not table.loc[table["query"].isin([2, 3]), "same_patient"].any()


def test_lists_end_with_the_last_other_patient_where_the_index_has_fewer_than_k(apart, circle):
    path, patients = circle
    asking = np.array(["a", "b"], dtype=object)
    table = apart(
        table_of_file, path, np.array([1, 2]), on_circle(-1, -1), 4, asking, pd.Series(patients)
    )
    lists = {query: list(rows["neighbor"]) for query, rows in table.to_pandas().groupby("query")}
    # a has 3 others (12, 14, 15); b has 4 (10, 11, 13, 14), and 15, its own, is not needed.
    assert lists == {1: [10, 11, 12, 13, 14, 15], 2: [10, 11, 12, 13, 14]}
    everything = apart(table_of_file, path, np.array([1]), on_circle(-1), 50, asking[:1], patients)
    assert everything["neighbor"].to_pylist() == [10, 11, 12, 13, 14, 15]
    assert table_file.neighbor_settings(everything.schema) == {
        "k": 50,
        "neighbors": 6,
        "index_images": 6,
    }


def test_lists_go_on_past_images_that_some_ways_to_count_leave_out(apart, circle):
    path, patients = circle
    over = pd.Series({10: True, 11: True, 12: False, 13: True})
    asking = np.array(["a", None], dtype=object)
    table = apart(
        table_of_file, path, np.array([1, 2]), on_circle(-1, -1), 2, asking, patients, over
    ).to_pandas()
    # 10, 11 and 13 are passed over (13 is patient a's besides), 12 and 14 count
    assert table.groupby("query")["neighbor"].apply(list).to_dict() == {
        1: [10, 11, 12, 13, 14],
        2: [10, 11, 12, 13, 14],
    }
    assert table.loc[table["query"] == 2, "same_patient"].tolist() == [False] * 5
    none = apart(
        table_of_file,
        path,
        np.array([1]),
        on_circle(-1),
        3,
        None,
        None,
        pd.Series(True, index=range(10, 16)),
    )
    assert none["neighbor"].to_pylist() == [10, 11, 12], "nothing counts: the first k"


def test_the_table_agrees_with_a_slow_one_on_many_patients(apart, tmp_path):
    rng = np.random.default_rng(3)
    vectors, queries, k = unit_vectors(rng, 400, 16), unit_vectors(rng, 300, 16), 9
    ids, query_ids = np.arange(1000, 1400), np.arange(300)
    names = np.array([*(f"p{each}" for each in range(12)), None], dtype=object)
    index_patients = dict(zip(ids.tolist(), rng.choice(names, 400), strict=True))
    query_patients = rng.choice(np.append(names, "elsewhere"), 300)
    apart(index_file.build_index, tmp_path / "a.faiss", [(ids, vectors)], 16)
    over = pd.Series(rng.random(400) < 0.7, index=ids)
    for passed_over in (pd.Series(False, index=ids), over):
        arguments = (query_ids, queries, k, query_patients, index_patients, passed_over)
        table = apart(table_of_file, tmp_path / "a.faiss", *arguments)
        check_against_a_slow_table(table, ids, vectors, *arguments)


def check_against_a_slow_table(
    table, ids, vectors, query_ids, queries, k, query_patients, index_patients, over
):
    expected = []
    for query in range(300):
        others = 0
        order = np.argsort(-(queries[query].astype(float) @ vectors.T.astype(float)))
        for rank, neighbor in enumerate(ids[order].tolist(), start=1):
            if rank > k and others >= k:
                break
            same = (
                query_patients[query] is not None
                and index_patients[neighbor] == query_patients[query]
            )
            others += not same and not over[neighbor]
            expected.append((query, rank, neighbor, same))
    frame = table.to_pandas()
    assert len(frame) > 300 * k
    assert (
        list(
            zip(
                frame["query"], frame["rank"], frame["neighbor"], frame["same_patient"], strict=True
            )
        )
        == expected
    )


def test_images_without_a_patient_do_not_deepen_the_search(apart, tmp_path):
    path = tmp_path / "a.faiss"
    apart(index_file.build_index, path, [(np.arange(100), on_circle(*range(100)))], 2)
    patients = {**dict.fromkeys(range(98), None), 98: "a", 99: "a"}
    for asking, depth in ((None, 5), ("elsewhere", 5), ("a", 7)):
        asked = np.array([asking], dtype=object)
        assert apart(depths_of_table, path, np.array([500]), on_circle(3), 5, asked, patients) == [
            depth
        ]


def test_queries_come_once_and_with_their_patients(apart, circle):
    path, patients = circle
    with pytest.raises(ValueError, match="query id comes twice"):
        apart(table_of_file, path, np.array([1, 1]), on_circle(0, 1), 2)
    with pytest.raises(ValueError, match="1 ids came with 2 vectors"):
        apart(table_of_file, path, np.array([1]), on_circle(0, 1), 2)
    with pytest.raises(ValueError, match="1 patients came with 2 queries"):
        apart(
            table_of_file,
            path,
            np.array([1, 2]),
            on_circle(0, 1),
            2,
            np.array(["a"], dtype=object),
            patients,
        )
    none = apart(table_of_file, path, np.empty(0, np.int64), np.empty((0, 2), np.float32), 2)
    assert none.num_rows == 0
    assert none.schema.equals(table_file.NEIGHBOR_SCHEMA)


# --- parts
# ----------------------------------------------------------------------------------------------------------


def parted_tables(path, memories, *arguments):
    """Per amount of memory, how often a part of the index was mapped, and the parts of the table.

    A neighbor counts as one byte: that many queries at a time fit such small amounts.
    """
    mapped, found = [], []
    vectors_of, bytes_per_neighbor = exact.stored_vectors, exact.BYTES_PER_NEIGHBOR
    exact.BYTES_PER_NEIGHBOR = 1
    exact.stored_vectors = lambda index: mapped.append(index) or vectors_of(index)
    try:
        for memory in memories:
            mapped.clear()
            tables = list(neighbor_tables(path, Queries(*arguments), memory=memory))
            found.append((len(mapped), tables))
    finally:
        exact.stored_vectors, exact.BYTES_PER_NEIGHBOR = vectors_of, bytes_per_neighbor
    return found


@pytest.fixture(scope="module")
def duplicates(apart, tmp_path_factory):
    """An index with crowds of identical images, more than the margin holds, and with images that
    nearly tie."""
    path = tmp_path_factory.mktemp("duplicates") / "train.faiss"
    rng = np.random.default_rng(7)
    vectors = unit_vectors(rng, 331, 12)
    vectors[rng.choice(331, 200, replace=False)] = np.repeat(vectors[:5], 40, axis=0)
    vectors[-40:] = unit_vectors(rng, 40, 12) * 3e-7 + vectors[100]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = np.concatenate([vectors[[0, 100, 100, 330]], unit_vectors(rng, 37, 12)])
    ids = rng.permutation(5000)[:331].astype(np.int64)
    apart(
        index_file.build_index,
        path,
        [(ids[:100], vectors[:100]), (ids[100:], vectors[100:])],
        12,
        50,
    )
    return path, ids, vectors, queries


@pytest.mark.parametrize("k", [1, 9, 60, 331, 1000])
def test_an_index_in_parts_gives_the_same_table_to_the_last_bit(apart, duplicates, k):
    path, ids, vectors, queries = duplicates
    rng = np.random.default_rng(8)
    patients = dict(
        zip(ids.tolist(), rng.choice(["a", "b", "c", "d", "e", "f", None], 331), strict=True)
    )
    asking = rng.choice(np.array(["a", "b", "z", None], dtype=object), len(queries))
    over = pd.Series(rng.random(331) < 0.3, index=ids)
    asked = (np.arange(len(queries)), queries, k, asking, patients, over)
    whole = apart(table_of_file, path, *asked)
    rows = [4, 50, 165]
    memories = [4 * 4 * 12 * each for each in rows]
    for each, (mapped, tables) in zip(
        rows, apart(parted_tables, path, memories, *asked), strict=True
    ):
        assert mapped >= -(-331 // each), "the index was mapped in one piece"
        assert pa.concat_tables(tables).equals(whole, check_metadata=True)
    frame = whole.to_pandas()
    similarity = (queries.astype(float) @ vectors.T.astype(float)).astype(np.float32)
    for query in range(len(queries)):
        found = frame[frame["query"] == query]
        exact = ids[np.lexsort((ids, -similarity[query]))][: len(found)]
        np.testing.assert_array_equal(found["neighbor"], exact)


def test_queries_in_parts_give_the_same_table_and_file(apart, duplicates, tmp_path, monkeypatch):
    path, _, _, queries = duplicates
    queries = np.tile(queries, (51, 1))
    asked = (np.arange(len(queries)), queries, 3)
    whole = apart(table_of_file, path, *asked)
    memories = [4 * 4 * 12 * 100, 4 * 3 * len(queries), 10**9]
    found = [tables for _, tables in apart(parted_tables, path, memories, *asked)]
    assert [len(tables) for tables in found] == [2, 1, 2]
    table_file.write_neighbors(tmp_path / "whole.parquet", whole)
    monkeypatch.setattr(table_file, "ROWS_PER_GROUP", 1000)
    table_file.write_neighbors(tmp_path / "whole.parquet", whole)
    for number, tables in enumerate(found):
        table_file.write_neighbors(tmp_path / f"{number}.parquet", tables)
        assert (tmp_path / f"{number}.parquet").read_bytes() == (
            tmp_path / "whole.parquet"
        ).read_bytes()


def test_runs_of_queries_fit_their_room():
    depths = np.repeat([10, 20, 10], table_file.QUERIES_PER_BLOCK)[:-100]
    block, last = table_file.QUERIES_PER_BLOCK, 3 * table_file.QUERIES_PER_BLOCK - 100

    def bounds(room):
        return [(run.start, run.stop) for run in table_file._runs(depths, room)]

    assert bounds(0) == [(0, block), (block, 2 * block), (2 * block, last)]
    assert bounds(40 * block) == [(0, 2 * block), (2 * block, last)]
    assert bounds(39 * block) == [(0, block), (block, 2 * block), (2 * block, last)]
    assert bounds(60 * block) == [(0, last)]
    assert not list(table_file._runs(depths[:0], 5))


# --- files
# ----------------------------------------------------------------------------------------------------------


def test_a_table_is_read_back_as_it_was_written(apart, circle, tmp_path, monkeypatch):
    path, patients = circle
    asking = np.array(["a", None, "b"], dtype=object)
    table = apart(
        table_of_file, path, np.array([7, 8, 9]), on_circle(0, 20, 40), 3, asking, patients
    )
    monkeypatch.setattr(table_file, "ROWS_PER_GROUP", 4)
    table_file.write_neighbors(tmp_path / "knn" / "test.parquet", table)
    again = pq.read_table(tmp_path / "knn" / "test.parquet")
    assert again.equals(table)
    assert table_file.neighbor_settings(again.schema) == {"k": 3, "neighbors": 3, "index_images": 6}
    assert [each.name for each in (tmp_path / "knn").iterdir()] == ["test.parquet"]
    groups = pq.ParquetFile(tmp_path / "knn" / "test.parquet")
    assert groups.num_row_groups == -(-table.num_rows // 4)
    bounds = [
        groups.metadata.row_group(each).column(0).statistics
        for each in range(groups.num_row_groups)
    ]
    assert [each.max for each in bounds] == sorted(each.max for each in bounds)
    wanted = [("query", "in", [8]), ("rank", "<=", 2)]
    few = pd.read_parquet(tmp_path / "knn" / "test.parquet", columns=["neighbor"], filters=wanted)
    assert few["neighbor"].tolist() == [12, 11]


def test_reading_a_table_and_measuring_it_need_no_faiss():
    code = (
        f"import sys; sys.path.insert(0, {str(WORKFLOW)!r}); import radcbir.retrieval.exact, radcbir.metrics.evaluation; "
        "sys.exit('faiss' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
