"""A bundle of results: computed again from itself, damaged, and read by the libraries of its forms."""

import hashlib
import json
import shutil
from datetime import date

import mlcroissant
import numpy as np
import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

import radcbir
from radcbir.core.errors import InputError
from radcbir.core.tables import write_csv, write_parquet
from radcbir.embedding import store
from radcbir.export.bundle import form
from radcbir.export.bundle.reevaluate import main, summary
from radcbir.export.bundle.write import ModelParts, write_bundle
from radcbir.metrics.evaluation import evaluate_splits

EXPERIMENT = {"name": "made", "datasets": ["one"], "index_split": "train", "query_splits": ["val", "test"], "k": 4}  # fmt: skip
ABOUT = {"name": "Some", "licence": "MIT", "citation": "Some et al.", "training_data": ["NIH14"]}
DAY = date(2026, 3, 4)


def catalog() -> pd.DataFrame:
    """40 images: 20 of the index, 10 in each of two query splits; text must not get out."""
    number = np.arange(40)
    return pd.DataFrame(
        {
            "id": 500 + number,
            "dataset": "one",
            "path": [f"ab/{each:03d}.png" for each in number],
            "split": ["train"] * 20 + ["val"] * 10 + ["test"] * 10,
            "label": [f"CT/{'head' if each % 2 else 'chest'}/{each % 3}" for each in number],
            "labels": [[f"CT/{'head' if each % 2 else 'chest'}/{each % 3}"] for each in number],
            "modality": "CT",
            "region": ["head" if each % 2 else "chest" for each in number],
            "patient_id": [f"one:{each // 2}" for each in number],
            "text": "a report about Meier",
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle of two models, written from the files of a run."""
    folder = tmp_path_factory.mktemp("bundle")
    images = catalog()
    images.to_parquet(folder / "catalog.parquet")
    ids = images["id"].to_numpy()[:-1]  # the last image has no vector
    models = {}
    for place, name in enumerate(("net", "other")):
        random = np.random.default_rng(place)
        shard, embeddings = folder / f"{name}.shard.h5", folder / f"{name}.h5"
        store.write_shard(shard, ids, random.normal(size=(39, 4)).astype(np.float32), [], {})
        store.gather([shard], embeddings)
        neighbors = {}
        for split in EXPERIMENT["query_splits"]:
            asked = images["id"][images["split"].eq(split) & images["id"].isin(ids)]
            found = [random.permutation(ids[:20])[:8] for _ in asked]
            table = pd.DataFrame({"query": np.repeat(asked, 8), "rank": [*range(1, 9)] * len(asked), "neighbor": np.concatenate(found)})  # fmt: skip
            neighbors[split] = folder / f"{name}.{split}.parquet"
            write_parquet(table, neighbors[split])
        evaluation = evaluate_splits(neighbors, images, ids, "train", 4)
        paths = [folder / f"{name}.{each}" for each in form.TABLES]
        for path, each in zip(paths, form.TABLES, strict=True):
            write = write_csv if each.endswith(".csv") else write_parquet
            write(getattr(evaluation, each.split(".")[0]), path)
        models[name] = ModelParts(ABOUT | {"name": name.title()}, [embeddings], neighbors, paths)
    for target in ("first", "second"):
        write_bundle(
            folder / target, folder / "catalog.parquet", EXPERIMENT, {"one": {"known_as": ["NIH"]}}, models, DAY
        )  # fmt: skip
    return folder


@pytest.fixture
def bundle(made, tmp_path):
    """A copy, as somebody else has it."""
    return shutil.copytree(made / "first", tmp_path / "theirs")


def test_all_tables_come_out_again_from_the_bundle_alone(bundle, capsys):
    table = radcbir.reevaluate(bundle)
    assert set(table["found"]) == {"as bundled"}
    again = table.set_index("file")["recomputed"]
    assert set(again[again != ""]) == {"same bytes"} and (again != "").sum() == 8
    assert main([str(bundle)]) == 0
    assert capsys.readouterr().out == "8 of 8 tables came out with the same bytes.\n"


def test_a_bundle_has_no_vector_and_says_of_images_what_is_listed(bundle):
    images = pd.read_parquet(bundle / "images.parquet")
    assert list(images) == list(form.SAID)
    assert not [each for each in bundle.rglob("*") if each.suffix in (".h5", ".faiss", ".png")]
    assert not [each for each in bundle.rglob("*") if each.is_file() and b"Meier" in each.read_bytes()]  # fmt: skip


def test_the_same_results_and_day_give_the_same_bytes(made):
    first, second = (sorted((made / each).rglob("*")) for each in ("first", "second"))
    assert [each.relative_to(made / "first") for each in first] == [
        each.relative_to(made / "second") for each in second
    ]
    for a, b in zip(first, second, strict=True):
        assert a.is_dir() or a.read_bytes() == b.read_bytes(), a


def test_a_number_that_was_changed_is_named(bundle, capsys):
    path = bundle / "models/net/metrics/summary.csv"
    rows = pd.read_csv(path)
    rows.loc[3, "value"] = 0.987654321
    write_csv(rows, path)
    table = radcbir.reevaluate(bundle).set_index("file")
    name = "models/net/metrics/summary.csv"
    assert table.loc[name].tolist() == ["changed", "other values"]
    assert set(table.drop(name)["found"]) == {"as bundled"}
    assert main([str(bundle)]) == 1
    said = capsys.readouterr().out
    assert f"Other values: {name}. Changed: {name}." in said and "7 of 8" in said


def test_a_label_that_was_changed_gives_other_tables(bundle):
    path = bundle / "images.parquet"
    images = pd.read_parquet(path)
    images.loc[25, "label"] = images.loc[26, "label"]
    images.to_parquet(path, index=False)
    table = radcbir.reevaluate(bundle).set_index("file")
    assert table.loc["images.parquet", "found"] == "changed"
    assert (table["recomputed"] == "other values").sum() == 8


def test_bytes_of_another_version_with_the_same_values_are_told_apart(bundle):
    path = bundle / "models/other/metrics/per_query.parquet"
    pd.read_parquet(path).to_parquet(path, index=False, compression="gzip")
    table = radcbir.reevaluate(bundle)
    row = table.set_index("file").loc["models/other/metrics/per_query.parquet"]
    assert row.tolist() == ["changed", "same values, other bytes"]
    assert "Same values, other bytes: models/other/metrics/per_query.parquet." in summary(table)


def test_what_is_missing_or_was_added_is_named_and_nothing_is_computed_without_it(bundle):
    (bundle / "notes.txt").write_text("mine")
    assert "Not of the bundle: notes.txt." in summary(radcbir.reevaluate(bundle))
    (bundle / "models/net/neighbors/val.parquet").unlink()
    said = summary(radcbir.reevaluate(bundle))
    assert "Missing: models/net/neighbors/val.parquet." in said
    assert said.endswith("Nothing was computed, because files are missing.")
    assert said.startswith("0 of 8 tables came out with the same bytes. Not computed: models/")


def test_a_model_that_was_taken_out_of_the_description_is_not_reproduced(bundle, capsys):
    """New digests for a false number, and its model hidden from what is computed."""
    crate, path = (
        json.loads((bundle / form.CRATE).read_text()),
        bundle / "models/net/metrics/summary.csv",
    )
    rows = pd.read_csv(path)
    rows.loc[3, "value"] = 0.987654321
    write_csv(rows, path)
    described = json.loads((bundle / form.EXPERIMENT).read_text())
    del described["models"]["net"]
    (bundle / form.EXPERIMENT).write_text(json.dumps(described))
    for each in crate["@graph"]:
        if each["@type"] == "File":
            each["sha256"] = hashlib.sha256((bundle / each["@id"]).read_bytes()).hexdigest()
    (bundle / form.CRATE).write_text(json.dumps(crate))
    assert main([str(bundle)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("4 of 8 tables came out") and "Not computed: models/net/metrics/" in said


def test_a_description_cannot_name_files_elsewhere(bundle):
    described = json.loads((bundle / form.EXPERIMENT).read_text())
    described["models"]["../../other"] = {}
    (bundle / form.EXPERIMENT).write_text(json.dumps(described))
    with pytest.raises(
        InputError, match=r"needs models/../../other/.*, which the crate does not list"
    ):
        radcbir.reevaluate(bundle)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder / "models") or (folder / form.CRATE).unlink(), "is no bundle of results"),
        (lambda folder: (folder / form.CRATE).write_text("{"), "is no bundle of results"),
        (lambda folder: (folder / form.EXPERIMENT).write_text("[]"), "is damaged"),
        (lambda folder: (folder / "models/net/neighbors/test.parquet").write_bytes(b"PAR1"), "the results of net in .* are damaged"),
    ],
)  # fmt: skip
def test_a_damaged_bundle_is_one_sentence(bundle, damage, sentence, capsys):
    damage(bundle)
    with pytest.raises(InputError, match=sentence):
        radcbir.reevaluate(bundle)
    assert main([str(bundle)]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_crate_that_points_outside_is_refused(bundle):
    crate = json.loads((bundle / form.CRATE).read_text())
    crate["@graph"].append({"@id": "../secret", "@type": "File", "sha256": "0"})
    (bundle / form.CRATE).write_text(json.dumps(crate))
    with pytest.raises(InputError, match=r"'../secret', which is outside"):
        radcbir.reevaluate(bundle)


def test_rocrate_reads_the_crate(bundle):
    crate = ROCrate(str(bundle))
    files = {each.id for each in crate.data_entities}
    assert files == set(form.files(["net", "other"], ["val", "test"]))
    assert str(crate.datePublished).startswith("2026-03-04")
    assert crate.dereference("#model-net")["license"] == "MIT"


def test_croissant_describes_the_images(bundle):
    dataset = mlcroissant.Dataset(str(bundle / form.CROISSANT))
    assert not dataset.metadata.issues.errors and not dataset.metadata.issues.warnings
    rows = list(dataset.records("images"))
    assert [row["images/id"] for row in rows] == list(range(500, 540))
    assert rows[1]["images/label"] == b"CT/head/1" and rows[1]["images/labels"] == [b"CT/head/1"]
    assert "one (NIH)" in dataset.metadata.description
