"""A dataset that is prepared from a provider's files, through to its metrics."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from conftest import draw, rows
from figure_texts import figures_unfit_for_print
from plain_region_recall import plain_means, plain_region_recall

PREPARE = {"from": "nih14", "metadata": "data/nih", "validation": 0.2, "labels": "multi"}
DATASETS = {"nih": {"prepare": PREPARE, "images": "data/images", "max_rejected": 0.1}}
EXPERIMENT = {"datasets": ["nih"], "index_split": "train", "query_splits": ["test"], "k": 5}
FINDINGS = ["Effusion", "Mass", "Nodule", "Effusion|Mass"]


def hand_out(project) -> None:
    """Write NIH's files for 48 drawn images, the last one missing on disk."""
    lines, lists = (
        ["Image Index,Finding Labels,Patient ID,Patient Age"],
        {"train_val": [], "test": []},
    )
    for number, row in enumerate(rows(48)):
        name = f"{number // 6:08d}_{number % 6:03d}.png"
        if number < 47:
            project.draw(f"images/{name}", number % 4, number)
        lines.append(f"{name},{FINDINGS[number % 4]},{number // 6},{40 + number}")
        lists["test" if row["split"] == "test" else "train_val"].append(name)
    (project / "data/nih").mkdir(exist_ok=True)
    (project / "data/nih/Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
    for name, listed in lists.items():
        (project / f"data/nih/{name}_list.txt").write_text("\n".join(listed) + "\n")


def test_from_a_providers_files_to_metrics(fresh):
    hand_out(fresh)
    experiments = {"one": EXPERIMENT, "several": EXPERIMENT | {"labels": "multi"}}
    fresh.configure(
        datasets=DATASETS,
        experiments=experiments,
        models=["thumbnail"],
        analyses=["gallery", "region_recall"],
    )
    summaries = [f"results/experiments/{name}/comparison/summary.csv" for name in experiments]
    gallery = "results/experiments/several/gallery/test.html"
    recall = [
        f"results/experiments/{name}/region_recall/region_recall.html" for name in experiments
    ]
    jobs = fresh.run(*summaries, gallery, *recall, "results/datasets/nih/preparation.html")
    assert jobs["prepare"] == 1 and jobs["region_recall"] == 2

    counts = pd.read_csv(fresh / "results/datasets/nih/preparation.csv")
    assert counts[counts["step"] == "listed by the provider"]["images"].tolist() == [48]
    catalog = pd.read_parquet(fresh / "results/datasets/nih/catalog.parquet")
    assert len(catalog) == 47, "one image is missing on disk"
    assert set(catalog["label"].dropna()) == {
        "XR/chest/Pleural Effusion",
        "XR/chest/Mass",
        "XR/chest/Nodule",
    }
    assert catalog.groupby("patient_id")["split"].nunique().max() == 1
    assert "one label or several" in (fresh / "results/datasets/nih/preparation.html").read_text()

    # images with several labels are in the pool and among the neighbors, and leave the figures of
    # one label alone
    pooled = pd.read_parquet(fresh / "results/experiments/several/catalog.parquet")
    two = pooled[pooled["label"].isna()]
    assert {tuple(labels) for labels in two["labels"]} == {
        ("XR/chest/Mass", "XR/chest/Pleural Effusion")
    }
    neighbors = pd.read_parquet(fresh / "results/experiments/several/thumbnail/knn/test.parquet")
    assert neighbors["neighbor"].isin(two["id"]).any() and neighbors["query"].isin(two["id"]).any()
    one, several = (pd.read_csv(fresh / summary) for summary in summaries)
    pd.testing.assert_frame_equal(one, several)
    assert (
        one["queries"].max() == ((catalog["split"] == "test") & catalog["label"].notna()).sum() > 0
    )
    assert "XR/chest/Mass + XR/chest/Pleural Effusion" in (fresh / gallery).read_text()

    # each label of an image with several is found, or not, for itself
    known = pooled.set_index("id")
    plain = plain_region_recall(
        known["labels"].map(list).to_dict(),
        known["patient_id"].to_dict(),
        neighbors.sort_values("rank").groupby("query")["neighbor"].agg(list).to_dict(),
        pooled.loc[pooled["split"] == "train", "id"].tolist(),
        [1, 3, 5],
    )
    folder = fresh / "results/experiments/several/region_recall"
    by_label = pd.read_csv(folder / "by_label.csv").set_index(["level", "label", "k"])
    assert set(by_label.index) == set(plain) and len(plain) == 3 * 4
    for key, (value, chance, *counts) in plain.items():
        row = by_label.loc[key]
        assert row[["value", "chance"]].tolist() == pytest.approx([value, chance]), key
        assert row[["queries", "queries_without_answer"]].tolist() == counts
    means = pd.read_csv(folder / "region_recall.csv").set_index(["level", "k"])
    assert means.loc[("fine", 1), "value"] == pytest.approx(plain_means(plain, "fine", 1)[0])
    page = (folder / "region_recall.html").read_text()
    assert f"{means.loc[('fine', 1), 'value']:.3f}" in page and "XR/chest/Nodule" in page
    assert figures_unfit_for_print(folder) == {}
    assert "<b>several</b>" in (folder / "region_recall_figure.html").read_text()

    # with one label per image it is P@1 of each label
    one_label = pd.read_csv(fresh / "results/experiments/one/region_recall/by_label.csv")
    shares = one_label[(one_label["level"] == "fine") & (one_label["k"] == 1)].set_index("label")
    groups = pd.read_csv(fresh / "results/experiments/one/thumbnail/metrics/by_group.csv")
    of_others = (groups["neighbors"] == "other_patients") & (groups["level"] == "label")
    expected = groups[of_others].set_index("group")["precision_at_1"]
    assert len(expected) == 3 and shares["value"].to_dict() == pytest.approx(expected.to_dict())

    # a changed file of the provider prepares the dataset again, and embeds nothing where only a
    # label changed
    fresh.edit(
        "data/nih/Data_Entry_2017.csv", "00000000_000.png,Effusion", "00000000_000.png,Hernia"
    )
    again = fresh.run(summaries[0])
    assert again["prepare"] == 1 and "embed" not in again
    (fresh / "data/nih/test_list.txt").unlink()
    output = fresh.snakemake("--dry-run", fails=True)
    assert (
        "lacks test_list.txt of NIH ChestX-ray14: get it from https://" in output
        and "Traceback" not in output
    )


def test_volumes_of_3d_mir_are_retrieved_as_series(fresh):
    """Three volumes with a tumor and three without in each split; the label of a volume is that of its
    slices, and its series the volume."""
    data, labels = fresh / "data/Data", ["name,organ,max_tumor_size,number_tumors,lesion_group,cancer_flag"]  # fmt: skip
    names = [f"liver_{number}.nii.gz" for number in range(12)]
    for number, name in enumerate(names):
        shape = np.asarray(draw(number % 2, number), np.int16)
        voxels = np.stack([np.roll(shape, place, axis=0) for place in range(5)], axis=2)
        path = fresh / "data/msd/Task03_Liver/imagesTr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
        flag, group = ("1", "2") if number % 2 else ("0", "-1")
        labels.append(f"{name},liver,1,1,{group},{flag}")
    for folder, file, content in (
        ("3DMIR_labels", "liver_labels_and_captions", labels),
        ("Data_Splits", "liver_full_train_split", [",training", *(f"{n},{each}" for n, each in enumerate(names[:6]))]),
        ("Data_Splits", "liver_full_test_split", [",testing", *(f"{n},{each}" for n, each in enumerate(names[6:]))]),
    ):  # fmt: skip
        (data / folder).mkdir(parents=True, exist_ok=True)
        (data / folder / f"{file}.csv").write_text("\n".join(content) + "\n")
    prepare = {"from": "3d-mir", "metadata": "data/Data", "organ": "liver", "step": 2}
    fresh.configure(
        datasets={"liver": {"prepare": prepare, "images": "data/msd"}},
        experiments={"tumors": {"datasets": ["liver"], "index_split": "train", "query_splits": ["test"], "k": 5, "unit": "series"}},
        models=["thumbnail"], analyses=["leakage"],
    )  # fmt: skip
    fresh.run("results/experiments/tumors/aggregation/aggregation.csv")
    pool = pd.read_parquet(fresh / "results/experiments/tumors/catalog.parquet")
    assert sorted(pool["series_id"]) == sorted(each.removesuffix(".nii.gz") for each in names)
    assert pool.groupby(["split", "label"]).size().to_dict() == {
        (split, f"CT/liver/{label}"): 3 for split in ("train", "test") for label in ("tumor", "no tumor")
    }  # fmt: skip
    counts = pd.read_csv(fresh / "results/experiments/tumors/units/counts.csv")
    assert set(counts["median"]) == {3}, "every second of five slices"
    table = pd.read_csv(fresh / "results/experiments/tumors/aggregation/aggregation.csv")
    first = table[(table["way"] == "mean") & (table["metric"] == "precision_at_1")]
    assert set(first["queries"]) == {6} and first["value"].between(0, 1).all()
