"""The workflow as a Snakemake module of a project elsewhere, from a folder and from a git tag."""

import shutil
import subprocess

import pandas as pd
import pytest
import yaml
from conftest import CONFIG, REPOSITORY, Project, rows

SNAKEFILE = """
configfile: "findings.yaml"

module radcbir:
    snakefile: {source}
    config: config

use rule * from radcbir

# A rule of the project's own, from what the module makes.
rule own:
    input:
        "results/experiments/findings/comparison/summary.csv",
    output:
        "own.txt",
    shell:
        "wc -l {{input}} > {{output}}"
"""
CARD = """
name: our thumbnail
loader: control
architecture: thumbnail
dimension: 256
licence: none (no weights)
"""


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """A git repository with the workflow as it is here, and the tag v1."""
    folder = tmp_path_factory.mktemp("repository") / "radcbir"
    folder.mkdir()
    for name in ("workflow", "config", "envs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.fixture(params=["folder", "git tag"])
def importing(request, tagged, tmp_path):
    """A project with a Snakefile, a configuration, a card and data of its own, and no workflow."""
    project = Project(tmp_path / "project")
    project.write_csv(rows(24))
    for number, row in enumerate(rows(24)):
        project.draw(row["filepath"], number % 4, number)
    (project / "config/models").mkdir(parents=True)
    (project / "config/models/ours.yaml").write_text(CARD)
    settings = CONFIG | {"models": ["ours", "histogram"], "analyses": ["levels"]}
    (project / "findings.yaml").write_text(yaml.safe_dump(settings))
    source = repr(str(REPOSITORY / "workflow/Snakefile"))
    if request.param == "git tag":
        source = f'gitfile("{tagged}", path="workflow/Snakefile", tag="v1")'
    (project / "Snakefile").write_text(SNAKEFILE.format(source=source))
    shutil.copytree(REPOSITORY / "workflow/profiles/default", project / "profiles/default")
    return project


def test_a_project_elsewhere_uses_the_workflow_as_a_module(importing):
    importing.run("own", "all")
    summary = pd.read_csv(importing / "results/experiments/findings/comparison/summary.csv")
    assert set(summary["model"]) == {"ours", "histogram"}
    assert (importing / "own.txt").read_text().split()[0] == str(len(summary) + 1)
    assert (
        "our thumbnail"
        in (importing / "results/experiments/findings/comparison/models.html").read_text()
    )
    assert (importing / "results/experiments/findings/levels/levels.svg").is_file()
    assert "Nothing to be done" in importing.snakemake("own", "all")
    importing.snakemake("--report", "report.html", "all")
    assert "our thumbnail" in (importing / "report.html").read_text()
