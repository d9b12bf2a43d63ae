"""Inputs of a tired user: each ends in one clear sentence that names the place and the remedy, and
loses nothing."""

import csv
import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from conftest import CONFIG, rows

EXPERIMENT = CONFIG["experiments"]["findings"]


def change_config(**changes):
    return lambda project: project.configure(**changes)


def change_experiment(**changes):
    return change_config(experiments={"findings": EXPERIMENT | changes})


def change_dataset(**changes):
    return change_config(datasets={"chest": CONFIG["datasets"]["chest"] | changes})


def change_csv(old, new):
    return lambda project: project.edit("data/chest.csv", old, new)


def without_images(project):
    (project / "data/images").rename(project / "data/elsewhere")


def empty_config(project):
    (project / "config/config.yaml").write_text("")


def broken_card(project):
    project.edit("config/models/histogram.yaml", "dimension: 64", "dimensions: 64")


CONFIGURATION = {
    "unknown key": (change_config(shardsize=10), r"config\.yaml: unknown key `shardsize`: did you mean `shard_size`\?"),
    "unknown key of an experiment": (
        change_experiment(indexsplit="train"),
        r"unknown key `indexsplit` under `experiments: findings:`: did you mean `index_split`\?",
    ),
    "wrong type": (change_experiment(k="many"), r"`experiments: findings: k` is 'many', but has to be a whole number"),
    "missing key": (
        change_config(experiments={"findings": {"datasets": ["chest"]}}),
        r"the keys `index_split`, `query_splits` are missing under `experiments: findings:`",
    ),
    "model without a card": (
        change_config(models=["thumbnail", "histogramm"]),
        r"the model 'histogramm' has no card config/models/histogramm\.yaml: .*did you mean 'histogram'\?",
    ),
    "card with a wrong key": (
        broken_card,
        r"model card config/models/histogram\.yaml: (unknown key `dimensions`: did you mean `dimension`\?|the key `dimension` is missing)",
    ),
    "unknown dataset": (change_experiment(datasets=["brain"]), r"names 'brain', which `datasets` does not list: chest"),
    "CSV missing": (change_dataset(csv="data/chests.csv"), r"`datasets: chest: csv` names the CSV data/chests\.csv, which does not exist"),
    "index queries itself": (change_experiment(query_splits=["train"]), r"names the index split 'train', where every image would find itself"),
    "a key twice": (
        lambda project: project.edit("config/config.yaml", "models:", "models: [histogram]\nmodels:"),
        r"the configuration config/config\.yaml gives the key `models` twice, in line \d+ and in line \d+: remove one",
    ),
    "no YAML": (
        lambda project: project.edit("config/config.yaml", "models:", "models: [x"),
        r"the configuration config/config\.yaml is not valid YAML: line \d+, column \d+: ",
    ),
    "empty file": (empty_config, r"Config file must be given as JSON or YAML with keys at top level"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGURATION)
def test_a_wrong_configuration_is_refused_before_anything_runs(fresh, case):
    change, message = CONFIGURATION[case]
    change(fresh)
    output = fresh.snakemake("--dry-run", fails=True)
    assert re.search(message, output), output
    assert "Traceback" not in output
    assert not (fresh / "results").exists()


CATALOG = {
    "no split column": (
        change_csv("filepath,split,", "filepath,fold,"),
        r"the dataset CSV data/chest\.csv has no column 'split': add it",
    ),
    "unknown column": (
        change_csv("split,label,", "split,finding,"),
        r"data/chest\.csv has an unknown column 'finding': a column of your own needs a name that starts with 'x_'",
    ),
    "no label": (
        change_csv("split,label,", "split,x_label,"),
        r"the dataset CSV data/chest\.csv has no labels: add a column 'label'",
    ),
    "duplicate path": (
        change_csv("p00/001.png", "p00/000.png"),
        r"rows 2, 3 of data/chest\.csv list the same image 'p00/000\.png'",
    ),
    "path that leaves the root": (
        change_csv("p00/001.png", "../../secret.png"),
        r"row 3 of data/chest\.csv leaves the image root with '\.\./\.\./secret\.png'",
    ),
    "image root missing": (
        without_images,
        r"`datasets: chest: images` names the folder data/images, which does not exist",
    ),
    "all images missing": (
        lambda project: [path.unlink() for path in (project / "data/images").rglob("*.png")],
        r"all 48 images of .*chest.* are rejected.*p00/000\.png \(missing\)",
    ),
}


@pytest.mark.parametrize("case", CATALOG)
def test_a_wrong_dataset_is_refused_by_the_catalog(fresh, case):
    change, message = CATALOG[case]
    change(fresh)
    output = fresh.snakemake("results/datasets/chest/catalog.parquet", fails=True)
    assert re.search(message, output), output
    assert "Traceback" not in output
    assert not (fresh / "results/datasets/chest/catalog.parquet").exists()


def test_an_empty_split_is_named_with_those_there_are(project):
    project.configure(experiments={"findings": EXPERIMENT | {"query_splits": ["holdout"]}})
    output = project.snakemake(fails=True)
    assert "has no image with exactly one label in its split 'holdout'" in output
    assert "have the splits test, train, val" in output


def test_splits_that_share_a_patient_are_refused_or_told_apart(project):
    """With a patient on both sides the run stops; where that is allowed, a second set of figures
    leaves them out."""
    project.edit(
        "data/chest.csv", "p02/012.png,val,XR/chest/disc,p02", "p02/012.png,val,XR/chest/disc,p00"
    )
    assert re.search(r"(share|shares).*p00", project.snakemake(fails=True))
    project.configure(experiments={"findings": EXPERIMENT | {"shared_patients": "allow"}})
    project.run()
    catalog = pd.read_parquet(project / "results/experiments/findings/catalog.parquet").set_index(
        "path"
    )
    per_query = pd.read_parquet(
        project / "results/experiments/findings/thumbnail/metrics/per_query.parquet"
    )
    mine = per_query[per_query["query"] == catalog.loc["p02/012.png", "id"]].set_index("neighbors")
    discs = [row for row in rows(48) if row["split"] == "train" and row["label"] == "XR/chest/disc"]
    elsewhere = [row for row in discs if row["patient_id"] != "p00"]
    assert mine["relevant_in_index"].to_dict() == {
        "all": len(discs),
        "other_patients": len(elsewhere),
    }
    assert len(elsewhere) < len(discs)


def test_bad_images_go_to_the_ledger_and_the_rest_is_embedded(project):
    (project / "data/images/p00/000.png").write_bytes(
        (project / "data/images/p00/000.png").read_bytes()[:300]
    )
    (project / "data/images/p01/006.png").write_text("<html>not found</html>")
    (project / "data/images/p02/012.png").unlink()
    project.configure(datasets={"chest": CONFIG["datasets"]["chest"] | {"max_rejected": 0.5}})
    project.run("--forcerun", "catalog")
    with open(project / "results/datasets/chest/ledger.csv", newline="") as handle:
        ledger = {
            (row["path"], row["stage"], row["reason"].split(":")[0])
            for row in csv.DictReader(handle)
        }
    assert ledger == {
        ("p00/000.png", "embed", "truncated"),
        ("p01/006.png", "embed", "not an image"),
        ("p02/012.png", "catalog", "missing"),
    }
    with open(project / "results/datasets/chest/coverage.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            assert (row["listed"], row["embedded"]) == ("48", "45")
    page = (project / "results/datasets/chest/ledger.html").read_text()
    assert "p01/006.png" in page
    assert "thumbnail 16x16" in page and ">thumbnail<" not in page, "names, not slugs"


def test_too_many_bad_images_stop_the_run_at_the_audit(fresh):
    """Once, before any image is embedded, whatever `stop_on` says; raising `max_rejected` goes on."""
    for path in sorted((fresh / "data/images").rglob("*.png"))[:20]:
        path.write_text("no image")
    fresh.configure(audit={"stop_on": []})
    output = fresh.snakemake("--keep-going", fails=True)
    sentence = (
        r"20 of 48 images of the dataset 'chest' cannot be read, more than its "
        r"`max_rejected: 0.1` allows \(p00/000.png \(not an image\);.*: "
        r"repair the files, or raise `max_rejected:` of the dataset; the findings are in "
    )
    assert re.search(sentence, output), output[-3000:]
    assert not list((fresh / "results").glob("embeddings/*/chest/*.h5"))
    chest = CONFIG["datasets"]["chest"] | {"max_rejected": 0.5}
    fresh.configure(audit={"stop_on": []}, datasets={"chest": chest})
    done = fresh.run("embeddings")
    assert done["inspect_images"] == 0 and done["audit"] == 1 and done["embed"] == 6


def test_k_larger_than_the_index_is_clamped(project):
    project.configure(experiments={"findings": EXPERIMENT | {"k": 500}})
    jobs = project.run()
    assert not {"embed", "index"} & set(jobs)
    size = len([row for row in rows(48) if row["split"] == "train"])
    neighbors = pd.read_parquet(project / "results/experiments/findings/thumbnail/knn/test.parquet")
    assert neighbors.groupby("query")["rank"].max().unique().tolist() == [size]
    assert (neighbors["neighbor"] >= 0).all() and not neighbors.duplicated(
        ["query", "neighbor"]
    ).any()
    curve = pd.read_csv(project / "results/experiments/findings/comparison/precision.csv")
    plain = curve[
        (curve["definition"] == "plain") & (curve["neighbors"] == "all") & curve["value"].notna()
    ]
    assert plain["k"].max() == size, "plain P@k ends where the index does"


def test_a_model_that_fails_leaves_a_report_of_the_rest(fresh):
    """The message says the exact commands; the page names what is missing; without the model, the
    others are compared and nothing is embedded again."""
    fresh.edit(
        "workflow/scripts/embedding/embed.py",
        "    max_rejected =",
        "    assert snakemake.wildcards.model != 'histogram'\n    max_rejected =",
    )
    (fresh / "my.yaml").write_text((fresh / "config/config.yaml").read_text())
    output = fresh.snakemake("--configfile", "my.yaml", fails=True)
    commands = re.findall(r"^    snakemake (.*)$", output, flags=re.MULTILINE)
    assert commands == [
        "--cores 1 missing --configfile my.yaml",
        "--report results/report.html available --configfile my.yaml",
    ]
    for each in commands:
        fresh.snakemake(*each.split()[2 if each.startswith("--cores") else 0 :])
    page = (fresh / "results/missing.html").read_text()
    assert "embeddings of &#39;chest&#39; by" in page
    assert "results/embeddings/histogram/chest.h5" in page
    assert "results/experiments/findings/comparison/models.html" in page
    assert "results/embeddings/thumbnail/chest.h5" not in page
    report = (fresh / "results/report.html").read_text()
    assert "what is missing" in report and "audit of the data" in report
    fresh.configure(models=["thumbnail"])
    done = fresh.run()
    assert done["embed"] == 0 and done["comparison_summary"] == 1


def test_a_query_that_nothing_can_answer_is_said_at_the_audit_and_breaks_no_analysis(fresh):
    """Four images, a in the index and b in the queries; all analyses, and the report."""
    listed = rows(4)
    for row, split, label in zip(listed, ["train"] * 2 + ["test"] * 2, "aabb", strict=True):
        row |= {"split": split, "label": f"CT/chest/{label}", "patient_id": row["filepath"]}
    fresh.write_csv(listed)
    experiment = EXPERIMENT | {"query_splits": ["test"], "k": 3}
    config = {k: v for k, v in CONFIG.items() if k != "analyses"}
    config |= {"experiments": {"findings": experiment}, "models": ["thumbnail"]}
    config |= {"index_size": {"seeds": 1}, "bootstrap": {"resamples": 100, "seed": 0}}
    (fresh / "config/config.yaml").write_text(yaml.safe_dump(config))
    output = fresh.snakemake()
    assert "no query of the split 'test' can be answered: no index image (split 'train')" in output
    figure = fresh / "results/experiments/findings/dimensions/dimensions.svg"
    assert figure.is_file()
    fresh.snakemake("--report", "report.html")
    assert (fresh / "report.html").stat().st_size > 100_000


def test_no_text_of_a_user_runs_as_a_script_in_the_report(project):
    """A card's name, homepage, licence and training data, and the configuration itself."""
    attack = "</script><script>alert(1)</script>"
    card = yaml.safe_load((project / "config/models/histogram.yaml").read_text())
    card |= {"name": f"x{attack}", "licence": attack, "homepage": f"https://x{attack}"}
    card |= {"training_data": [attack]}
    (project / "config/models/histogram.yaml").write_text(yaml.safe_dump(card))
    project.edit("config/config.yaml", "shard_size:", f"# {attack}\nshard_size:")
    project.snakemake()
    project.snakemake("--report", "report.html")
    report = (project / "report.html").read_text()
    assert attack not in report
    assert "\\u003c/script>\\u003cscript>alert(1)" in report


def test_a_python_in_a_path_with_a_blank_is_refused_in_one_sentence(fresh):
    """Snakemake does not quote the path of Python: every job would fail with exit 127."""
    (fresh / "my drive").mkdir()
    (fresh / "my drive/venv").symlink_to(sys.prefix)
    python = fresh / "my drive/venv/bin/python"
    command = [str(python), "-m", "snakemake", "--cores", "1"]
    done = subprocess.run(command, cwd=fresh.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the path of Python, {python}, contains a blank" in done.stdout + done.stderr
    assert not (fresh / "results").exists()


def test_another_configuration_with_another_meaning_of_a_name_is_refused(project):
    """The same file may change k; a second file may not, unless it names the experiment otherwise."""
    changed = CONFIG | {"experiments": {"findings": EXPERIMENT | {"k": 3}}}
    (project / "my.yaml").write_text(yaml.safe_dump(changed))
    output = project.snakemake("--dry-run", "--configfile", "my.yaml", fails=True)
    assert (
        "my.yaml: `experiments: findings` differs in `k` from that of config/config.yaml" in output
    )
    changed["experiments"] = {"other": changed["experiments"]["findings"]}
    (project / "my.yaml").write_text(yaml.safe_dump(changed))
    project.snakemake("--dry-run", "--configfile", "my.yaml")
    project.configure(experiments={"findings": EXPERIMENT | {"k": 3}})
    project.snakemake("--dry-run")
