"""A dataset that is prepared from a provider's files, through to its metrics."""

import pandas as pd
from conftest import rows

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
    fresh.configure(datasets=DATASETS, experiments=experiments, models=["thumbnail"])
    summaries = [f"results/experiments/{name}/comparison/summary.csv" for name in experiments]
    gallery = "results/experiments/several/gallery/test.html"
    assert fresh.run(*summaries, gallery, "results/datasets/nih/preparation.html")["prepare"] == 1

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
