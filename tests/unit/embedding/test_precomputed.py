"""Embeddings and neighbor lists that exist already: what is taken, what is rejected, and which file
is refused."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from published import DIMENSION, GROUP, MODEL, Published

from radcbir.core.errors import InputError
from radcbir.datasets.catalog import build_catalog, image_id
from radcbir.datasets.shards import write_shards
from radcbir.embedding import precomputed, store
from radcbir.embedding.job import Job
from radcbir.retrieval import published_neighbors

CARD = {"loader": "precomputed", "architecture": "published", "dimension": DIMENSION}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"), k=12).write(figures=False)


@pytest.fixture
def shards(published, tmp_path):
    """The shard lists of nih14, several of them."""
    catalog, _ = build_catalog(published.folder / "datasets/nih14.csv", "nih14", None, 0)
    write_shards(catalog, tmp_path / "shards", 8)
    lists = sorted((tmp_path / "shards").glob("*.tsv"))
    assert len(lists) > 2
    return lists


def take(
    shards,
    source,
    output,
    metadata=None,
    max_rejected=0.0,
    dimension=DIMENSION,
    dataset="nih14",
    card=None,
):
    precomputed.take_embeddings(
        shards, source, metadata, output,
        Job("net", card or CARD | {"dimension": dimension}, "c", dataset), max_rejected,
    )  # fmt: skip
    with store.open_embeddings(output) as file:
        return dict(zip(file["ids"][:].tolist(), file["embeddings"][:], strict=True))


def in_own_process(call):
    """Run a call in a process without torch, which must not meet FAISS; its error is one line."""
    code = f"import sys; sys.path[:0] = {sys.path!r}\nfrom radcbir.embedding import precomputed\nfrom radcbir.embedding.job import Job\nfrom radcbir.core.errors import InputError\n{call}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_file_with_a_dataset_per_image(published, shards, tmp_path):
    found = take(shards, published.folder / f"embeddings/{MODEL}/nih14.h5", tmp_path / "out.h5")
    paths = [row["filepath"] for row in published.rows["nih14"]]
    assert set(found) == {image_id("nih14", path) for path in paths}
    for path in paths:
        np.testing.assert_allclose(
            found[image_id("nih14", path)], published.vectors[path], atol=1e-6
        )
    attributes = store.read_attributes(tmp_path / "out.h5")
    assert (attributes["model"], attributes["images"], attributes["dimension"]) == (
        "net",
        len(paths),
        DIMENSION,
    )
    assert len(attributes["weights_sha256"]) == 64


def test_a_card_need_not_say_how_long_the_vectors_are(published, shards, tmp_path):
    card = {"loader": "precomputed"}
    source = published.folder / f"embeddings/{MODEL}/nih14.h5"
    stated = take(shards, source, tmp_path / "stated.h5")
    for name, path in {"first": source, "second": tmp_path / "first.h5"}.items():
        found = take(shards, path, tmp_path / f"{name}.h5", card=card)
        assert store.read_attributes(tmp_path / f"{name}.h5")["dimension"] == DIMENSION
        assert set(found) == set(stated)
        for image, vector in stated.items():
            np.testing.assert_allclose(found[image], vector, atol=1e-7)


def test_vectors_of_several_lengths_are_refused(published, shards, tmp_path):
    """The length that the card does not give is that of the first vector."""
    paths = sorted(row["filepath"] for row in published.rows["nih14"])
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        for path in paths:
            file.create_dataset(path, data=np.ones(7 if path == paths[0] else 8))
    message = r"of 'nih14/patient.*' in .*has the shape \(8,\), its first vector has 7 numbers"
    with pytest.raises(InputError, match=message):
        take(shards[:1], tmp_path / "odd.h5", tmp_path / "out.h5", card={"loader": "precomputed"})


@pytest.mark.parametrize("content", [None, np.float32(3), np.ones((3, 1)), np.ones((1, 2, 3))])
def test_a_file_without_vectors_does_not_tell_their_length(shards, tmp_path, content):
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        if content is not None:
            file.create_dataset("some/image.png", data=content)
    with pytest.raises(InputError, match="odd.h5 does not tell how long its vectors are"):
        take(shards, tmp_path / "odd.h5", tmp_path / "out.h5", card={"loader": "precomputed"})


@pytest.mark.parametrize("card", [CARD, {"loader": "precomputed"}], ids=["stated", "from the file"])
def test_a_vector_in_one_row_of_a_matrix_is_a_vector(published, shards, tmp_path, card):
    """Each image's dataset has the shape (1, d), or (d,): the vectors are the same."""
    paths = sorted(row["filepath"] for row in published.rows["nih14"])
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        for number, path in enumerate(paths):
            vector = published.vectors[path]
            file.create_dataset(path, data=vector if number % 3 == 1 else vector[None])
    found = take(shards, tmp_path / "rows.h5", tmp_path / "out.h5", card=card)
    assert store.read_attributes(tmp_path / "out.h5")["dimension"] == DIMENSION
    assert len(found) == len(paths)
    for path in paths:
        np.testing.assert_allclose(
            found[image_id("nih14", path)], published.vectors[path], atol=1e-6
        )


