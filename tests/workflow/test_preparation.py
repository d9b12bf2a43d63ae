"""A dataset that is prepared from a provider's files, through to its metrics."""

import pandas as pd
from conftest import rows

PREPARE = {"from": "nih14", "metadata": "data/nih", "test": "official", "validation": 0.2}
DATASETS = {"nih": {"prepare": PREPARE, "images": "data/images", "max_rejected": 0.1}}
FINDINGS = ["Effusion", "Mass", "Nodule", "Effusion|Mass"]


def hand_out(project) -> None:
    """Write NIH's files for 48 drawn images, the last one missing on disk."""
    lines, lists = ["Image Index,Finding Labels,Patient ID,Patient Age"], {"train_val": [], "test": []}
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
    experiment = {"datasets": ["nih"], "index_split": "train", "query_splits": ["test"], "k": 5}
    fresh.configure(datasets=DATASETS, experiments={"findings": experiment}, models=["thumbnail"])
    summary = "results/experiments/findings/comparison/summary.csv"
    wanted = [summary, "results/datasets/nih/preparation.html"]
    assert fresh.run(*wanted)["prepare"] == 1
    counts = pd.read_csv(fresh / "results/datasets/nih/preparation.csv")
    assert counts[counts["step"] == "listed by the provider"]["images"].tolist() == [48]
    assert counts[counts["step"] == "exactly one label"]["images"].sum() == 36
    catalog = pd.read_parquet(fresh / "results/datasets/nih/catalog.parquet")
    assert set(catalog["label"]) == {"XR/chest/Pleural Effusion", "XR/chest/Mass", "XR/chest/Nodule"}
    assert catalog.groupby("patient_id")["split"].nunique().max() == 1
    assert pd.read_csv(fresh / summary)["queries"].max() == (catalog["split"] == "test").sum() > 0
    assert "exactly one label" in (fresh / "results/datasets/nih/preparation.html").read_text()

    # a changed file of the provider prepares the dataset again, and embeds nothing where only a label changed
    fresh.edit("data/nih/Data_Entry_2017.csv", "00000000_000.png,Effusion", "00000000_000.png,Hernia")
    again = fresh.run(summary)
    assert again["prepare"] == 1 and "embed" not in again
    (fresh / "data/nih/test_list.txt").unlink()
    output = fresh.snakemake("--dry-run", fails=True)
    assert "lacks test_list.txt of NIH ChestX-ray14: get it from https://" in output and "Traceback" not in output
