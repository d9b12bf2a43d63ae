# The checked configuration, and what every file of rules uses. Functions of the rules' wildcards
# are in settings.smk, inputs.smk and query_inputs.smk. Each is named for what it returns.

import csv
import functools
import json
import re
import shlex
from pathlib import Path

from snakemake.logging import logger

from radcbir import analyses
from radcbir.analyses.contamination import compute as contamination
from radcbir.analyses.localization import kinds as boxes
from radcbir.analyses.robustness import kinds as perturbations
from radcbir.cards import derived
from radcbir.cards import model_card as cards
from radcbir.cards.versions import versions
from radcbir.core import layout
from radcbir.core.code_digest import CodeDigests, template_digest
from radcbir.core.files import content_digest, digest_of, hold_lock, is_file
from radcbir.core.digested import Digested
from radcbir.core.logs import expect_this_library
from radcbir.core.machine.processes import begin_run, end_with_run
from radcbir.core.text.addresses import hidden
from radcbir.core.text.retrieved import several
from radcbir.datasets import providers
from radcbir.datasets.changes import ImageFiles
from radcbir.datasets.providers import dicomweb
from radcbir.datasets.providers.folder.listing import status_digest
from radcbir.export.bundle import form as bundle_form
from radcbir.fetch.weights import is_superseded
from radcbir.images import reader, volumes
from radcbir.pixels import stored
from radcbir.project import image_models, kept_pixels, side_by_side, targets, terminal
from radcbir.project.configuration import Project
from radcbir.project.page_alone import end_jobs_instead
from radcbir.query import image_list
from radcbir.retrieval import index_settings

try:
    project = Project(
        config,
        card_folders=["config/models", WORKFLOW.parent / "config" / "models"],
        where=", ".join(map(str, workflow.configfiles)),
    )
    side_by_side.refuse_clash(project, workflow.configfiles)
except InputError as error:
    raise WorkflowError(str(error)) from None


expect_this_library()
if not workflow.subprocess_exec:
    begin_run()
else:
    end_with_run()


def look_for_jobs_only_when_one_ends():
    """With its limit of 100 starts a second, each time that Snakemake looks for jobs to run starts a
    timer that looks again a second later, which starts the next timer: the more jobs have ended, the
    more often it looks. The limit is for clusters; one that the user sets is kept.
    """
    limit = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def refuse_second_run():
    """One run at a time in a folder. The page makes nothing, so it may be served beside a run."""
    page = [job.rule.name == rules.app.rule.name for job in workflow.dag.needrun_jobs()]
    if all(page):
        return end_jobs_instead()
    if any(page):
        raise WorkflowError(
            "the page is a run of its own, which may go on beside others: leave `app` out here, and "
            "start it with `snakemake --cores 1 app`"
        )
    if not hold_lock(layout.LOCK):
        raise WorkflowError(
            f"another run is at work in {Path.cwd()}: wait for it, or run in another folder (--directory)"
        )
    side_by_side.record(project, workflow.configfiles)


def refuse_missing_downloads():
    """Without network, missing files cannot be fetched. Stop now, not after the first shards."""
    missing = targets.missing_downloads(project) if project.settings["offline"] else []
    if missing:
        raise WorkflowError(
            "`offline: true` is set, and of what would be fetched some is missing: fetch it where "
            "there is network (`snakemake --cores 1 weights archived`) and put it here by hand: "
            f"{', '.join(missing)}"
        )


def refuse_held_back_arrays():
    """Slurm's executor waits for all jobs of an array, also for those that `--jobs` delays."""
    arrays = getattr(workflow.executor_settings, "array_jobs", None)
    if arrays and workflow.resource_settings.nodes < 10_000:
        raise WorkflowError(
            f"`--jobs {workflow.resource_settings.nodes}` may hold back jobs that the arrays of "
            f"{arrays} wait for, for ever: leave out `--slurm-array-jobs`, or give `--jobs 100000 "
            "--max-jobs-per-timespan 100000/1s` with it"
        )


def say_what_pixels_take():
    """Where decoded images are kept, what they take on the disk, before any is decoded."""
    decodes = any(job.rule.name == rules.pixels.rule.name for job in workflow.dag.needrun_jobs())
    if project.settings["pixels"] == "keep" and decodes:
        logger.info(kept_pixels.in_words(project))


def sweep_pixels():
    """A run that has ended well leaves no decoded images but those that are kept. The page, which
    may be served beside a run, leaves them to that."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    is_page = any(job.rule.name == rules.app.rule.name for job in jobs)
    if workflow.is_main_process and not workflow.dryrun and not is_page:
        stored.sweep(project.settings["pixels"] == "keep")


def say_what_was_made():
    """After a run of everything: what there is now, and the file to open."""
    if layout.FRONT_PAGE in map(str, workflow.dag.derived_targetfiles):
        logger.info(terminal.closing_words(project), extra={"at_the_end": True})


def say_how_to_report_the_rest():
    """After a failure, the exact commands for a report of what there is."""
    with_configuration = "".join(f" --configfile {each}" for each in configfiles_named())
    if targets.available(project) and not workflow.dryrun:
        logger.error(
            "A report of what is there, with a page that names what is missing:\n"
            f"    snakemake --cores 1 missing{with_configuration}\n"
            f"    snakemake --report results/report.html available{with_configuration}",
            extra={"at_the_end": True},
        )


def configfiles_named():
    """The configuration files that the command line named, as it may name them again."""
    named = [Path(each).resolve() for each in workflow.overwrite_configfiles]
    here = Path.cwd()
    short = [each.relative_to(here) if each.is_relative_to(here) else each for each in named]
    return [shlex.quote(str(each)) for each in short]


def names(values):
    """A wildcard constraint that matches these names only. Without names it matches nothing."""
    return "|".join(re.escape(value) for value in values) or "(?!)"


wildcard_constraints:
    dataset=names(project.datasets),
    model=names(project.models),
    experiment=names(project.experiments),
    split=names(project.splits),
    digest=r"[0-9a-f]{16}",
    query=names([project.query["name"]] if project.query else []),


code_digests = CodeDigests(WORKFLOW / "scripts", layout.CODE_DIGESTS)


def code(script, *modules, template=None, figures=None):
    """Digest of the code that a script reaches, for `params:`: the rule reruns when it changes.

    `modules` are those that the script loads by a name known only at run time, `template` is that
    of its page, below the library's folder, `figures` the analysis whose figures have pages with
    captions.
    """
    library = WORKFLOW / "radcbir"
    pages = [library / template] if template else []
    if figures:
        captions = (library / "analyses" / figures).glob("*.rst")
        pages += [library / "report/templates/figure.html.j2", *sorted(captions)]
    digests = [template_digest(each, [library]) for each in pages]
    of_pages = [digest_of(digests)] if pages else []
    return " ".join([code_digests.of(script, modules), *of_pages])