@pytest.mark.parametrize("card", [CARD, {"loader": "precomputed"}], ids=["stated", "from the file"])
@pytest.mark.parametrize("width", [DIMENSION, 5])
def test_several_vectors_for_one_image_are_refused(published, shards, tmp_path, card, width):
    paths = sorted(row["filepath"] for row in published.rows["nih14"])
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for path in paths:
            file.create_dataset(path, data=np.ones((3, width)))
    message = (
        rf"'nih14/patient\S*' in \S*many.h5 has the shape \(3, {width}\), which is 3 vectors of "
        rf"{width} numbers for one image: write one vector of the shape \({width},\) per image"
    )
    with pytest.raises(InputError, match=message):
        take(shards, tmp_path / "many.h5", tmp_path / "out.h5", card=card)
    assert not (tmp_path / "out.h5").exists()


def test_a_row_of_another_length_is_refused(published, shards, tmp_path):
    paths = sorted(row["filepath"] for row in published.rows["nih14"])
    with h5py.File(tmp_path / "short.h5", "w") as file:
        for path in paths:
            file.create_dataset(path, data=np.ones((1, DIMENSION - 1)))
    message = rf"has the shape \(1, {DIMENSION - 1}\), the model card says `dimension: {DIMENSION}`"
    with pytest.raises(InputError, match=message):
        take(shards, tmp_path / "short.h5", tmp_path / "out.h5")


def test_our_own_layout_and_another_order_of_rows(published, shards, tmp_path):
    first = take(shards, published.folder / f"embeddings/{MODEL}/nih14.h5", tmp_path / "first.h5")
    second = take(shards[::-1], tmp_path / "first.h5", tmp_path / "second.h5")
    assert set(first) == set(second)
    for image, vector in first.items():
        np.testing.assert_allclose(second[image], vector, atol=1e-7)
    with pytest.raises(
        InputError, match="made for the dataset 'nih14', and images are known by dataset and path"
    ):
        elsewhere = tmp_path / "elsewhere.tsv"
        elsewhere.write_text(f"id\tpath\tbytes\n{image_id('other', 'a.png')}\ta.png\t0\n")
        take([elsewhere], tmp_path / "first.h5", tmp_path / "third.h5", dataset="other")
    assert not (tmp_path / "third.h5").exists()


def test_missing_zero_and_broken_vectors_are_rejected_with_the_reason(published, shards, tmp_path):
    paths = sorted(row["filepath"] for row in published.rows["nih14"])
    with h5py.File(tmp_path / "some.h5", "w") as file:
        for path in paths[3:]:
            file.create_dataset(path, data=published.vectors[path].astype(np.float64) * 3)
        file.create_group(paths[0])
        file.create_dataset(paths[1], data=np.zeros(DIMENSION))
        file.create_dataset(paths[2], data=np.full(DIMENSION, np.nan))
    found = take(shards, tmp_path / "some.h5", tmp_path / "out.h5", max_rejected=0.1)
    assert len(found) == len(paths) - 3
    np.testing.assert_allclose(
        found[image_id("nih14", paths[5])], published.vectors[paths[5]], atol=1e-6
    )
    reasons = {path: reason for _, path, reason in store.read_rejected(tmp_path / "out.h5")}
    assert reasons == {
        paths[0]: "no embedding in the file",
        paths[1]: "the vector is zero or not finite",
        paths[2]: "the vector is zero or not finite",
    }
    with pytest.raises(
        InputError,
        match=r"3 of \d+ images .*some.h5 \(it has paths such as 'nih14/patient.*no embedding",
    ):
        take(shards, tmp_path / "some.h5", tmp_path / "refused.h5", max_rejected=0.01)
    assert not (tmp_path / "refused.h5").exists()


