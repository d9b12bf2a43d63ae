"""What makes a result stale and what does not: each test runs Snakemake on a finished project that
was changed."""

import csv
import os
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest
from conftest import REPOSITORY, Project, rows

EVERYTHING_AFTER_METRICS = {
    "comparison_summary",
    "model_table",
    "front_experiment",
    "front_page",
}
EVERY_RUN_OF_THE_CATALOG = {"catalog", "shards", "pool"}
EXPENSIVE = {"embed", "gather", "index", "knn"}


def results(project: Project) -> dict[str, bytes]:
    """Every result file but logs and timings, by path."""
    root = project / "results"
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    kept = [
        path
        for path in found
        if path.relative_to(root).parts[0] not in ("logs", "benchmarks", "checkpoints")
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in kept}


def test_first_run_does_each_job_once(finished):
    shards = len(list((finished / "results/datasets/chest/shards").glob("*.tsv")))
    assert shards >= 3
    jobs = finished.first_run
    assert jobs["embed"] == 2 * shards
    assert (jobs["catalog"], jobs["shards"], jobs["pool"], jobs["comparison_summary"]) == (
        1,
        1,
        1,
        1,
    )
    assert (jobs["gather"], jobs["index"], jobs["knn"], jobs["retrieval_metrics"]) == (2, 2, 4, 2)


def test_a_finished_run_has_nothing_to_do(project):
    assert "Nothing to be done" in project.snakemake()


def test_new_dates_on_the_same_content_are_no_change(project):
    for path in [project / "data/chest.csv", *(project / "workflow").rglob("*.*")]:
        os.utime(path)
    assert not project.run()


@pytest.mark.parametrize("slow", ["pool", "shards"])
def test_an_edited_label_embeds_and_searches_nothing(project, slow):
    """Whichever of the two checkpoints is done first."""
    project.edit(
        f"workflow/scripts/datasets/{slow}.py",
        "import pandas as pd",
        "import time; time.sleep(5)\nimport pandas as pd",
    )
    project.edit(
        "data/chest.csv", "p00/000.png,train,XR/chest/disc", "p00/000.png,train,CT/abdomen/ring"
    )
    jobs = project.run()
    assert not EXPENSIVE & set(jobs)
    assert EVERY_RUN_OF_THE_CATALOG | EVERYTHING_AFTER_METRICS | {
        "retrieval_metrics",
        "gallery",
    } <= set(jobs)
    by_group = (project / "results/experiments/findings/comparison/by_group.csv").read_text()
    assert "label,CT/abdomen/ring,7," in by_group


def test_an_appended_row_embeds_one_shard_per_model(project):
    new = rows(1, start=100)[0] | {
        "filepath": "p00/extra.png",
        "split": "train",
        "patient_id": "p00",
    }
    project.draw(new["filepath"], 0, 100)
    before = set((project / "results/datasets/chest/shards").glob("*.tsv"))
    project.write_csv([*rows(48), new])
    jobs = project.run()
    added = set((project / "results/datasets/chest/shards").glob("*.tsv")) - before
    assert len(added) in (1, 2)  # two where the new image happens to end a shard
    assert jobs["embed"] == 2 * len(added)
    coverage = (project / "results/datasets/chest/coverage.csv").read_text()
    assert "thumbnail,49,0,0,49" in coverage


def test_an_added_model_runs_its_own_jobs_and_the_comparisons(project):
    shutil.copy(project / "config/models/histogram.yaml", project / "config/models/another.yaml")
    project.edit("config/models/another.yaml", "name: gray-value histogram", "name: another")
    project.configure(models=["thumbnail", "histogram", "another"])
    jobs = project.run()
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))
    assert jobs["embed"] == shards
    assert (
        jobs["gather"],
        jobs["index"],
        jobs["knn"],
        jobs["retrieval_metrics"],
        jobs["comparison_summary"],
    ) == (1, 1, 2, 1, 1)
    assert not EVERY_RUN_OF_THE_CATALOG & set(jobs)


def test_a_removed_model_reruns_the_comparisons_alone(project):
    project.configure(models=["histogram"])
    jobs = project.run()
    assert set(jobs) == EVERYTHING_AFTER_METRICS | {"gallery", "ledger", "provenance"}
    assert (
        "thumbnail"
        not in (project / "results/experiments/findings/comparison/summary.csv").read_text()
    )


