"""An export against the files it is made from, against NumPy, against damage, and in Qdrant."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import radcbir
from radcbir.core.errors import InputError
from radcbir.embedding import store
from radcbir.export.read import read_export
from radcbir.export.write import Parts, write_export
from radcbir.retrieval.exact import neighbor_table
from radcbir.retrieval.index_file import build_index, read_index
from radcbir.retrieval.neighbor_table import Queries, write_neighbors

DIMENSION = 6
EXPERIMENT = {"name": "made", "index_split": "train", "query_splits": ["val", "test"], "k": 12}
MODEL = {"model": "some", "name": "Some", "licence": "MIT", "citation": "Some et al."}
REJECTED = 303


def catalog() -> pd.DataFrame:
    """60 images of two datasets: 40 in train, 10 in val, 10 in test; one has two labels and no
    patient. What must not be exported is there as well."""
    number = np.arange(60)
    table = pd.DataFrame(
        {
            "id": 300 + number,
            "path": [f"ab/{each:03d}.png" for each in number],
            "split": ["train"] * 40 + ["val"] * 10 + ["test"] * 10,
            "labels": [
                ["CT/head/0", "CT/head/1"] if each == 5 else [f"CT/head/{each % 3}"]
                for each in number
            ],
            "label": [f"CT/head/{each % 3}" for each in number],
            "patient_id": [f"one:{each // 2}" for each in number],
            "dataset": np.where(number % 2, "two", "one"),
            "text": "a report about Meier",
            "sex": "F",
            "age": 50.0,
            "source": "St Elsewhere",
        }
    )
    table.loc[5, ["label", "patient_id"]] = None
    return table


@pytest.fixture(scope="module", params=["float32", "float16"])
def made(request, tmp_path_factory):
    """The files of a run, made by the functions of the workflow; the images of one dataset are not
    in the order of their ids."""
    folder = tmp_path_factory.mktemp(request.param)
    listed = catalog()
    listed.to_parquet(folder / "catalog.parquet")
    given = np.random.default_rng(0).normal(size=(60, DIMENSION))
    files = []
    for name in ("one", "two"):
        kept = (listed["dataset"] == name) & (listed["id"] != REJECTED)
        rows = np.flatnonzero(kept)[::-1] if name == "two" else np.flatnonzero(kept)
        attributes = {
            "dataset": name, "card_digest": "c0", "weights_sha256": "abc", "libraries": '{"numpy": "2"}',
        }  # fmt: skip
        files.append(folder / f"{name}.h5")
        store.write_shard(
            files[-1], listed["id"].to_numpy()[rows], given[rows], [], attributes, request.param
        )
    index_ids = listed["id"].to_numpy()[:40]
    blocks = store.blocks(files, index_ids)
    build_index(folder / "train.faiss", blocks, DIMENSION, 40)
    index = read_index(folder / "train.faiss")
    tables = {}
    for split, rows in (("val", slice(40, 50)), ("test", slice(50, 60))):
        ids, vectors = store.read(files, listed["id"].to_numpy()[rows])
        tables[split] = folder / f"{split}.parquet"
        write_neighbors(tables[split], neighbor_table(index, Queries(ids, vectors, 12)))
    rows = [("val", "all", "ndcg", "micro", 12, 0.5, 10), ("test", "all", "ndcg", "macro", 12, np.nan, 10),
            ("test", "other_patients", "ndcg", "micro", 12, 0.4, 10), ("test", "all", "odd", "micro", 12, 1, 10)]  # fmt: skip
    columns = ["query_split", "neighbors", "metric", "average", "k", "value", "queries"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "summary.csv", index=False)
    parts = Parts(
        folder / "catalog.parquet", files, folder / "train.faiss", tables, folder / "summary.csv"
    )
    return parts, listed, given / np.linalg.norm(given, axis=1, keepdims=True)


@pytest.fixture
def exported(made, tmp_path):
    """The folder of an export."""
    write_export(tmp_path / "out", made[0], EXPERIMENT, MODEL)
    return tmp_path / "out"


def test_images_and_vectors_are_those_of_the_run(made, exported):
    _, listed, unit = made
    export = radcbir.open_export(exported)
    assert export.images["split"].tolist() == ["train"] * 39 + ["val"] * 10 + ["test"] * 10
    assert REJECTED not in export.ids
    assert set(export.ids) == set(listed["id"]) - {REJECTED}
    assert export.vectors.dtype == np.float32
    np.testing.assert_allclose(export.vectors, unit[export.ids - 300], atol=5e-4)
    np.testing.assert_allclose(np.linalg.norm(export.vectors, axis=1), 1, atol=1e-6)
    images = export.images.set_index("id")
    assert images.loc[307, ["dataset", "path", "label", "patient_id"]].tolist() == [
        "two", "ab/007.png", "CT/head/1", "one:3",
    ]  # fmt: skip
    assert list(images.loc[305, "labels"]) == ["CT/head/0", "CT/head/1"]
    assert images.loc[305, ["label", "patient_id"]].isna().all()


def test_index_and_neighbors_agree_with_numpy(exported):
    export = read_export(exported)
    images, indexed = export.of_split("train")
    for split in ("val", "test"):
        queries, vectors = export.of_split(split)
        cosines = vectors.astype(float) @ indexed.T.astype(float)
        expected = images["id"].to_numpy()[np.argsort(-cosines, axis=1)[:, :12]]
        assert export.index().search(vectors, 12)[1].tolist() == expected.tolist()
        listed = export.neighbors(split).sort_values("rank").groupby("query")["neighbor"]
        assert listed.apply(list)[queries["id"]].tolist() == expected.tolist()


def test_the_manifest_counts_and_says_what_made_it(exported):
    manifest = read_export(exported).manifest
    assert manifest["images"] == {
        "train": {"listed": 40, "with_vector": 39},
        "val": {"listed": 10, "with_vector": 10},
        "test": {"listed": 10, "with_vector": 10},
    }
    assert (manifest["format"], manifest["dimension"]) == (1, DIMENSION)
    assert (manifest["experiment"], manifest["model"]) == (EXPERIMENT, MODEL)
    made_by = [(each["dataset"], each["weights_sha256"]) for each in manifest["embeddings"]]
    assert made_by == [("one", "abc"), ("two", "abc")]
    common = {"metric": "ndcg", "k": 12, "queries": 10}
    assert manifest["metrics"] == [
        {"query_split": "val", "average": "micro", "value": 0.5, **common},
        {"query_split": "test", "average": "macro", "value": None, **common},
    ]
    assert manifest["libraries"]["radcbir"] == radcbir.__version__


def test_nothing_else_is_told_of_an_image(made, exported):
    schema = pq.read_schema(exported / "vectors.parquet")
    assert schema.names == [
        "id", "dataset", "split", "path", "label", "labels", "patient_id", "vector",
    ]  # fmt: skip
    assert str(schema.field("vector").type.value_type) == "float"
    assert schema.field("vector").type.list_size == DIMENSION
    everything = "".join(path.read_text("latin1") for path in exported.rglob("*") if path.is_file())
    folder = str(made[0].catalog.parent)
    assert [word for word in ("Meier", "Elsewhere", folder) if word in everything] == []


def test_the_same_results_give_the_same_bytes(made, exported, tmp_path):
    write_export(tmp_path / "again", made[0], EXPERIMENT, MODEL)
    files = [each.relative_to(exported) for each in exported.rglob("*") if each.is_file()]
    assert len(files) == 5
    for each in files:
        assert (exported / each).read_bytes() == (tmp_path / "again" / each).read_bytes(), each


@pytest.mark.parametrize(
    "name", ["vectors.parquet", "index.faiss", "neighbors/val.parquet", "neighbors/test.parquet"]
)
def test_a_changed_or_missing_file_is_named(exported, name):
    path = exported / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"damaged, the file {name} is not the one.*copy"):
        read_export(exported)
    path.unlink()
    with pytest.raises(InputError, match=f"damaged, the file {name} is missing"):
        read_export(exported)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: '{"format": 1}',
        lambda text: json.dumps(json.loads(text) | {"files": {}}),
        lambda text: json.dumps(json.loads(text) | {"dimension": "six"}),
        lambda text: json.dumps(json.loads(text) | {"format": "one"}),
        lambda text: text.replace('"sha256"', '"md5"'),
    ],
)
def test_a_manifest_that_is_not_complete_is_refused(exported, change):
    path = exported / "manifest.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=r"manifest\.json is not complete"):
        read_export(exported)


def test_a_later_form_and_another_folder_are_refused(exported, tmp_path):
    path = exported / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="has the format 2.*install a later version"):
        read_export(exported)
    with pytest.raises(InputError, match="there is no export in"):
        read_export(tmp_path / "nowhere")


def test_a_split_that_is_none_is_refused(exported):
    export = read_export(exported)
    with pytest.raises(InputError, match="'dev': name one of train, val, test"):
        export.of_split("dev")
    with pytest.raises(InputError, match="'train': name one of val, test"):
        export.neighbors("train")


def test_an_index_split_without_vectors_is_no_export(made, tmp_path):
    with pytest.raises(InputError, match="no image of the index split 'none' has a vector"):
        write_export(tmp_path / "out", made[0], EXPERIMENT | {"index_split": "none"}, MODEL)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def client(tmp_path):
    """Qdrant in local mode, which keeps its collections in a folder."""
    qdrant_client = pytest.importorskip("qdrant_client")
    with_folder = qdrant_client.QdrantClient(path=str(tmp_path / "qdrant"))
    yield with_folder
    with_folder.close()


def test_the_first_ten_neighbors_are_those_of_the_workflow(exported, client, tmp_path):
    assert radcbir.export_to_qdrant(exported, client, "made") == 39
    client.close()
    again = type(client)(path=str(tmp_path / "qdrant"))
    export = radcbir.open_export(exported)
    for split in ("val", "test"):
        table = export.neighbors(split)
        queries, vectors = export.of_split(split)
        for query, vector in zip(queries["id"], vectors, strict=True):
            expected = table[table["query"] == query].head(10)
            points = again.query_points("made", query=vector.tolist(), limit=10).points
            assert [each.id for each in points] == expected["neighbor"].tolist()
            np.testing.assert_allclose(
                [each.score for each in points], expected["score"], atol=1e-5
            )
    again.close()


def test_a_point_has_what_is_known_of_its_image(exported, client):
    radcbir.export_to_qdrant(exported, client, "made")
    known, several = client.retrieve("made", [307, 305])
    assert known.payload == {
        "dataset": "two", "split": "train", "path": "ab/007.png", "label": "CT/head/1",
        "labels": ["CT/head/1"], "patient_id": "one:3",
    }  # fmt: skip
    assert several.payload == {
        "dataset": "two", "split": "train", "path": "ab/005.png",
        "labels": ["CT/head/0", "CT/head/1"],
    }  # fmt: skip


def test_a_collection_is_never_written_over(exported, client):
    radcbir.export_to_qdrant(exported, client, "made")
    with pytest.raises(InputError, match="'made' already: delete it"):
        radcbir.export_to_qdrant(exported, client, "made")
