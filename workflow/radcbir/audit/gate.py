"""What an audit checks, what to do about each finding, and which findings stop a run."""

from collections.abc import Mapping, Sequence

import pandas as pd

from radcbir.core.errors import InputError

CHECKS = {
    "shared_patients": "split by patient, or set `shared_patients: allow` and read the figures without same-patient neighbors",
    "shared_studies": "split by study, or better by patient",
    "exact_duplicates": "remove the copies, at least those in two splits",
    "near_duplicates": "look at the pairs, and remove those that show the same image",
    "conflicting_labels": "decide which label is right",
    "labels_alike": "write them in the same way in the dataset CSVs",
    "unanswerable_classes": "add index images of these classes, or exclude their queries",
    "no_answerable_query": "correct the labels or the splits, so that a query and an index image have the same label",
    "single_class": "add images with another label, or correct the labels",
    "unasked_classes": "nothing has to be done: these images are only searched like the others",
    "missing_patients": "fill in `patient_id`: without it, leaks between splits cannot be found",
    "placeholder_patients": "leave `patient_id` blank where the patient is not known: every name counts as one patient",
    "burned_in_annotation": "check the images before you share any, and clean them",
    "unreadable": "repair the files, or raise `max_rejected:` of the dataset",
    "odd_range": "look at the images; for blank ones choose another `intensity:` policy, or exclude them",
    "odd_size": "look at the images: thumbnails, strips and empty scans are similar to each other",
    "pixel_types": "nothing has to be done where the intensity policy suits each of them",
}
"""What is checked -> what to do about it; the schema of the configuration lists the same names
under `stop_on`."""


ALWAYS = ("unreadable",)
"""Checks whose serious findings stop the run whatever `stop_on` says: `max_rejected` is their
switch."""


def stopping(findings: Sequence[Mapping], stop_on: Sequence[str]) -> list[Mapping]:
    """The findings that stop the run: those of the checks in ``stop_on`` that are more than a
    notice, and serious ones of :data:`ALWAYS`.
    """
    return [
        each
        for each in findings
        if (each["check"] in stop_on and each["severity"] != "notice")
        or (each["check"] in ALWAYS and each["severity"] == "serious")
    ]


def sentences(findings: Sequence[Mapping]) -> list[str]:
    """The warnings as sentences, each with what to do about it."""
    return [
        f"{each['what']}: {CHECKS[each['check']]}"
        for each in findings
        if each["severity"] == "warning"
    ]


def refuse(findings: Sequence[Mapping], stop_on: Sequence[str], page: str) -> None:
    """Raise :class:`InputError` with the first finding that stops the run, and how many more do."""
    found = stopping(findings, stop_on)
    if not found:
        return
    first = found[0]
    examples = f" ({first['examples']})" if first["examples"] else ""
    switch = ""
    if not (first["check"] in ALWAYS and first["severity"] == "serious"):
        switch = f"; to continue anyway, remove '{first['check']}' from `audit: stop_on:`"
    others = f" ({len(found) - 1} more of them stop the run)" if len(found) > 1 else ""
    raise InputError(
        f"{first['what']}{examples}: {CHECKS[first['check']]}{switch}; the findings{others} are "
        f"in {page}"
    )


def refuse_without_one_label(
    counts: pd.DataFrame, experiment: str, analyses: Sequence[str], others: Sequence[str]
) -> None:
    """Raise :class:`InputError` where a split has no image with exactly one label, and an experiment
    has ``analyses`` that measure only such images. Its ``others`` can stay.

    ``counts`` are those of :func:`radcbir.datasets.pool.pool`: split, taken, several_labels.
    """
    taken = counts.groupby("split")[["taken", "several_labels"]].sum()
    lacking = sorted(taken.index[taken["taken"] <= taken["several_labels"]])
    if not lacking or not analyses:
        return
    named = " and ".join(f"'{each}'" for each in lacking)
    raise InputError(
        f"experiment '{experiment}' has no image with exactly one label in "
        f"{'its split' if len(lacking) == 1 else 'its splits'} {named}, and these analyses measure "
        f"only such images: {', '.join(analyses)}. Give the experiment the others alone: `analyses: "
        f"[{', '.join(others)}]`"
    )