def test_a_card_changed_in_meaning_reruns_its_model(project):
    project.edit(
        "config/models/histogram.yaml",
        "architecture: histogram\ndimension: 64",
        "architecture: thumbnail\ndimension: 256",
    )
    jobs = project.run()
    shards = len(list((project / "results/datasets/chest/shards").glob("*.tsv")))
    assert (
        jobs["embed"],
        jobs["gather"],
        jobs["index"],
        jobs["knn"],
        jobs["retrieval_metrics"],
    ) == (
        shards,
        1,
        1,
        2,
        1,
    )


def test_batch_size_and_device_change_nothing(project):
    project.edit("config/models/histogram.yaml", "batch_size: 64", "batch_size: 3")
    project.configure(device="auto", search={"device": "auto"})
    jobs = project.run()
    assert set(jobs) <= {"provenance"}, (
        "the page that shows the configuration may be made again, nothing else"
    )


def test_a_search_by_torch_gives_the_same_files(project):
    """`search: {device: cuda}` from the configuration to the child process. In this copy, the
    child takes the CPU for a GPU."""
    products = "workflow/radcbir/retrieval/gpu/products.py"
    project.edit(products, 'if device != "torch-cpu" and not torch.cuda.is_available():', "if 0:")
    project.edit(products, 'if device == "torch-cpu" else', "if 1 else")
    path = "results/experiments/findings/thumbnail/knn/val.parquet"
    before = (project / path).read_bytes()
    project.configure(search={"device": "cuda"})
    jobs = project.run(path)
    assert jobs["knn"] == 1, "the change of the code makes the neighbors stale"
    assert not jobs["embed"] + jobs["index"]
    assert (project / path).read_bytes() == before
    log = (project / "results/logs/knn/findings/thumbnail/val.log").read_text()
    assert "candidates are found on the CPU by torch" in log
    assert "failed" not in log


def test_another_tolerance_is_the_audits_alone(project):
    """It decides whether there are too many unreadable images."""
    datasets = {"chest": {"csv": "data/chest.csv", "images": "data/images", "max_rejected": 0.5}}
    project.configure(datasets=datasets)
    assert set(project.run()) == {"audit", "audit_verdict", "provenance"}


def test_words_on_a_card_change_the_pages_alone(project):
    project.edit(
        "config/models/histogram.yaml", "licence: none (no weights)", "licence: public domain"
    )
    jobs = project.run()
    assert set(jobs) <= EVERYTHING_AFTER_METRICS | {"gallery"}
    assert (
        "public domain"
        in (project / "results/experiments/findings/comparison/models.html").read_text()
    )


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("metrics/per_query.py", "return ratio(relevance @ discounts, ideal)", "return ratio(0.5 * relevance @ discounts, ideal)", EVERYTHING_AFTER_METRICS | {"retrieval_metrics", "bounds"}),
        ("analyses/comparison/figure.py", '"P@k"', '"precision at k"', EVERYTHING_AFTER_METRICS),
        ("metrics/per_query.py", '"""1 where a hit is among the first k, 0 elsewhere."""', '"""Whether there is a hit."""', set()),
        ("encoders/loaders/control.py", '    """The control of a card;', '    """A comment more. The control of a card;', set()),
        ("core/logs.py", '"%d of %d %s, %.1f/s, %.0f s left"', '"%d/%d %s, %.1f/s, %.0f s left"', set()),
    ],
    ids=["metric", "figure", "docstring", "docstring of an encoder", "wording of the log"],
)  # fmt: skip
def test_library_code_reruns_the_rules_that_reach_it(project, path, old, new, expected):
    project.edit(f"workflow/radcbir/{path}", old, new)
    assert set(project.run()) == expected


