"""Images of one's own: a folder of many formats through to the report, and data that the audit
stops."""

import contextlib
import re
import shutil
import sqlite3

import nibabel
import numpy as np
import pandas as pd
import pydicom.data
import yaml
from conftest import CONFIG, draw, rows
from PIL import Image

import radcbir

EXPERIMENT = CONFIG["experiments"]["findings"]
KEY = "5b1f0c9e7a3d4826b0c1d2e3f4a5968778695a4b3c2d1e0f"


def fill(root) -> None:
    """Twelve patients: 16-bit PNGs of two kinds, volumes, a multi-frame DICOM, one broken file."""
    random = np.random.default_rng(0)
    for patient in range(12):
        name = f"Meier-{patient:02d}"
        for kind, label in enumerate(("XR/chest/disc", "XR/chest/bar")):
            folder = root / label / name
            folder.mkdir(parents=True)
            values = np.asarray(draw(kind, patient)).astype(np.uint16) * 16
            Image.fromarray(values).save(folder / "scan.png")
        folder = root / "MR/head/brain" / name
        folder.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(random.normal(500, 90, (40, 36, 9)).astype(np.int16), np.eye(4)), folder / "head.nii.gz")  # fmt: skip
    folder = root / "MR/head/slab/Meier-00"
    folder.mkdir(parents=True)
    shutil.copy(
        pydicom.data.get_testdata_file("emri_small_RLE.dcm", download=False), folder / "slab.dcm"
    )
    (folder / "broken.dcm").write_text("no image")