def test_a_wrong_file_is_one_sentence(published, shards, tmp_path):
    source = published.folder / f"embeddings/{MODEL}/nih14.h5"
    with pytest.raises(
        InputError, match=r"has the shape \(16,\), the model card says `dimension: 512`"
    ):
        take(shards, source, tmp_path / "out.h5", dimension=512)
    take(shards, source, tmp_path / "ours.h5")
    with pytest.raises(
        InputError, match="have the dimension 16, the model card says `dimension: 512`"
    ):
        take(shards, tmp_path / "ours.h5", tmp_path / "out.h5", dimension=512)
    with pytest.raises(
        InputError,
        match="it has paths such as 'mimic/patient.*all .* rejected|all .* images of dataset 'nih14'",
    ):
        take(
            shards,
            published.folder / f"embeddings/{MODEL}/mimic.h5",
            tmp_path / "out.h5",
            max_rejected=1,
        )
    (tmp_path / "cut.h5").write_bytes(source.read_bytes()[:3000])
    with pytest.raises(InputError, match="cut.h5 cannot be read as HDF5"):
        take(shards, tmp_path / "cut.h5", tmp_path / "out.h5")
    with pytest.raises(InputError, match="is no file of embeddings: name one that ends with"):
        take(shards, published.folder / "datasets/nih14.csv.txt", tmp_path / "out.h5")
    with pytest.raises(
        InputError, match="datasets has no file that ends with .h5: correct `path:`"
    ):
        take(shards, published.folder / "datasets", tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_vectors_out_of_a_flat_index(published, shards, tmp_path):
    home = published.folder / f"experiments/{GROUP}/{MODEL}"
    call = f"""
precomputed.take_embeddings({[str(each) for each in shards]!r}, {str(home / "faiss.index")!r}, {str(home / "metadata.json")!r},
    {str(tmp_path / "out.h5")!r}, Job("net", {CARD!r}, "c", "nih14"), 1.0)"""
    result = in_own_process(call)
    assert result.returncode == 0, result.stderr
    with store.open_embeddings(tmp_path / "out.h5") as file:
        found = dict(zip(file["ids"][:].tolist(), file["embeddings"][:], strict=True))
    train = [row["filepath"] for row in published.rows["nih14"] if row["split"] == "train"]
    assert set(found) == {image_id("nih14", path) for path in train}
    for path in train:
        np.testing.assert_allclose(
            found[image_id("nih14", path)], published.vectors[path], atol=1e-6
        )

    result = in_own_process(
        call.replace(repr(CARD), "{'loader': 'precomputed'}").replace("out.h5", "unstated.h5")
    )
    assert result.returncode == 0, result.stderr
    assert store.read_attributes(tmp_path / "unstated.h5")["dimension"] == DIMENSION

    (tmp_path / "short.json").write_text(json.dumps(published.index[:-1]))
    result = in_own_process(call.replace(str(home / "metadata.json"), str(tmp_path / "short.json")))
    count = len(published.index)
    assert (
        f"holds {count} vectors of dimension 16, but its list {tmp_path / 'short.json'} has {count - 1} paths"
        in result.stderr
    )


# --- neighbor lists
# -------------------------------------------------------------------------------------------------


@pytest.fixture
def pooled(published, tmp_path):
    """All four datasets: shard lists, and images with id, split and path."""
    tables, lists = [], []
    for name in published.rows:
        catalog, _ = build_catalog(published.folder / f"datasets/{name}.csv", name.lower(), None, 0)
        write_shards(catalog, tmp_path / name, 1000)
        lists += sorted((tmp_path / name).glob("*.tsv"))
        tables.append(catalog)
    return lists, pd.concat(tables, ignore_index=True)


def splits(catalog):
    return (
        catalog.loc[catalog["split"] == split, ["id", "patient_id"]] for split in ("test", "train")
    )


def test_neighbor_lists_become_a_neighbor_table(published, pooled):
    lists, catalog = pooled
    queries, index = splits(catalog)
    source = published.folder / f"experiments/{GROUP}/{MODEL}/knn.csv"
    table = published_neighbors.take_neighbors(
        source, lists, queries, index, catalog["id"].to_numpy(), 7
    ).to_pandas()
    path = catalog.set_index("id")["path"]
    assert sorted(path[table["query"].unique()]) == sorted(published.listed("test"))
    for query, rows in table.groupby("query"):
        assert rows["rank"].tolist() == list(range(1, 8))
        assert path[rows["neighbor"]].tolist() == published.neighbors[path[query]][:7]
    assert table["score"].isna().all() and not table["same_patient"].any()


def test_neighbors_that_faiss_made_up_are_cut_off(pooled, tmp_path):
    lists, catalog = pooled
    queries, index = splits(catalog)
    long = Published(tmp_path / "long", k=110).write(figures=False)
    assert len(long.index) < 110 and len(set(next(iter(long.neighbors.values())))) < 110
    source = long.folder / f"experiments/{GROUP}/{MODEL}/knn.csv"
    found = published_neighbors.take_neighbors(
        source, lists, queries, index, catalog["id"].to_numpy(), 110
    )
    table = found.to_pandas()
    assert (table.groupby("query")["rank"].max() == len(long.index)).all()
    assert not table.duplicated(["query", "neighbor"]).any()
    assert found.schema.metadata[b"index_images"] == str(len(long.index)).encode()


def test_lists_that_do_not_fit_are_one_sentence(published, pooled, tmp_path):
    lists, catalog = pooled
    queries, index = splits(catalog)
    source = published.folder / f"experiments/{GROUP}/{MODEL}/knn.csv"
    every = catalog["id"].to_numpy()
    with pytest.raises(
        InputError, match=r"no column '13': it holds 12 neighbors per query; set `k:` to 12 at most"
    ):
        published_neighbors.take_neighbors(source, lists, queries, index, every, 13)
    with pytest.raises(
        InputError, match=r"names '.*' as a neighbor of '.*', which is no image of the index split"
    ):
        published_neighbors.take_neighbors(source, lists, queries, index.iloc[30:], every, 5)
    with pytest.raises(InputError, match="has no image of this query split as a query"):
        published_neighbors.take_neighbors(source, lists, queries.iloc[:0], index, every, 5)
    with pytest.raises(
        InputError, match="two datasets of this experiment have images of the same path"
    ):
        published_neighbors.take_neighbors(source, [*lists, lists[0]], queries, index, every, 5)
    (tmp_path / "other.csv").write_text("filepath,split\na,b\n")
    with pytest.raises(InputError, match="neighbor lists have the columns query, 1, 2, 3"):
        published_neighbors.take_neighbors(tmp_path / "other.csv", lists, queries, index, every, 5)
    alike = index.assign(patient_id="p1"), queries.assign(patient_id="p1")
    with pytest.raises(InputError, match=r"too few neighbors of other patients for k = 5"):
        mixed = alike[0].assign(patient_id=["p1"] * (len(index) - 6) + ["p2"] * 6)
        published_neighbors.take_neighbors(source, lists, alike[1], mixed, every, 5)


def test_images_known_by_lists_alone_have_ids_and_no_vectors(published, shards, tmp_path):
    home = published.folder / f"experiments/{GROUP}/{MODEL}"
    names = json.loads((home / "metadata.json").read_text())
    left_out = next(path for path in names if path.startswith("nih14/"))
    (tmp_path / "metadata.json").write_text(
        json.dumps([path for path in names if path != left_out])
    )
    found = take(
        shards,
        home / "knn.csv",
        tmp_path / "out.h5",
        metadata=tmp_path / "metadata.json",
        max_rejected=0.1,
    )
    assert len(found) == len(published.rows["nih14"]) - 1
    assert store.read_attributes(tmp_path / "out.h5")["dimension"] == 0
    assert store.read_rejected(tmp_path / "out.h5")[0][1:] == (
        left_out,
        "neither a query nor in the index of the neighbor lists",
    )
    assert len(take(shards, home / "knn.csv", tmp_path / "all.h5")) == len(published.rows["nih14"])


def test_rows_whose_file_the_preparation_did_not_find_are_in_the_ledger(published, tmp_path):
    text = Path(published.folder / "datasets/nih14.csv").read_text().splitlines()
    lost = ["File Missing," + text[row].split(",", 1)[1] for row in (1, 2)]
    (tmp_path / "nih14.csv").write_text("\n".join([text[0], *lost, *text[3:]]) + "\n")
    catalog, rejected = build_catalog(tmp_path / "nih14.csv", "nih14", None, 0.2)
    assert len(catalog) == len(text) - 3
    assert rejected["reason"].tolist() == [
        f"the file was not there when the CSV was made (row {row})" for row in (2, 3)
    ]
    with pytest.raises(InputError, match="2 of .* images of dataset 'nih14'"):
        build_catalog(tmp_path / "nih14.csv", "nih14", None, 0.01)