def test_a_module_that_moves_reruns_nothing(project):
    """Every reference to it changes with it."""
    library = project / "workflow/radcbir"
    for old, new in (
        ("metrics/per_query", "metrics/of_each_query"),
        ("images/geometry", "images/square_pixels"),
        ("encoders/preprocessing", "encoders/prepared"),
        ("retrieval/neighbor_table", "core/neighbor_table"),
    ):
        (library / f"{old}.py").rename(library / f"{new}.py")
        before, after = (f"radcbir.{each.replace('/', '.')}" for each in (old, new))
        package, _, name = before.rpartition(".")
        for path in (
            each for end in ("py", "smk") for each in project.folder.glob(f"workflow/**/*.{end}")
        ):
            text = path.read_text()
            changed = re.sub(rf"{re.escape(before)}\b", after, text)
            changed = re.sub(
                rf"from {re.escape(package)} import {name}$",
                f"from {after.rpartition('.')[0]} import {after.rpartition('.')[2]} as {name}",
                changed,
                flags=re.M,
            )
            if changed != text:
                path.write_text(changed)
    assert not project.run()


def test_encoder_code_embeds_again_where_its_version_is_raised(project):
    project.edit(
        "workflow/radcbir/encoders/loaders/control.py",
        "Image.Resampling.BOX",
        "Image.Resampling.BILINEAR",
    )
    assert not project.run()
    project.edit("workflow/radcbir/cards/loaders/control.py", "version=1", "version=2")
    jobs = project.run()
    assert jobs["embed"] == 2 * len(list((project / "results/datasets/chest/shards").glob("*.tsv")))
    assert not EVERY_RUN_OF_THE_CATALOG & set(jobs)


def test_moved_images_are_not_embedded_again(project):
    (project / "data/images").rename(project / "data/moved")
    project.configure(
        datasets={"chest": {"csv": "data/chest.csv", "images": "data/moved", "max_rejected": 0.1}}
    )
    assert not EXPENSIVE & set(project.run())


def test_an_image_replaced_on_disk_is_seen(project):
    (project / "data/images/p00/000.png").write_bytes(
        (project / "data/images/p01/006.png").read_bytes()
    )
    jobs = project.run()
    assert jobs["embed"] == 2


def damaged_disk(project):
    """A workflow that fails to read an image as long as a file of the same name with `.bad` is
    there: as a disk does that comes back.
    """
    project.edit(
        "workflow/radcbir/images/reader.py",
        "    with reasons(), Source(file, limits, name) as source:\n        found",
        "    with reasons(), Source(file, limits, name) as source:\n"
        '        if os.path.exists(file + ".bad"):\n'
        "            raise OSError(errno.EIO, os.strerror(errno.EIO))\n"
        "        found",
    )


def test_an_image_replaced_by_one_of_the_same_size_is_seen(project):
    path = max((project / "data/images").rglob("*.png"), key=lambda each: each.stat().st_size)
    before, name = path.stat(), path.relative_to(project / "data/images").as_posix()
    number = [row["filepath"] for row in rows(48)].index(name)
    seed = 1000
    while not path.stat().st_size < before.st_size:
        project.draw(name, number % 4, seed := seed + 1)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the date as well
    jobs = project.run()
    assert (jobs["catalog"], jobs["inspect_images"], jobs["embed"]) == (1, 1, 2)
    assert "Nothing to be done" in project.snakemake()
    # And back: what it was is another change.
    project.draw(name, number % 4, number)
    assert project.run()["embed"] == 2
    assert "Nothing to be done" in project.snakemake()


def test_copied_images_with_new_dates_are_not_embedded_again(project):
    images = project / "data/images"
    shutil.copytree(images, project / "data/copy", copy_function=shutil.copyfile)
    shutil.rmtree(images)
    (project / "data/copy").rename(images)
    jobs = project.run()
    assert jobs["catalog"] == 1
    assert not (EXPENSIVE | {"inspect_images"}) & set(jobs)
    assert "Nothing to be done" in project.snakemake()


def test_what_may_pass_is_tried_by_the_next_run(fresh):
    damaged_disk(fresh)
    image = fresh / "data/images/p00/000.png"
    mark = image.with_name("000.png.bad")
    mark.write_text("")
    fresh.run()
    ledger = fresh / "results/datasets/chest/ledger.csv"
    assert ledger.read_text().count("p00/000.png,embed") == 2
    assert "the next run tries again" in ledger.read_text()
    assert fresh.run()["embed"] == 2  # it is tried again, in vain
    mark.unlink()
    jobs = fresh.run()
    assert (jobs["inspect_images"], jobs["embed"]) == (1, 2)
    assert "p00/000.png" not in ledger.read_text()
    assert "Nothing to be done" in fresh.snakemake()


