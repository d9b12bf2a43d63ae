"""An export against the files it is made from, against NumPy, against damage, in Qdrant and in
SQLite."""

import contextlib
import json
import re
import sqlite3
from pathlib import Path

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


GIVEN = np.random.default_rng(0).normal(size=(60, DIMENSION))


@pytest.fixture(scope="module", params=["float32", "float16"])
def made(request, tmp_path_factory):
    """The files of a run, its images, and their vectors at length one."""
    parts, listed = run(tmp_path_factory.mktemp(request.param), GIVEN, request.param)
    return parts, listed, GIVEN / np.linalg.norm(GIVEN, axis=1, keepdims=True)


def run(folder: Path, given: np.ndarray, storage: str) -> tuple[Parts, pd.DataFrame]:
    """The files of a run, made by the functions of the workflow; the images of one dataset are not
    in the order of their ids."""
    listed = catalog()
    listed.to_parquet(folder / "catalog.parquet")
    files = []
    for name in ("one", "two"):
        kept = (listed["dataset"] == name) & (listed["id"] != REJECTED)
        rows = np.flatnonzero(kept)[::-1] if name == "two" else np.flatnonzero(kept)
        attributes = {
            "dataset": name, "card_digest": "c0", "weights_sha256": "abc", "libraries": '{"numpy": "2"}',
        }  # fmt: skip
        files.append(folder / f"{name}.h5")
        store.write_shard(
            files[-1], listed["id"].to_numpy()[rows], given[rows], [], attributes, storage
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
    return parts, listed


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


DOCUMENTED = (Path(__file__).parents[3] / "docs/export.md").read_text()
[QUERY] = re.findall(r"```sql\n(.*?)```", DOCUMENTED, flags=re.S)
"""The search that docs/export.md shows."""


def opened(path: Path):
    """A database in which SQLite finds sqlite-vec."""
    apsw, sqlite_vec = pytest.importorskip("apsw"), pytest.importorskip("sqlite_vec")
    database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    database.enable_load_extension(True)
    database.load_extension(sqlite_vec.loadable_path())
    return database


@pytest.fixture(params=["all differ", "ties"])
def any_export(request, made, tmp_path):
    """An export; with ties, 16 of the 39 indexed images are one image, and so are two queries."""
    parts = made[0]
    if request.param == "ties":
        given = GIVEN.copy()
        given[10:26] = given[40] = given[50] = GIVEN[10]
        given[30:32] = GIVEN[30]
        (tmp_path / "run").mkdir()
        parts, _ = run(tmp_path / "run", given, "float32")
    write_export(tmp_path / "out", parts, EXPERIMENT, MODEL)
    return tmp_path / "out"


def test_sqlite_finds_the_first_ten_neighbors_of_the_workflow(any_export, tmp_path):
    assert radcbir.export_to_sqlite(any_export, tmp_path / "made.sqlite") == 39
    export, ties = radcbir.open_export(any_export), 0
    with contextlib.closing(opened(tmp_path / "made.sqlite")) as database:
        for split in ("val", "test"):
            table = export.neighbors(split)
            queries, vectors = export.of_split(split)
            for query, vector in zip(queries["id"], vectors, strict=True):
                expected = table[table["query"] == query].head(11)
                found = database.execute(QUERY, {"query": vector.tobytes()}).fetchall()
                assert [row[0] for row in found] == expected["neighbor"].tolist()[:10]
                scores = expected["score"].to_numpy()
                np.testing.assert_allclose([row[-1] for row in found], scores[:10], atol=1e-6)
                ties += scores[9] == scores[10]
    assert (ties >= 2) == ("run" in [each.name for each in tmp_path.iterdir()])


def test_a_row_of_sqlite_has_what_is_known_of_its_image(made, exported, tmp_path):
    radcbir.export_to_sqlite(exported, tmp_path / "made.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "made.sqlite")) as database:
        images = pd.read_sql("SELECT * FROM images", database)
        manifest = dict(database.execute("SELECT key, value FROM manifest"))
    assert {key: json.loads(value) for key, value in manifest.items()} == json.loads(
        (exported / "manifest.json").read_text()
    )
    vectors = np.stack([np.frombuffer(each, "<f4") for each in images.pop("vector")])
    indexed, expected = read_export(exported).of_split("train")
    np.testing.assert_array_equal(vectors, expected)
    images["labels"] = images["labels"].map(json.loads)
    indexed["labels"] = indexed["labels"].map(list)
    for frame in (images, indexed):
        frame[["label", "patient_id"]] = frame[["label", "patient_id"]].astype(object)
    pd.testing.assert_frame_equal(
        images.astype(object).where(images.notna(), None),
        indexed.astype(object).where(indexed.notna(), None),
    )
    assert images.set_index("id").loc[305, ["label", "patient_id"]].isna().all()
    assert set(images["split"]) == {"train"}


def test_the_same_export_gives_the_same_database(exported, tmp_path):
    for name in ("one", "two"):
        radcbir.export_to_sqlite(exported, tmp_path / f"{name}.sqlite")
    assert (tmp_path / "one.sqlite").read_bytes() == (tmp_path / "two.sqlite").read_bytes()


def test_a_database_is_never_written_over(exported, tmp_path):
    (tmp_path / "made.sqlite").write_text("mine")
    with pytest.raises(InputError, match=r"a file .*made\.sqlite already: delete it"):
        radcbir.export_to_sqlite(exported, tmp_path / "made.sqlite")
    assert (tmp_path / "made.sqlite").read_text() == "mine"


def test_a_damaged_export_makes_no_database(exported, tmp_path):
    (exported / "neighbors/val.parquet").unlink()
    with pytest.raises(InputError, match=r"damaged, the file neighbors/val\.parquet is missing"):
        radcbir.export_to_sqlite(exported, tmp_path / "made.sqlite")
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(exported, tmp_path, monkeypatch):
    full = type("Usage", (), {"free": 900})
    monkeypatch.setattr("radcbir.core.files.shutil.disk_usage", lambda path: full)
    with pytest.raises(InputError, match="has 0.0 GB left, and 0.0 GB are to come: make room"):
        radcbir.export_to_sqlite(exported, tmp_path / "made.sqlite")
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_the_documented_search_runs(exported, tmp_path, monkeypatch, capsys):
    """The example of docs/export.md as it is written, with the export where it expects one."""
    pytest.importorskip("apsw")
    monkeypatch.chdir(tmp_path)
    Path("results/exports/anatomy").mkdir(parents=True)
    Path("results/exports/anatomy/mobilenetv2").symlink_to(exported)
    radcbir.export_to_sqlite(exported, "results/exports/anatomy/mobilenetv2.sqlite")
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTED, flags=re.S)
    [example] = [each for each in blocks if "apsw" in each]
    exec(example, {"sql": QUERY})
    export = read_export(exported)
    table = export.neighbors("test")
    first = table[table["query"] == export.of_split("test")[0]["id"][0]].head(10)
    printed = re.findall(r"^\((\d+), ", capsys.readouterr().out, flags=re.M)
    assert [int(each) for each in printed] == first["neighbor"].tolist()
