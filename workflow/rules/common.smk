# The configuration, checked, and what every stage file uses. Functions of the rules' wildcards,
# each named for what it returns, stand beside this file: settings.smk, inputs.smk,
# analysis-inputs.smk.

import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir)
sys.path.insert(0, str(WORKFLOW))

from radcbir.analyses.contamination import compute as contamination
from radcbir.cards import model_card as cards
from radcbir.core.code_digest import CodeDigests
from radcbir.core.errors import InputError
from radcbir.core.files import hold_lock
from radcbir.datasets import providers
from radcbir.project import targets
from radcbir.project.configuration import WITHOUT_RESULTS, Project
from radcbir.query import image_list as query_list
from radcbir.retrieval import index_settings
from radcbir.fetch.weights import is_superseded

try:
    project = Project(
        config,
        card_folders=["config/models", WORKFLOW.parent / "config" / "models"],
        where=", ".join(map(str, workflow.configfiles)),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None


def refuse_second_run():
    if not hold_lock(".snakemake/radcbir.lock"):
        raise WorkflowError(
            f"another run is at work in {Path.cwd()}: wait for it, or run in another folder (--directory)"
        )


def refuse_missing_downloads():
    """Without network, what is not there cannot come: better now than when the first shards are done."""
    missing = targets.missing_downloads(project) if project.settings["offline"] else []
    if missing:
        raise WorkflowError(
            "`offline: true` is set, and of what would be fetched some is missing: fetch it where there is network "
            f"(`snakemake weights archived`) and put it here by hand: {', '.join(missing)}"
        )


def refuse_held_back_arrays():
    """Slurm's executor waits for all jobs of an array to be handed over; those that `--jobs` holds back never are."""
    arrays = getattr(workflow.executor_settings, "array_jobs", None)
    if arrays and workflow.resource_settings.nodes < 10_000:
        raise WorkflowError(
            f"`--jobs {workflow.resource_settings.nodes}` may hold back jobs that the arrays of {arrays} wait for, for ever: "
            "leave out `--slurm-array-jobs`, or give `--jobs 100000 --max-jobs-per-timespan 100000/1s` with it"
        )


def names(values):
    """A wildcard constraint that admits these names alone; where there are none, nothing at all."""
    return "|".join(re.escape(value) for value in values) or "(?!)"


wildcard_constraints:
    dataset=names(project.datasets),
    model=names(project.models),
    experiment=names(project.experiments),
    split=r"[A-Za-z0-9_-]+",
    digest=r"[0-9a-f]{16}",
    query=names([project.query["name"]] if project.query else []),


code_digests = CodeDigests(WORKFLOW / "scripts", ".snakemake/radcbir-code.json")


def code(script, *modules):
    """Digest of the code that a script reaches, for `params:`: the rule reruns when that code changes in meaning."""
    return code_digests.of(script, modules)


def template(name):
    """The HTML template of a page, as a relative path: moving the project is no change of its inputs."""
    return os.path.relpath(WORKFLOW / "report" / f"{name}.html.j2")
