"""What an audit checks, what to do about each finding, and which findings stop a run."""

from collections.abc import Mapping, Sequence

from radcbir.core.errors import InputError

CHECKS = {
    "shared_patients": "split by patient, or set `shared_patients: allow` and read the figures without same-patient neighbors",
    "shared_studies": "split by study, or better by patient",
    "exact_duplicates": "remove the copies, at least those in two splits",
    "near_duplicates": "look at the pairs, and remove those that show the same image",
    "conflicting_labels": "decide which label is right",
    "labels_alike": "write them in the same way in the dataset CSVs",
    "unanswerable_classes": "add index images of these classes, or exclude their queries",
    "unasked_classes": "nothing has to be done: these images are only searched like the others",
    "missing_patients": "fill in `patient_id`: without it, leaks between splits cannot be found",
    "placeholder_patients": "leave `patient_id` blank where the patient is not known: every name counts as one patient",
    "burned_in_annotation": "check the images before you share any, and clean them",
    "unreadable": "repair the files, or lower `max_rejected`",
    "odd_range": "look at the images; for blank ones choose another `intensity:` policy, or exclude them",
    "odd_size": "look at the images: thumbnails, strips and empty scans are similar to each other",
    "pixel_types": "nothing has to be done where the intensity policy suits each of them",
}
"""What is checked -> what to do about it; the schema of the configuration lists the same names
under `stop_on`."""


def stopping(findings: Sequence[Mapping], stop_on: Sequence[str]) -> list[Mapping]:
    """The findings that stop the run: those of the checks in ``stop_on`` that are more than a
    notice.
    """
    return [each for each in findings if each["check"] in stop_on and each["severity"] != "notice"]


def refuse(findings: Sequence[Mapping], stop_on: Sequence[str], page: str) -> None:
    """Raise :class:`InputError` with the first finding that stops the run, and how many more do."""
    found = stopping(findings, stop_on)
    if found:
        first = found[0]
        examples = f" ({first['examples']})" if first["examples"] else ""
        others = (
            f"the findings ({len(found) - 1} more of them stop the run)"
            if len(found) > 1
            else "the findings"
        )
        raise InputError(
            f"{first['what']}{examples}: {CHECKS[first['check']]}; to continue anyway, remove "
            f"'{first['check']}' from "
            f"`audit: stop_on:`; {others} are in {page}"
        )
