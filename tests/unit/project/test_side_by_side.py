"""Two configuration files in one folder: one name has one meaning."""

import shutil
from pathlib import Path

import pytest

from radcbir.core.errors import InputError
from radcbir.project.configuration import Project
from radcbir.project.side_by_side import record, refuse_clash

CARDS = Path(__file__).parents[3] / "config" / "models"


def project(k=5, query="test", images="images", models=("thumbnail",), **dataset):
    one = {"datasets": ["a"], "index_split": "train", "query_splits": [query], "k": k}
    datasets = {"a": {"csv": "a.csv", "images": images, **dataset}}
    return Project({"datasets": datasets, "models": list(models), "experiments": {"one": one}}, [CARDS])  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two configuration files, the first of which has run."""
    monkeypatch.chdir(tmp_path)
    for name in ("images", "others", "results/experiments/one", "results/datasets/a"):
        Path(name).mkdir(parents=True)
    for name in ("a.csv", "my.yaml", "your.yaml"):
        Path(name).touch()
    record(project(), ["my.yaml"])
    return tmp_path


def test_one_file_may_change_as_it_likes(folder):
    refuse_clash(project(k=9, query="val", images="others"), [folder / "my.yaml"])


def test_another_file_may_have_the_same_meaning(folder):
    refuse_clash(project(models=["thumbnail", "histogram"], max_rejected=0.5), ["your.yaml"])


def test_another_file_with_another_meaning_is_refused_with_all_differences(folder):
    with pytest.raises(InputError) as error:
        refuse_clash(project(k=9, query="val", images="others"), ["your.yaml"])
    dataset, experiment = error.value.sentences
    assert dataset.startswith("your.yaml: `datasets: a` differs in `images` from that of my.yaml, ")
    assert "`experiments: one` differs in `k`, `paper_mode`" not in experiment
    assert "`experiments: one` differs in `k`, `query_splits` from that of my.yaml" in experiment
    assert experiment.endswith(
        "whose results are in results/experiments/one: rename one of them, remove "
        "results/experiments/one, or keep the results apart with `--directory another/folder`"
    )


def test_no_clash_where_the_results_or_the_other_file_are_gone(folder):
    shutil.rmtree("results/experiments/one")
    refuse_clash(project(k=9), ["your.yaml"])
    Path("results/experiments/one").mkdir()
    with pytest.raises(InputError):
        refuse_clash(project(k=9), ["your.yaml"])
    Path("my.yaml").rename("renamed.yaml")
    refuse_clash(project(k=9), ["your.yaml"])


def test_the_last_run_gives_a_name_its_meaning(folder):
    shutil.rmtree("results/experiments/one")
    record(project(k=9), ["your.yaml"])
    Path("results/experiments/one").mkdir()
    refuse_clash(project(k=9), ["your.yaml"])
    with pytest.raises(
        InputError, match=r"my.yaml: `experiments: one` differs in `k` from that of your"
    ):
        refuse_clash(project(), ["my.yaml"])
