"""Every command of README.md and docs/*.md is run as it is written, or is listed here with the
reason why not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, Project

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

WITHOUT_A_RUN = {
    "make demo": "takes many minutes; `make demo` is what the continuous integration runs",
    "make demo-volumes": "fetches 330 MB; tests/workflow/test_run_volumes.py runs such models",
    "make test": "runs this test",
    "make setup": "downloads the environment that this test runs in",
    "make benchmarks": "takes hours",
    "make gpu-check": "tests/unit/retrieval/test_gpu_check.py runs its script",
    "make docs": "tests/unit/repository/test_documentation.py builds the site",
    "python workflow/app.py my.yaml": "serves until Ctrl-C; tests/workflow/test_run_app.py starts it",
    "snakemake --cores all app": "serves until Ctrl-C; tests/workflow/test_run_app.py starts it",
    "snakemake --cores 1 app": "serves until Ctrl-C; tests/workflow/test_run_app.py starts it",
    "snakemake --cores all app --configfile my.yaml": "serves until Ctrl-C",
    "snakemake --cores all --configfile config/paper-biomedclip.yaml": (
        "needs network; tests/workflow/test_published.py runs it with archives made here"
    ),
    "snakemake --cores all --configfile config/gains.yaml": (
        "embeds the demo; tests/workflow/test_run_adapted.py runs such models on small images"
    ),
    "snakemake --cores all --forcerun fetch_dicomweb": (
        "needs a PACS; tests/workflow/test_run_dicomweb.py runs it with one"
    ),
    "python -m radcbir.export.bundle.reevaluate results/bundles/anatomy": (
        "needs a bundle; tests/workflow/test_numbers.py runs it with one"
    ),
    "snakemake --profile profiles/slurm": "needs Slurm; tests/workflow/test_slurm.py",
    "snakemake --profile workflow/profiles/slurm": "needs Slurm; tests/workflow/test_slurm.py",
    "snakemake --profile workflow/profiles/slurm -n": "needs Slurm; tests/workflow/test_slurm.py",
}
"""Commands that cannot be run here as they are -> why."""

STARTS_OF_OTHERS = {
    "python tests/benchmarks/": "takes minutes to hours",
    "sbatch ": "needs Slurm; tests/workflow/test_slurm.py",
    "CUDA_VISIBLE_DEVICES=0,2 snakemake ...": "is no whole command",
}

WITH_CONFIGURATION = {
    "snakemake --cores all query": "query: {images: [ask/], experiment: findings, name: asked}\n"
}
"""Commands that need more in config/config.yaml, as their page says."""

NAMES = {
    "anatomy": "findings",
    "mobilenetv2": "thumbnail",
    "{model}/{dataset}": "thumbnail/chest",
}
"""Names of the demo -> those of the small project."""


def commands(text: str) -> list[str]:
    """The commands of a page: lines of shell blocks, and code that begins with a program's name."""
    text = text.replace("\\\n", " ")
    lines = [
        re.split(r"\s+#\s", line)[0].strip()
        for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, flags=re.M | re.S)
        for line in block.splitlines()
    ]
    prose = re.sub(r"^```(?:\w+).*?^```", "", text, flags=re.M | re.S).replace("```", "")
    programs = r"`((?:[A-Z_]+=\S+ )?(?:snakemake|sbatch|make|python) [^`]+)`"
    lines += [" ".join(each.split()) for each in re.findall(programs, prose)]
    comments = re.findall(r"# .*?: (snakemake .*)$", text, flags=re.M)
    return [each for each in dict.fromkeys([*lines, *comments]) if each]


FOUND = {each: page.name for page in PAGES for each in commands(page.read_text())}


def reason(command: str) -> str | None:
    """Why a command is not run."""
    starts = (why for start, why in STARTS_OF_OTHERS.items() if command.startswith(start))
    return WITHOUT_A_RUN.get(command) or next(starts, None)


RUN = [command for command in FOUND if reason(command) is None]


def test_commands_are_found_where_they_are():
    text = "Run `snakemake --cores 1 x`.\n```sh\nmake demo    # all\nsnakemake -n\n```\n"
    assert commands(text) == ["make demo", "snakemake -n", "snakemake --cores 1 x"]
    assert len(RUN) >= 10


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """A finished project with a configuration `my.yaml` and images to ask with."""
    project = Project(tmp_path_factory.mktemp("documented") / "project")
    shutil.copytree(finished.folder, project.folder, copy_function=shutil.copy2, symlinks=True)
    shutil.copy(project / "config/config.yaml", project / "my.yaml")
    image = project / "data/images/p00/000.png"
    (project / "ask").mkdir()
    for name in ("my.png", "scan.dcm", "ask/one.png"):
        shutil.copy(image, project / name)
    (project / "other").mkdir()  # paths of the configuration are relative to it, as docs say
    (project / "other/data").symlink_to("../data")
    (project / "list.csv").write_text("filepath\nmy.png\n")
    return project


@pytest.mark.parametrize("command", RUN)
def test_a_documented_command_runs_as_it_is_written(place, command):
    line = command
    for old, new in NAMES.items():
        line = line.replace(old, new)
    given = (place / "config/config.yaml").read_text()
    (place / "config/config.yaml").write_text(given + WITH_CONFIGURATION.get(command, ""))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=place.folder, text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1", "NO_PROXY": "*"}, check=False,
    )  # fmt: skip
    (place / "config/config.yaml").write_text(given)
    assert done.returncode == 0, f"{FOUND[command]}: {line}\n{done.stdout[-3000:]}"