def test_a_folder_of_many_formats_becomes_a_report_without_names(fresh):
    fill(fresh / "own")
    (fresh / "key.txt").write_text(KEY)
    (fresh / "key.txt").chmod(0o600)
    dataset = {
        "prepare": {"from": "folder", "shares": {"train": 0.6, "test": 0.4}, "step": 4},
        "images": "own",
        "max_rejected": 0.2,
        "intensity": {"policy": "percentile", "low": 1, "high": 99},
    }
    experiment = {"datasets": ["mine"], "index_split": "train", "query_splits": ["test"], "k": 5}
    settings = {
        "datasets": {"mine": dataset},
        "experiments": {"own": experiment},
        "models": ["thumbnail"],
        "pseudonymise": {"key_file": "key.txt"},
        "shard_size": 512,
    }
    fresh.configure(**settings)
    wanted = ["results/experiments/own/comparison/summary.csv", "results/datasets/mine/ledger.html", "results/provenance/provenance.html", "results/experiments/own/gallery/test.html", "results/exports/own/thumbnail", "results/exports/own/thumbnail.sqlite"]  # fmt: skip
    jobs = fresh.run(*wanted)
    assert (jobs["prepare"], jobs["pseudonyms"], jobs["audit_verdict"]) == (1, 1, 1)

    # 24 PNGs, 2 of 9 slices of 12 volumes, 3 of 10 frames, one broken file
    catalog = pd.read_parquet(fresh / "results/datasets/mine/catalog.parquet")
    assert len(catalog) == 24 + 24 + 3 + 1
    assert (
        catalog["path"]
        .str.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{16}\.(png|dcm|nii\.gz)(#(axial|frame)=[0-9]+)?")
        .all()
    )
    assert catalog["patient_id"].nunique() == 12
    assert catalog.groupby("patient_id")["split"].nunique().max() == 1
    ledger = pd.read_csv(fresh / "results/datasets/mine/ledger.csv")
    assert ledger[["stage", "reason"]].values.tolist() == [["embed", "not a DICOM file"]]
    audited = pd.read_csv(fresh / "results/experiments/own/audit/findings.csv").set_index("check")
    assert "int16 volume: 24" in audited.loc["pixel_types", "examples"]
    assert "percentile 1 to 99 %" in (fresh / "results/provenance/provenance.html").read_text()

    # no name and no key in anything that may be shared; the mapping knows them
    for path in (fresh / "results").rglob("*"):
        if path.is_file() and "logs" not in path.relative_to(fresh / "results").parts:
            content = path.read_bytes()
            assert (
                b"Meier" not in content
                and b"scan.png" not in content
                and KEY.encode() not in content
            ), path
    exported = radcbir.open_export(fresh / "results/exports/own/thumbnail").images
    assert set(exported["path"]) <= set(catalog["path"])
    assert set(exported["patient_id"]) == set("mine:" + catalog["patient_id"])
    with contextlib.closing(
        sqlite3.connect(fresh / "results/exports/own/thumbnail.sqlite")
    ) as database:
        rows_there = pd.read_sql("SELECT path, patient_id FROM images", database)
    indexed = exported[exported["split"] == "train"]
    assert set(rows_there["path"]) == set(indexed["path"]) <= set(catalog["path"])
    assert set(rows_there["patient_id"]) == set(indexed["patient_id"])
    mapping = pd.read_csv(fresh / "private/mine/pseudonyms.csv")
    assert set(mapping.loc[mapping["kind"] == "patient", "original"]) == {
        f"Meier-{number:02d}" for number in range(12)
    }

    # nobody but the owner reads the names
    private = [fresh / "private", *(fresh / "private").rglob("[!.]*")]
    assert len([path for path in private if path.is_file() and not path.is_symlink()]) >= 4
    assert [path for path in private if not path.is_symlink() and path.stat().st_mode & 0o077] == []

    # another policy embeds this dataset again; a new file is found, and its shard alone is embedded
    settings["datasets"]["mine"]["intensity"]["high"] = 90
    fresh.configure(**settings)
    plan = fresh.snakemake("--dry-run", *wanted)
    assert re.search(r"^embed +\d+$", plan, re.MULTILINE) and not re.search(
        r"^catalog ", plan, re.MULTILINE
    )
    settings["datasets"]["mine"]["intensity"]["high"] = 99
    fresh.configure(**settings)
    Image.fromarray(np.asarray(draw(0, 77)).astype(np.uint16) * 16).save(
        fresh / "own/XR/chest/disc/Meier-03/again.png"
    )
    plan = fresh.snakemake("--dry-run", *wanted)
    assert re.search(r"^prepare ", plan, re.MULTILINE)


def test_the_intensity_of_one_dataset_is_no_matter_of_another(project):
    datasets = {"chest": CONFIG["datasets"]["chest"], "other": {"csv": "data/other.csv", "images": "data/images", "max_rejected": 0.1}}  # fmt: skip
    project.write_csv(rows(24), "data/other.csv")
    experiments = {
        "findings": EXPERIMENT,
        "more": EXPERIMENT | {"datasets": ["other"], "query_splits": ["test"]},
    }
    settings = {
        "datasets": datasets,
        "experiments": experiments,
        "models": ["thumbnail"],
        "analyses": [],
    }
    project.configure(**settings)
    project.run("embeddings")
    datasets["other"]["intensity"] = {"policy": "minmax"}
    project.configure(**settings)
    output = project.snakemake("--dry-run", "embeddings")
    assert set(
        re.findall(r"^ +output: results/embeddings/\w+/(\w+)/\w+\.h5$", output, re.MULTILINE)
    ) == {"other"}


def test_a_copy_in_the_other_split_stops_the_run_until_it_is_allowed(project):
    """A query image with the pixels of an index image, in another file format: no model sees it
    before the user knows."""
    copy = rows(48)
    source, target = next(row for row in copy if row["split"] == "train"), next(row for row in copy if row["split"] == "test")  # fmt: skip
    Image.open(project / "data/images" / source["filepath"]).save(
        project / "data/images" / target["filepath"], compress_level=0
    )
    output = project.snakemake("--forcerun", "catalog", fails=True)
    sentence = re.search(r"Error: (.*have the same pixels.*)", output)[1]
    assert (
        f"{target['filepath']} = {source['filepath']}" in sentence
        and "`audit: stop_on:`" in sentence
    )
    assert "Traceback" not in output and not re.search(r"^rule embed:", output, re.MULTILINE)
    page = (project / "results/experiments/findings/audit/audit.html").read_text()
    assert "exact duplicates" in page and target["filepath"] in page
    near = pd.read_parquet(project / "results/experiments/findings/audit/near_duplicates.parquet")
    assert (
        list(near.columns) == ["image", "other", "distance"] and (near["distance"] == 0).sum() >= 2
    )
    settings = yaml.safe_load((project / "config/config.yaml").read_text())
    project.configure(**settings | {"audit": {"stop_on": ["shared_patients"]}})
    assert project.run()["embed"] == 2
    verdict = (project / "results/experiments/findings/audit/verdict.txt").read_text()
    assert verdict.startswith("serious: 1\n")
