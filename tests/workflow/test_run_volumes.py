"""An encoder of whole volumes beside one of images: from NIfTI and DICOM series to the table, and what
is done again when a series is added."""

import json
import re
import shutil

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Project
from dicom_series import write
from PIL import Image

from radcbir.app.inventory import experiments
from radcbir.app.stored import Stored
from radcbir.embedding import store
from radcbir.encoders import load_encoder
from radcbir.encoders.volumes import prepared
from radcbir.images.volumes import Volume
from radcbir.project.configuration import Project as Configuration

CARD = {
    "name": "Tiny volumes",
    "loader": "i3resnet",
    "architecture": "i3resnet18",
    "weights": {"random_seed": 3},
    "pooling": "pooled",
    "dimension": 512,
    "preprocessing": {"size": [16, 16, 16], "resize": "area", "orientation": "RAS", "range": {"hounsfield": [-1000, 1000]}},
    "licence": "none",
}  # fmt: skip
LABELS = ["CT/chest/ball", "CT/chest/plate"]
EXPERIMENT = {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 3, "unit": "series"}  # fmt: skip
FOLDER = "results/experiments/volumes"


def values(number):
    """A ball or a plate in air, with noise of its own."""
    random = np.random.default_rng(number)
    x, y, z = np.mgrid[-1:1:20j, -1:1:18j, -1:1:12j]
    inside = np.hypot(np.hypot(x, y), z) < 0.6 if number % 2 == 0 else np.abs(z) < 0.3
    return (-900 + 1000 * inside + random.normal(0, 60, x.shape)).astype(np.int16)


def rows(series, paths):
    """CSV rows of a series: two series per patient, the last patients ask."""
    return [
        {
            "filepath": path,
            "split": "test" if series >= 6 else "train",
            "label": LABELS[series % 2],
            "patient_id": f"p{series // 2}",
            "study_id": f"t{series // 2}",
            "series_id": f"s{series}",
            "position": str(place),
        }
        for place, path in enumerate(paths)
    ]


def nifti(project, series):
    """A volume of which every third slice is in the catalog."""
    (project / "data/ct").mkdir(parents=True, exist_ok=True)
    name = f"v{series}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values(series), np.eye(4)), project / "data/ct" / name)
    return rows(series, [f"{name}#axial={each}" for each in (1, 4, 7, 10)])


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("volumes") / "project")
    project.folder.mkdir()
    project.set_up()
    listed = [row for series in range(8) for row in nifti(project, series)]
    for height in range(12):
        pixels = ((values(9)[::-1, ::-1, height].T + 1200) / 10).clip(0, 255).astype(np.uint8)
        place = {"ImagePositionPatient": [0, 0, height], "PixelSpacing": [1, 1]}
        write(project / f"data/ct/dicom/{height:02d}", pixels, RescaleIntercept=-1200, RescaleSlope=10, **place)  # fmt: skip
    listed += rows(9, [f"dicom/{each:02d}" for each in range(12)])
    for number in range(2):  # a series of pictures, which say nothing of their places
        Image.fromarray(values(number)[:, :, 5].clip(0, 255).astype(np.uint8)).save(
            project / f"data/ct/{number}.png"
        )
    project.listed = [*listed, *rows(10, ["0.png", "1.png"])]
    project.write_csv(project.listed, "data/ct.csv")
    (project / "config/models/tiny-volumes.yaml").write_text(yaml.safe_dump(CARD))
    configure(project)
    project.jobs = project.run()
    return project


def configure(project, **changes):
    project.configure(
        datasets={"ct": {"csv": "data/ct.csv", "images": "data/ct", "max_rejected": 0.2}},
        experiments={"volumes": EXPERIMENT},
        models=["thumbnail", "tiny-volumes"],
        analyses=["gallery"],
        volume_shard_size=3,
        **changes,
    )


def of_volumes(project):
    """The vectors of the encoder of volumes by the path of each series' middle slice."""
    pool = pd.read_parquet(project / FOLDER / "catalog.parquet").set_index("id")["path"]
    path = project / FOLDER / "tiny-volumes/units/embeddings.h5"
    ids, found = store.read([path], store.read_ids(path))
    return dict(zip(pool.loc[ids], found, strict=True))


