"""Images are decoded once for all models that take them alike, and a later model decodes again only
what was not kept."""

import re
import shutil

import numpy as np
import pytest
import yaml
from conftest import CONFIG
from dicom_series import write
from tiny_networks import TINY

from radcbir.embedding import store

OTHER = {**TINY["preprocessing"], "mean": [0.1, 0.1, 0.1]}
LARGER = {**TINY["preprocessing"], "size": [128, 64], "resize": "squash"}
"""Not square: 128 rows, 64 columns."""


def add(project, slug, preprocessing):
    """A card of a tiny network with random weights."""
    shown = {
        key: TINY[key] for key in ("loader", "architecture", "weights", "pooling", "dimension")
    }
    card = {"name": slug, **shown, "preprocessing": preprocessing, "licence": "none"}
    (project / f"config/models/{slug}.yaml").write_text(yaml.safe_dump(card, sort_keys=False))


def embed(project, *models, **settings):
    """Embed with these models: the jobs, and per model how many images were decoded and found."""
    project.configure(models=[*models], shard_size=1000, **settings)
    shutil.rmtree(project / "results/logs/pixels", ignore_errors=True)
    jobs = project.run("embeddings")
    counts = {}
    for log in sorted((project / "results/logs/pixels").glob("*/chest/*.log")):
        for found in re.findall(r"(\d+) images decoded, (\d+) were there", log.read_text()):
            counts[log.parts[-3]] = tuple(map(int, found))
    return jobs, counts


def vectors(project, model):
    path = project / f"results/embeddings/{model}/chest.h5"
    return store.read([path], store.read_ids(path))[1].tobytes()


@pytest.fixture
def networks(fresh):
    for slug, preprocessing in (
        ("one", TINY["preprocessing"]),
        ("two", OTHER),
        ("three", TINY["preprocessing"]),
        ("large", LARGER),
    ):
        add(fresh, slug, preprocessing)
    return fresh


def test_models_of_one_geometry_share_what_one_of_them_decodes(networks):
    project = networks
    jobs, counts = embed(project, "one", "two", "large")
    assert (jobs["pixels"], jobs["embed"]) == (3, 3)
    assert counts.pop("large") == (48, 0)
    assert sorted(counts.values()) == [(0, 48), (48, 0)], "decoded once, found once"
    assert not list(project.folder.rglob("*.npz"))
    assert not list(project.folder.rglob("*.pixels"))
    assert vectors(project, "one") != vectors(project, "two")

    # A model that is added decodes what was not kept; the others of its geometry do nothing. That
    # pixels are kept from now on is no reason to do anything.
    jobs, counts = embed(project, "one", "two", "large", "three", pixels="keep")
    assert jobs == {"pixels": 1, "embed": 1, "gather": 1}
    assert counts == {"three": (48, 0)}
    assert vectors(project, "three") == vectors(project, "one")
    kept = list((project / "results/pixels").glob("*/chest/*/*.npz"))
    assert len(kept) == 2 and kept[0].parent == kept[1].parent, "32 images and 16"

    # What was kept is decoded no more.
    add(project, "two", {**OTHER, "std": [0.3, 0.3, 0.3]})
    jobs, counts = embed(project, "one", "two", "large", "three", pixels="keep")
    assert jobs == {"pixels": 1, "embed": 1, "gather": 1}
    assert counts == {"two": (0, 48)}

    # Without room each model decodes for itself, to the same vectors.
    before = vectors(project, "one")
    shutil.rmtree(project / "results/pixels")
    shutil.rmtree(project / "results/embeddings/one")
    jobs, counts = embed(project, "one", pixels_gb=0.0001)
    assert (jobs, counts) == ({"pixels": 1, "embed": 1, "gather": 1}, {})
    (log,) = (project / "results/logs/pixels/one/chest").glob("*.log")
    assert "are not stored: they would take" in log.read_text()
    assert vectors(project, "one") == before
    assert not list(project.folder.rglob("*.npz"))


def test_a_model_of_hounsfield_units_takes_ct_and_refuses_gray_levels(networks):
    project = networks
    values = {
        "range": {"hounsfield": [-1000, None]},
        "mean": "image",
        "std": "image",
        "channels": 3,
    }
    add(project, "units", TINY["preprocessing"] | values)
    random, listed = np.random.default_rng(2), []
    for number in range(8):
        pixels = random.integers(0, 3000, (60, 70), dtype=np.uint16)
        write(
            project / f"data/ct/{number}.dcm", pixels, BitsAllocated=16, BitsStored=16, HighBit=15,
            RescaleSlope=1, RescaleIntercept=-1024,
        )  # fmt: skip
        row = {"filepath": f"{number}.dcm", "label": "CT/chest/x", "patient_id": f"p{number}"}
        listed.append(row | {"split": "test" if number > 5 else "train"})
    project.write_csv(listed, "data/ct.csv")
    scans = {"datasets": ["ct"], "index_split": "train", "query_splits": ["test"], "k": 2}
    project.configure(
        models=["units"],
        datasets=CONFIG["datasets"] | {"ct": {"csv": "data/ct.csv", "images": "data/ct"}},
        experiments=CONFIG["experiments"] | {"scans": scans},
    )
    said = project.snakemake("--keep-going", "embeddings", fails=True)
    assert "the model 'units' takes Hounsfield units, and " in said
    assert "of the dataset 'chest' has no Hounsfield units: uint8" in said
    assert not (project / "results/embeddings/units/chest.h5").exists()
    path = project / "results/embeddings/units/ct.h5"
    assert len(store.read_ids(path)) == 8
