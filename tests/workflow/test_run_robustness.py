"""Perturbed queries and the robustness index, from the run to the front page, and what makes them stale."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import Project, rows
from figure_texts import figures_unfit_for_print

from radcbir.analyses.robustness.perturbations import perturbed
from radcbir.cards.model_card import load_card
from radcbir.encoders import load_encoder
from radcbir.images import reader
from radcbir.images.intensity import INTENSITY

EXPERIMENT = "results/experiments/findings"

ROBUSTNESS = {"queries": 6, "perturbations": ["noise", "inversion"], "severities": [1, 5]}

# All that compares models and pages reruns with any of their tables.
PAGES = {"front_experiment", "front_page", "provenance"}


def listed(count=48):
    return [row | {"scanner": "AB"[number // 4 % 2]} for number, row in enumerate(rows(count))]


@pytest.fixture(scope="module")
def shaken(finished, tmp_path_factory):
    """The finished project with two scanners and perturbed queries of one model."""
    project = Project(tmp_path_factory.mktemp("shaken") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    project.write_csv(listed())
    project.settings = {
        "models": ["thumbnail"],
        "analyses": ["gallery", "robustness", "robustness_index"],
        "robustness": ROBUSTNESS,
    }
    project.configure(**project.settings)
    project.jobs = project.run()
    return project


def test_each_perturbation_is_a_job_of_its_own(shaken):
    assert shaken.jobs["embed_perturbed"] == 2
    assert shaken.jobs["robustness"] == shaken.jobs["robustness_summary"] == 1
    assert shaken.jobs["robustness_index"] == shaken.jobs["robustness_index_summary"] == 1
    assert shaken.jobs["embed"] == 0, "new columns of the CSV embed nothing again"
    assert not shaken.run()


def sampled(project):
    [path] = (project / EXPERIMENT / "robustness/sample").glob("*.tsv")
    return pd.read_csv(path, sep="\t")


def test_the_sample_has_one_query_of_each_patient_first(shaken):
    catalog = pd.read_parquet(shaken / EXPERIMENT / "catalog.parquet").set_index("id")
    own = catalog.loc[sampled(shaken)["id"]]
    assert len(own) == 6
    assert set(own["split"]) == {"test"}, "`val` chooses settings"
    assert own["patient_id"].value_counts().tolist() == [3, 3], "two patients have queries"


def test_vectors_are_those_of_the_perturbed_files(shaken):
    sample = sampled(shaken).set_index("id")["path"]
    encoder = load_encoder(
        "thumbnail", load_card(shaken / "config/models/thumbnail.yaml"), None, "cpu"
    )
    for name in ("noise", "inversion"):
        with h5py.File(shaken / EXPERIMENT / f"thumbnail/robustness/{name}.h5") as file:
            ids, severities, vectors = (file[each][:] for each in ("ids", "severities", "vectors"))
        assert len(ids) == 12
        for image, severity, vector in zip(ids, severities, vectors, strict=True):
            raster = reader.read_raster(shaken / "data/images" / sample[image])
            changed = perturbed(raster, INTENSITY, name, severity, image)
            [expected] = encoder.encode([encoder.preprocess(changed)])
            assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_tables_pages_and_the_front_page_say_what_was_found(shaken):
    table = pd.read_csv(shaken / EXPERIMENT / "robustness/robustness.csv")
    areas = pd.read_csv(shaken / EXPERIMENT / "robustness/areas.csv").set_index("perturbation")
    assert list(zip(table["perturbation"], table["severity"], strict=True)) == [
        ("noise", 1),
        ("noise", 5),
        ("inversion", 1),
        ("inversion", 5),
    ]
    assert set(table["query_split"]) == {"test"}
    assert list(areas.index) == ["noise", "inversion", "all"]
    assert areas["worst"].sum() == 1
    of_inversion = table.loc[table["perturbation"] == "inversion", "change_1"]
    assert areas.loc["inversion", "change_1"] == pytest.approx(of_inversion.mean())
    page = (shaken / EXPERIMENT / "robustness/robustness.html").read_text()
    assert "Worst perturbation" in page
    assert (shaken / EXPERIMENT / "robustness/severities_figure.html").is_file()
    index = pd.read_csv(shaken / EXPERIMENT / "robustness_index/robustness_index.csv")
    assert set(index["attribute"]) == {"scanner"}
    assert (index["k"] == 5).all(), "an experiment with k = 5 has five neighbors"
    assert index["robustness_index"].between(0, 1).all()
    front = json.loads((shaken / EXPERIMENT / "front.json").read_text())
    assert front["splits"]
    assert figures_unfit_for_print(shaken / "results") == {}


def test_the_index_is_that_of_plain_counts(shaken):
    catalog = pd.read_parquet(shaken / EXPERIMENT / "catalog.parquet").set_index("id")
    table = pd.read_csv(shaken / EXPERIMENT / "robustness_index/robustness_index.csv")
    for split, row in table.set_index("query_split").iterrows():
        found = pd.read_parquet(shaken / EXPERIMENT / f"thumbnail/knn/{split}.parquet")
        found = found[found["rank"] <= 5]
        asked, near = (catalog.loc[found[each]] for each in ("query", "neighbor"))
        right = asked["label"].to_numpy() == near["label"].to_numpy()
        same = asked["scanner"].to_numpy() == near["scanner"].to_numpy()
        expected = (right & ~same).sum() / (right != same).sum()
        assert row["robustness_index"] == pytest.approx(expected)


def test_only_what_changed_is_embedded_again(shaken):
    vectors = shaken / EXPERIMENT / "thumbnail/robustness/noise.h5"
    made = vectors.stat().st_mtime_ns
    # An image for the index, and another model: the index is searched again, and the queries are
    # embedded by the new model alone.
    row = listed(49)[48] | {"split": "train", "patient_id": "p99"}
    shaken.draw(row["filepath"], 0, 48)
    shaken.write_csv([*listed(), row])
    shaken.settings["models"] = ["thumbnail", "histogram"]
    shaken.configure(**shaken.settings)
    done = shaken.run()
    assert (done["embed"], done["embed_perturbed"], done["robustness"]) == (2, 2, 2)
    assert vectors.stat().st_mtime_ns == made
    # A larger sample and fewer severities: all of it is embedded again, and nothing else.
    shaken.settings["robustness"] = ROBUSTNESS | {"queries": 7, "severities": [5]}
    shaken.configure(**shaken.settings)
    done = shaken.run()
    assert set(done) - PAGES == {
        "perturbed_sample",
        "embed_perturbed",
        "robustness",
        "robustness_summary",
    }
    assert done["embed_perturbed"] == 4
    assert vectors.stat().st_mtime_ns > made
    assert not shaken.run()