def test_each_series_has_the_vector_of_its_whole_volume(volumes):
    assert volumes.jobs["volumes"] == 1 and volumes.jobs["unit_embeddings"] == 2
    lists = list((volumes / "results/datasets/ct/volumes").glob("*.tsv"))
    assert volumes.jobs["embed_volumes"] == len(lists) > 1
    found = of_volumes(volumes)
    assert len(found) == 9
    encoder = load_encoder("tiny-volumes", {**CARD, "precision": "float32"}, None, "cpu")
    for series in range(8):
        whole = Volume(values(series).astype(np.float32), np.eye(4))
        [expected] = encoder.encode([prepared(whole, CARD["preprocessing"])])
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(found[f"v{series}.nii.gz#axial=4"], expected, atol=1e-5)


def test_the_table_has_both_kinds_and_the_ledger_says_what_made_no_volume(volumes):
    table = pd.read_csv(volumes / FOLDER / "comparison/precision.csv")
    assert set(table["model"]) == {"thumbnail", "tiny-volumes"}
    queries = pd.read_parquet(volumes / FOLDER / "tiny-volumes/knn/test.parquet")["query"]
    assert queries.nunique() == 3  # of four: the pictures have no vector
    coverage = pd.read_csv(volumes / "results/datasets/ct/coverage.csv").set_index("model")
    assert coverage.loc["thumbnail", "embedded"] == 46
    assert coverage.loc["tiny-volumes", ["embedded", "rejected_by_embed"]].tolist() == [44, 2]
    ledger = pd.read_csv(volumes / "results/datasets/ct/ledger.csv")
    assert ledger["path"].tolist() == ["0.png", "1.png"]
    assert ledger["reason"].str.contains("pillow files do not say where a slice lies").all()


def test_series_of_files_find_what_their_series_find_by_both_kinds(volumes):
    """A DICOM series by its folder, a volume by the slices that the dataset has, another one whole,
    and a picture."""
    names = ["data/ct/v6.nii.gz", "data/ct/v7.nii.gz", "1.2.1.1", "data/ct/0.png"]
    lines = [f"v6.nii.gz#axial={place}" for place in (1, 4, 7, 10)]
    (volumes / "data/ct/list.csv").write_text("\n".join(["filepath", *lines]))
    images = ["data/ct/list.csv", "data/ct/v7.nii.gz", "data/ct/dicom", "data/ct/0.png"]
    query = json.dumps({"images": images, "k": 3, "name": "both"})
    jobs = volumes.run("query", "--config", f"query={query}")
    assert jobs == {
        "query_list": 1, "embed_query": 1, "pool_query": 1, "embed_query_volumes": 1,
        "query_neighbors": 2, "query_unit_results": 1, "query": 1,
    }  # fmt: skip
    # Nothing is done twice, and the query is no part of the other results.
    assert "Nothing to be done" in volumes.snakemake("all", "query", "--config", f"query={query}")
    folder = volumes / "results/queries/both"
    table = pd.read_csv(folder / "neighbors.csv", keep_default_na=False)
    pool = pd.read_parquet(volumes / FOLDER / "catalog.parquet").set_index("path")["id"]
    same = {"thumbnail": (0, 2), "tiny-volumes": (0, 1, 2)}
    paths = ["v6.nii.gz#axial=4", "v7.nii.gz#axial=4", "dicom/05"]
    for model, places in same.items():
        known = pd.read_parquet(volumes / FOLDER / model / "knn/test.parquet")
        of_model = table[table["model"] == model]
        assert list(of_model["query"].unique()) == names[: 4 if model == "thumbnail" else 3]
        for place in places:
            expected = known[known["query"] == pool[paths[place]]].sort_values("rank")
            found = of_model[of_model["query"] == names[place]]
            assert found["neighbor_id"].tolist() == expected["neighbor"].tolist()[:3]
            np.testing.assert_allclose(found["score"], expected["score"][:3], rtol=0, atol=2e-5)
    sizes = table[table["model"] == "thumbnail"].groupby("query")["query_slices"].first()
    assert sizes.to_dict() == dict(zip(names, (4, 12, 12, 1), strict=True))
    # A model of whole volumes has no slices to compare: the middle one is shown, and none of the query.
    whole = table[table["model"] == "tiny-volumes"]
    assert set(whole["query_slice"]) == {""} and set(whole["neighbor"]) <= set(pool.index)
    ledger = pd.read_csv(folder / "ledger.csv", keep_default_na=False)
    [[name, stage, model, reason]] = ledger.to_numpy().tolist()
    assert (name, stage, model) == ("data/ct/0.png", "query", "tiny-volumes")
    assert reason.startswith("no volume: pillow files do not say where a slice lies")
    page = (folder / "gallery.html").read_text()
    assert "or the middle one where the model takes whole volumes" in page


