"""The embedding store: what goes in comes out, and a file that is not whole is never read as if it
were."""

import shutil
import time

import h5py
import numpy as np
import pytest
import zarr

from radcbir.core.errors import InputError
from radcbir.embedding import store as embedding_store
from radcbir.embedding.sources import open_source
from radcbir.embedding.store import (
    COMMON,
    check,
    gather,
    open_embeddings,
    read_attributes,
    read_ids,
    read_rejected,
    write_blocks,
    write_shard,
)
from radcbir.embedding.zarr_export import export_zarr

ATTRIBUTES = {name: f"some {name}" for name in COMMON if name != "format"}


def vectors(count, seed=0, dimension=8):
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    """Three shards, the second of rejected images alone, and the file over them."""
    folder = tmp_path / "model/data"
    shards = []
    for number, ids in enumerate(([30, 10, 20], [], [5, 40])):
        rejected = [(100 + number, f"p/{number}.png", "zero bytes")]
        path = folder / f"{number}.h5"
        write_shard(
            path, np.array(ids, dtype=np.int64), vectors(len(ids), number), rejected, ATTRIBUTES
        )
        shards.append(path)
    gather(shards, tmp_path / "model/data.h5")
    return tmp_path / "model/data.h5"


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_a_gathered_file_reads_as_the_shards_do(store):
    assert read_ids(store).tolist() == [30, 10, 20, 5, 40]
    with open_embeddings(store) as file:
        expected = np.concatenate([vectors(3, 0), vectors(2, 2)])
        np.testing.assert_allclose(file["embeddings"][:], unit(expected), atol=1e-6)
        np.testing.assert_allclose(file["norms"][:], np.linalg.norm(expected, axis=1), rtol=1e-6)
    assert [each[0] for each in read_rejected(store)] == [100, 101, 102]
    assert read_attributes(store)["model"] == "some model"
    assert (read_attributes(store)["images"], embedding_store.dimension([store])) == (5, 8)


def test_reading_some_ids_gives_them_sorted_with_their_vectors(store):
    ids, found = embedding_store.read([store], np.array([40, 999, 10]))
    assert ids.tolist() == [10, 40]
    np.testing.assert_allclose(
        found, unit(np.stack([vectors(3, 0)[1], vectors(2, 2)[1]])), atol=1e-6
    )
    ids, found = embedding_store.read([store], np.array([], dtype=np.int64))
    assert (ids.shape, found.shape) == ((0,), (0, 8))


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_blocks_are_small_and_complete(store, rows):
    parts = list(embedding_store.blocks([store], np.array([5, 10, 20, 40]), rows))
    assert max(len(ids) for ids, _ in parts) <= rows
    assert np.concatenate([ids for ids, _ in parts]).tolist() == [10, 20, 5, 40]


def test_the_file_over_the_shards_holds_no_copy(tmp_path):
    path = tmp_path / "model/data/a.h5"
    write_shard(path, np.arange(5000), vectors(5000, dimension=64), [], ATTRIBUTES)
    gather([path], tmp_path / "model/data.h5")
    assert (tmp_path / "model/data.h5").stat().st_size < 0.05 * path.stat().st_size


def test_the_tree_can_be_moved(store, tmp_path):
    before = embedding_store.read([store], np.arange(50))[1]
    shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    assert (
        embedding_store.read([tmp_path / "elsewhere/data.h5"], np.arange(50))[1] == before
    ).all()


