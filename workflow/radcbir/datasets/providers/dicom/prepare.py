"""A folder tree of DICOM files, of any names and depth, becomes a dataset by its headers alone."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.datasets.preparation import Preparation, ages, label_matrix, sexes, views
from radcbir.datasets.providers.dicom import rules
from radcbir.datasets.providers.dicom.findings import findings_in, is_annotation, of_image
from radcbir.datasets.providers.dicom.header_cache import headers_below
from radcbir.datasets.providers.dicom.headers import KEPT, MADE
from radcbir.datasets.providers.dicom.labels import of_csv, of_headers
from radcbir.datasets.providers.dicom.regions import Regions
from radcbir.datasets.providers.dicom.series import with_places
from radcbir.datasets.providers.dicom.template import DEFAULT, FINDING, Template
from radcbir.datasets.providers.folder.listing import files_below
from radcbir.datasets.splits import fill_splits
from radcbir.images.address import split_address

MODALITIES = {"CR": "XR", "DX": "XR", "DR": "XR", "RG": "XR"}
"""Radiography is one modality; all others stay as DICOM calls them (PS3.3, C.7.3.1.1.1)."""

MOST_KINDS = 5
"""Kinds of files that a count names."""


def prepare(files: Mapping[str, Path], options: Mapping, images: Path) -> Preparation:
    """The DICOM images below ``images``, with the options of `prepare:`.

    A row per image, or per frame of a file of several, from headers alone. Labels are those of the
    template `label`, or of the CSV ``files["table"]``. Splits that are not given are drawn by
    patient (:func:`radcbir.datasets.splits.drawn_splits`).

    Raises :class:`InputError` where there is no DICOM image, or none gets a label.
    """
    if not images.is_dir():
        raise InputError(
            f"the image root {images} is not a folder: correct `images:` in the configuration"
        )
    template = None if "table" in files else Template(options.get("label", DEFAULT))
    wanted = [*dict.fromkeys([*KEPT, *(template.keywords if template else ())])]
    headers, out, annotations = _headers(images, wanted, options)
    if headers.empty:
        found = f": {_shown(out)}" if out else ""
        keys = (
            "`query:` or"
            if options.get("from") == "dicomweb"
            else "`images:`, put images there, or"
        )
        raise InputError(
            f"there is no DICOM image below {images}{found}; correct {keys} `leave_out:`"
        )
    described = with_places(_described(headers, options["regions"]), options)
    broken: list[str] = []
    if template and template.finds:
        said, broken = findings_in(images, annotations)
        described[FINDING] = [
            of_image(said, uid, frame)
            for uid, frame in zip(described["SOPInstanceUID"], described["frame"], strict=True)
        ]
        named = {uid for uid, _ in said} - set(described["SOPInstanceUID"])
        if named:
            logger.warning("%d images that have findings are not here, or left out", len(named))
    if template:
        labels, blank = of_headers(described, template)
        step = f"a label by the template{blank}"
    else:
        labels, step = of_csv(described, files["table"], options)
    names = {name: name for name in sorted({name for each in labels for name in each})}
    if not names:
        raise InputError(
            f"no image below {images} gets a label: {step}; docs/data.md, 'A folder of DICOM "
            "files', says how to give them"
        )
    where = files.get("table", images)
    preparation = Preparation(described, label_matrix(labels, names, where, "label"))
    if broken:
        preparation.note("left out, segmentations and reports that cannot be read", len(broken), 0)
    _count(preparation, out, described)
    preparation.keep(labels.map(bool), step)
    table = preparation.images
    if table["split"].isna().any():
        kept = labels[labels.map(bool)].reset_index(drop=True)
        fill_splits(table, kept, options["shares"], options["seed"])
        preparation.count("split by patient")
        preparation.count_labels()
    return preparation


LeftOut = list[tuple[str, str, str]]
"""Per file that is left out: why, its kind, its patient."""


def _headers(
    root: Path, names: Sequence[str], options: Mapping
) -> tuple[pd.DataFrame, LeftOut, list[str]]:
    """The headers of the images below ``root``, a row per file in the order of their paths, the
    files that are left out, and those of them that may say something of images.
    """
    odd: list[str] = []
    usual: list[str] = []
    for file in files_below(root):
        (odd if _is_odd(file) else usual).append(file)
    out = [(rules.ODD_NAME, "", "") for _ in odd]
    rows, seen, annotations = [], set(), []
    for file, header in headers_below(root, usual, names, options.get("threads", 1)):
        reason, kind = header["reason"], header["kind"]
        if not reason:
            reason, kind = rules.reason(header, options["leave_out"])
        uid = header["SOPInstanceUID"]
        if not reason and uid and uid in seen:
            reason = rules.REPEATED
        if reason:
            out.append((reason, kind, header["PatientID"]))
            if is_annotation(header["SOPClassUID"]):
                annotations.append(file)
            if reason != rules.NO_DICOM:
                logger.info("left out, %s%s: %s", reason, f" ({kind})" if kind else "", file)
            continue
        seen.add(uid)
        rows.append((file, *header.values()))
    return pd.DataFrame(rows, columns=["file", *MADE, *names]), out, annotations


def _is_odd(file: str) -> bool:
    """Whether a path cannot stand in a dataset CSV as it is."""
    whole = file == file.strip() and not any(
        ord(each) < 32 or 0xD800 <= ord(each) < 0xE000 for each in file
    )
    return not whole or "\\" in file or bool(split_address(file)[1])


def _described(headers: pd.DataFrame, own_regions: Mapping[str, str]) -> pd.DataFrame:
    """The headers with what a dataset CSV has, in its columns."""
    table = headers.copy()
    blank = table[list(KEPT)].map(lambda text: text or None)
    regions = Regions(own_regions)
    texts = table[["anatomy", "ProtocolName", "SeriesDescription", "StudyDescription"]]
    table["anatomic_region"] = [
        regions.of(part, text) or None
        for part, text in zip(table["BodyPartExamined"], texts.to_numpy().tolist(), strict=True)
    ]
    table["modality"] = blank["Modality"].replace(MODALITIES)
    table["study_id"] = blank["StudyInstanceUID"]
    table["series_id"] = blank["SeriesInstanceUID"]
    table["patient_id"] = (
        blank["PatientID"]
        .fillna(table["study_id"])
        .fillna(table["series_id"])
        .fillna(table["file"])
    )
    nameless = int(blank["PatientID"].isna().sum())
    if nameless:
        logger.warning(
            "%d files name no patient: those of one study count as one patient", nameless
        )
    table["instance"] = blank["InstanceNumber"].where(
        table["InstanceNumber"].str.fullmatch(r"[+-]?\d{1,12}")
    )
    given = blank["ViewPosition"].fillna(table["view_code"].map(lambda text: text or None))
    table["view"] = views(given.astype("str").where(given.notna()))
    table["sex"] = sexes(table["PatientSex"])
    table["age"] = ages(table["age"].where(table["age"] != ""))
    table["scanner"] = [
        _scanner(maker, model)
        for maker, model in zip(table["Manufacturer"], table["ManufacturerModelName"], strict=True)
    ]
    table["source"] = blank["InstitutionName"].map(site, na_action="ignore")
    sides = blank["ImageLaterality"].fillna(blank["Laterality"])
    table["x_laterality"] = sides.str.upper().where(sides.str.upper().isin(["L", "R", "B", "U"]))
    table["x_spacing"] = table["spacing"].map(lambda text: text or None)
    return table


def site(institution: str) -> str:
    """What stands for the name of an institution: a digest of its letters and digits.

    It is the same in every dataset. It hides the name from a reader, not from somebody who tries
    names; with `pseudonymise:` a keyed digest takes its place.
    """
    letters = "".join(filter(str.isalnum, institution.casefold()))
    return f"site-{hashlib.sha256(letters.encode()).hexdigest()[:8]}"


def _scanner(maker: str, model: str) -> str | None:
    repeated = model.casefold().startswith(maker.casefold())
    return (model if repeated else f"{maker} {model}").strip() or None


def _shown(out: LeftOut) -> str:
    """How many files are left out for which reason."""
    counts = Counter(reason for reason, *_ in out)
    return ", ".join(f"{reason}: {count}" for reason, count in counts.most_common())


def _count(preparation: Preparation, out: LeftOut, described: pd.DataFrame) -> None:
    """Count the files that are left out by reason, and the images of mixed series."""
    mixed = described["mixed"]
    if mixed.any():
        series = described.loc[mixed, "SeriesInstanceUID"].nunique()
        step = (
            f"kept, in {series} series of several orientations: each orientation counts as a series"
        )
        preparation.note(step, int(mixed.sum()), described.loc[mixed, "patient_id"].nunique())
    by_reason: dict[str, list[tuple[str, str]]] = {}
    for reason, *rest in out:
        by_reason.setdefault(reason, []).append((rest[0], rest[1]))
    fewest_first = sorted(by_reason.items(), key=lambda each: (len(each[1]), each[0]))
    for reason, files in fewest_first:
        kinds: Any = Counter(kind for kind, _ in files if kind).most_common()
        named = ", ".join(f"{kind}: {count}" for kind, count in kinds[:MOST_KINDS])
        more = f", {len(kinds) - MOST_KINDS} other kinds" if len(kinds) > MOST_KINDS else ""
        patients = len({patient for _, patient in files if patient})
        step = f"left out, {reason}{f' ({named}{more})' if named else ''}"
        preparation.note(step, len(files), patients)