def test_pages_speak_of_series(volumes, monkeypatch):
    assert "finds the right series?" in (volumes / "results/index.html").read_text()
    gallery = (volumes / FOLDER / "gallery/test.html").read_text()
    assert "its nearest series of the index" in gallery
    assert "Each is shown by its middle image." in gallery
    monkeypatch.chdir(volumes.folder)
    config = yaml.safe_load((volumes / "config/config.yaml").read_text())
    stored = Stored(Configuration(config, ["config/models"]))
    [live] = experiments(stored)
    missing = {each["slug"]: each["missing"] for each in live["models"]}
    assert "it takes whole volumes" in missing["tiny-volumes"] and not missing["thumbnail"]


def test_only_the_list_of_a_new_series_is_embedded_and_labels_embed_nothing(volumes, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(volumes.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    before = of_volumes(project)
    project.listed = [*volumes.listed, *nifti(project, 12)]
    project.write_csv(project.listed, "data/ct.csv")
    jobs = project.run()
    assert jobs["volumes"] == 1 and 1 <= jobs["embed_volumes"] <= 2 and jobs["gather"] == 2
    after = of_volumes(project)
    assert set(after) - set(before) == {"v12.nii.gz#axial=4"}
    for path, vector in before.items():
        np.testing.assert_allclose(after[path], vector, atol=1e-5)

    for row in project.listed[:4]:
        row |= {"label": LABELS[1]}
    project.write_csv(project.listed, "data/ct.csv")
    jobs = project.run()
    assert jobs["embed_volumes"] == jobs["gather"] == 0 and jobs["retrieval_metrics"] == 2


def test_a_model_of_volumes_that_is_added_does_its_own_work_alone(volumes, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(volumes.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    for part in (
        "embeddings/tiny-volumes",
        "experiments/volumes/tiny-volumes",
        "datasets/ct/volumes",
    ):
        shutil.rmtree(project / "results" / part)
    text = (project / "config/config.yaml").read_text()
    (project / "config/config.yaml").write_text(text.replace("- tiny-volumes\n", ""))
    project.run()
    (project / "config/config.yaml").write_text(text)
    jobs = project.run()
    assert jobs["volumes"] == 1 and jobs["embed_volumes"] == volumes.jobs["embed_volumes"]
    assert jobs["embed"] == jobs["pixels"] == jobs["inspect_images"] == 0
    assert jobs["unit_embeddings"] == jobs["index"] == jobs["knn"] == jobs["retrieval_metrics"] == 1


def test_a_transformer_of_volumes_is_embedded_from_its_card(volumes, tmp_path):
    """Another loader, with the keys that COLIPRI's card has, beside the models that are there."""
    project = Project(tmp_path / "project")
    shutil.copytree(volumes.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    how = CARD["preprocessing"] | {"resize": "pad_or_crop", "spacing": [2, 2, 2], "grid": "middle"}
    how |= {"fill": "lowest", "mean": [0.5], "std": [0.5]}
    card = CARD | {"loader": "primus", "architecture": "primus-s", "pooling": "projection"}
    card |= {"dimension": 48, "preprocessing": how}
    (project / "config/models/primus.yaml").write_text(yaml.safe_dump(card))
    text = (project / "config/config.yaml").read_text()
    added = text.replace("- tiny-volumes\n", "- tiny-volumes\n- primus\n")
    (project / "config/config.yaml").write_text(added)
    jobs = project.run("embeddings")
    assert jobs["embed_volumes"] == volumes.jobs["embed_volumes"] and jobs["embed"] == 0
    path = project / "results/embeddings/primus/ct.h5"
    found = store.read([path], store.read_ids(path))[1]
    assert found.shape == (9, 48)
    encoder = load_encoder("primus", {**card, "precision": "float32"}, None, "cpu")
    wholes = [Volume(values(series).astype(np.float32), np.eye(4)) for series in range(8)]
    expected = np.concatenate([encoder.encode([prepared(each, how)]) for each in wholes])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    nearest = (expected @ found.T).max(axis=1)
    np.testing.assert_allclose(nearest, 1, atol=1e-5)
    assert (expected @ expected.T)[~np.eye(8, dtype=bool)].max() < 1 - 1e-5


def test_a_model_of_volumes_is_refused_where_images_are_retrieved(volumes, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(volumes.folder, project.folder, symlinks=True)
    text = (project / "config/config.yaml").read_text()
    (project / "config/config.yaml").write_text(text.replace("unit: series", "unit: image"))
    said = project.snakemake("-n", fails=True)
    assert re.search(
        r"names 'tiny-volumes', which takes\s+whole volumes, but `unit` is 'image'", said
    )