def test_a_missing_shard_is_an_error_and_not_zeros(store):
    (store.parent / "data/2.h5").unlink()
    with h5py.File(store) as file:
        assert not file["embeddings"][3:].any(), "this is what HDF5 does by itself"
    for read in (
        read_ids,
        read_rejected,
        read_attributes,
        lambda path: embedding_store.read([path], np.arange(9)),
    ):
        with pytest.raises(
            InputError, match=r"refers to the shard .*2\.h5, which is missing: run `snakemake "
        ):
            read(store)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_shard(
            tmp_path / name / "x.h5",
            np.arange(3),
            vectors(3),
            [(9, "ü.png", "missing")],
            ATTRIBUTES,
        )
        gather([tmp_path / name / "x.h5"], tmp_path / name / "all.h5")
        time.sleep(1.1)  # a date in the file would show
    for file in ("x.h5", "all.h5"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_without_a_direction_are_never_stored(tmp_path, value):
    bad = vectors(3)
    bad[1] = value
    with pytest.raises(ValueError, match="has no direction"):
        write_shard(tmp_path / "a.h5", np.arange(3), bad, [], ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


def test_large_and_small_vectors_become_unit_vectors(tmp_path):
    values = vectors(2) * np.array([[1e-30], [1e30]], dtype=np.float32)
    write_shard(tmp_path / "a.h5", np.arange(2), values, [], ATTRIBUTES)
    np.testing.assert_allclose(
        embedding_store.read([tmp_path / "a.h5"], np.arange(2))[1], unit(vectors(2)), atol=1e-5
    )


def test_shards_made_differently_do_not_mix(tmp_path):
    for name, digest in (("a", "1"), ("b", "2")):
        write_shard(
            tmp_path / f"{name}.h5",
            np.arange(2),
            vectors(2),
            [],
            ATTRIBUTES | {"card_digest": digest},
        )
    with pytest.raises(
        ValueError, match=r"a\.h5 and .*b\.h5 were made differently \(card_digest\)"
    ):
        gather([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "all.h5")


def test_a_file_that_was_cut_off_does_not_pass_the_check(tmp_path):
    write_shard(tmp_path / "a.h5", np.arange(3), vectors(3), [], ATTRIBUTES)
    check(tmp_path / "a.h5", 3)
    with pytest.raises(ValueError, match="expected 4 of each"):
        check(tmp_path / "a.h5", 4)
    (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:-200])
    with pytest.raises(OSError, match="truncated"):
        check(tmp_path / "b.h5", 3)


def test_dimensions_must_agree(tmp_path):
    for number in (4, 5):
        write_shard(
            tmp_path / f"{number}.h5", np.arange(2), vectors(2, dimension=number), [], ATTRIBUTES
        )
    with pytest.raises(ValueError, match=r"different dimensions: \[4, 5\]"):
        embedding_store.dimension([tmp_path / "4.h5", tmp_path / "5.h5"])


def test_zarr_holds_the_same(store, tmp_path):
    export_zarr(store, tmp_path / "data.zarr")
    group = zarr.open_group(tmp_path / "data.zarr", mode="r")
    with open_embeddings(store) as file:
        for name in ("embeddings", "norms", "ids"):
            assert (group[name][:] == file[name][:]).all()
    assert group.attrs["model"] == "some model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zarr", "model"]


# --- half precision
# -------------------------------------------------------------------------------------------------


@pytest.fixture
def half(tmp_path):
    """Two shards of 16-bit numbers and the file over them; their vectors before that."""
    values = vectors(400, dimension=64) * 30
    for number, part in enumerate((slice(0, 300), slice(300, 400))):
        path = tmp_path / f"model/data/{number}.h5"
        write_shard(path, np.arange(400)[part], values[part], [], ATTRIBUTES, storage="float16")
    gather([tmp_path / f"model/data/{number}.h5" for number in (0, 1)], tmp_path / "model/data.h5")
    return tmp_path / "model/data.h5", values


def test_half_precision_takes_half_the_bytes_and_reads_as_unit_float32(half):
    path, values = half
    with open_embeddings(path) as file:
        assert file["embeddings"].dtype == np.float16 and file["norms"].dtype == np.float32
    assert read_attributes(path)["storage"] == "float16"
    write_shard(path.parent / "whole.h5", np.arange(300), values[:300], [], ATTRIBUTES)
    assert (path.parent / "whole.h5").stat().st_size - (
        path.parent / "data/0.h5"
    ).stat().st_size == 300 * 64 * 2
    ids, found = embedding_store.read([path], np.arange(400))
    assert ids.tolist() == list(range(400)) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.astype(float), axis=1), 1, atol=2e-7)
    exact = unit(values.astype(float))
    # A number of half precision is off by at most 2^-11 of itself, so a cosine is off by less than
    # 2^-11 of 1.
    assert 0 < np.abs(found @ found.T - exact @ exact.T).max() < 2**-11
    np.testing.assert_allclose(found, unit(exact.astype(np.float16).astype(float)), atol=1e-7)


def test_half_precision_comes_out_of_every_reader_alike(half, tmp_path):
    path, _ = half
    found = embedding_store.read([path], np.arange(400))[1]
    np.testing.assert_array_equal(
        np.concatenate([rows for _, rows in embedding_store.blocks([path], np.arange(400), 7)]),
        found,
    )
    taken = np.concatenate([open_source(path, None, 64).read(np.arange(350, 400), [""] * 50)[0]])
    np.testing.assert_array_equal(taken, found[350:])
    export_zarr(path, tmp_path / "copy.zarr")
    assert zarr.open_group(tmp_path / "copy.zarr")["embeddings"].dtype == np.float16
    blocks = [(np.arange(400), found, [])]
    write_blocks(tmp_path / "one.h5", blocks, 64, ATTRIBUTES, storage="float16")
    np.testing.assert_allclose(
        embedding_store.read([tmp_path / "one.h5"], np.arange(400))[1], found, atol=3e-8
    )


def test_shards_of_different_precision_are_not_joined(half):
    path, values = half
    write_shard(path.parent / "data/2.h5", np.arange(400, 800), values, [], ATTRIBUTES)
    with pytest.raises(ValueError, match=r"made differently \(storage\)"):
        gather([path.parent / f"data/{number}.h5" for number in (0, 2)], path)
