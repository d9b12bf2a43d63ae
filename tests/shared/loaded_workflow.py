"""The rules of the workflow as Snakemake reads them, with the demo's configuration."""

import functools
import os
import unittest.mock
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

ROOT = Path(__file__).parents[2]


@functools.cache
def rules(search: str = "") -> dict[str, Rule]:
    """Name -> rule, of the rules that do something (those without a script only name files).

    ``search`` is the device of exact searches, where it is not the demo's."""
    return {rule.name: rule for rule in _workflow(search).rules if rule.script}


@functools.cache
def local_rules() -> set[str]:
    """The rules that stay with Snakemake's own process instead of becoming jobs of a cluster."""
    return set(_workflow()._localrules)


def script_of(rule: Rule) -> Path:
    """The script of a rule."""
    basedir = Path(str(rule.basedir.get_path_or_uri(secret_free=True)))
    return (basedir / rule.script).resolve()


def environment_of(rule: Rule) -> str:
    """The name of a rule's conda environment."""
    return Path(str(rule.conda_env)).stem if rule.conda_env else ""


@functools.cache
def _workflow(search: str = ""):
    with (
        unittest.mock.patch.dict(os.environ),  # reading it sets variables for its jobs
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        loaded = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"search": {"device": search}} if search else {}),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        return loaded._workflow