def test_an_image_that_comes_back_is_seen(project):
    image = project / "data/images/p00/000.png"
    content = image.read_bytes()
    image.unlink()
    assert project.run()["embed"] == 2
    assert "p00/000.png,catalog" in (project / "results/datasets/chest/ledger.csv").read_text()
    image.write_bytes(content)
    assert project.run()["embed"] == 2
    assert "p00/000.png" not in (project / "results/datasets/chest/ledger.csv").read_text()
    assert "Nothing to be done" in project.snakemake()


def test_a_csv_with_an_older_date_is_seen(project):
    """A backup that is restored with its date, of the same size."""
    path = project / "data/chest.csv"
    project.edit("data/chest.csv", "XR/chest/disc", "XR/chest/disk")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    jobs = project.run()
    assert jobs["catalog"] == 1
    assert not EXPENSIVE & set(jobs)
    assert "Nothing to be done" in project.snakemake()


def test_a_csv_edited_behind_the_catalogs_back_is_seen(project):
    """It changes after the run has looked at it and before the catalog reads it."""
    project.edit(
        "workflow/scripts/datasets/catalog.py",
        "from radcbir.core.logs",
        "import os, pathlib\n"
        'table = pathlib.Path("data/chest.csv")\n'
        "dates = table.stat()\n"
        'table.write_text(table.read_text().replace("XR/chest/disc", "XR/chest/disk", 1))\n'
        "os.utime(table, ns=(dates.st_atime_ns, dates.st_mtime_ns))\n"
        "from radcbir.core.logs",
    )
    assert project.run()["catalog"] == 1
    shutil.copy(
        REPOSITORY / "workflow/scripts/datasets/catalog.py",
        project / "workflow/scripts/datasets/catalog.py",
    )
    assert project.run()["catalog"] == 1
    assert "Nothing to be done" in project.snakemake()


def test_jobs_end_when_snakemake_alone_is_killed(fresh):
    """They would go on beside the jobs of the next run."""
    fresh.edit(
        "workflow/scripts/datasets/shards.py",
        "with script_log",
        "import time\n\nwith script_log",
    )
    fresh.edit(
        "workflow/scripts/datasets/shards.py", "    catalog =", "    time.sleep(300)\n    catalog ="
    )
    run = subprocess.Popen(
        fresh.command("results/datasets/chest/shards"), cwd=fresh.folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    log = fresh / "results/logs/shards/chest.log"
    for _ in range(1200):
        if log.exists() or run.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(1)
    jobs = psutil.Process(run.pid).children(recursive=True)
    assert any("shards.py" in " ".join(each.cmdline()) for each in jobs)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert psutil.wait_procs(jobs, timeout=15)[1] == []


def test_a_killed_run_is_resumed_by_running_again(fresh, finished):
    run = subprocess.Popen(
        fresh.command(),
        cwd=fresh.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def finished_shards() -> int:
        return len(list((fresh / "results/embeddings").glob("*/*/[!.]*.h5")))

    deadline = time.monotonic() + 300
    while finished_shards() < 3 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = finished_shards()
    assert done >= 3
    jobs = fresh.run()
    assert (
        finished.first_run["embed"] - done
        <= jobs["embed"]
        <= finished.first_run["embed"] - done + 2
    )
    assert "Nothing to be done" in fresh.snakemake()
    expected, found = results(finished), results(fresh)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_two_runs_in_one_folder_are_refused(fresh):
    first = subprocess.Popen(
        fresh.command(), cwd=fresh.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    lock = fresh / ".snakemake/radcbir.lock"
    while not lock.exists() and first.poll() is None:
        time.sleep(0.05)
    assert "another run is at work" in fresh.snakemake(fails=True)
    first.wait()
    assert first.returncode == 0


def test_every_image_is_embedded_or_in_the_ledger(project):
    with open(project / "results/datasets/chest/coverage.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            rejected = int(row["rejected_by_catalog"]) + int(row["rejected_by_embed"])
            assert int(row["listed"]) == int(row["embedded"]) + rejected == 48
