"""What DICOM segmentations and structured reports say of the images of the same tree.

A segmentation (PS3.3, C.8.20) names the images behind each of its frames: an image has the finding
of a segment where the segment has a pixel in that frame. A structured report names its findings and
images in a tree (PS3.16, TID 1500): a finding is about the images below it, else about those of
its group, else about all images of the report.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import iter_pixels

from radcbir.core.logs import logger
from radcbir.images.dicom.header import group
from radcbir.images.limits import LIMITS, check_claim, check_size

BINARY = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
REPORT = "1.2.840.10008.5.1.4.1.1.88."
"""Storage classes of segmentations, and how those of reports begin (PS3.4, B.5)."""

FINDINGS = {("121071", "DCM"), ("29308-4", "LN"), ("121073", "DCM")}
"""Concepts whose value is a finding: Finding, Diagnosis, Impression (PS3.16, D)."""

ABSENT = "2667000"
"""SNOMED CT's code of what is looked for and not there."""

EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")

DEEPEST = 64
"""Levels of a report's tree."""

Image = tuple[str, int | None]
"""The SOPInstanceUID of an image, and the frame (from 0) where only that is meant."""


def is_annotation(storage_class: str) -> bool:
    """Whether files of a storage class may say something of images."""
    return storage_class in (BINARY, LABEL_MAP) or storage_class.startswith(REPORT)


def findings_in(root: Path, files: Sequence[str]) -> tuple[dict[Image, list[str]], list[str]]:
    """The findings of each image, sorted, that segmentations and reports below ``root`` name, and
    the files that cannot be read.
    """
    found: dict[Image, set[str]] = defaultdict(set)
    broken = []
    for file in files:
        try:
            for image, finding in list(_said(root / file)):
                found[image].add(" ".join(finding.split()))
        except Exception as error:  # pydicom raises whatever it does on damaged files
            broken.append(file)
            logger.warning("%s cannot be read as segmentation or report: %s", file, error)
    return {image: sorted(names) for image, names in found.items()}, broken


def of_image(findings: Mapping[Image, Sequence[str]], uid: str, frame: int) -> tuple[str, ...]:
    """The findings of a frame: its own, and those of the whole file."""
    return tuple(sorted({*findings.get((uid, frame), ()), *findings.get((uid, None), ())}))


def _said(path: Path) -> Iterator[tuple[Image, str]]:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    if header.SOPClassUID.startswith(REPORT):
        yield from _of_report(header)
    else:
        yield from _of_segmentation(path, header)


def _of_segmentation(path: Path, header: pydicom.Dataset) -> Iterator[tuple[Image, str]]:
    rows, columns, size = header.Rows, header.Columns, path.stat().st_size
    check_size(rows, columns, LIMITS, bytes_per_pixel=2)
    check_claim(rows, columns, 8 * size)  # a pixel takes a bit
    names = {int(each.SegmentNumber): _segment(each) for each in header.SegmentSequence}
    for frame, pixels in enumerate(iter_pixels(path, raw=True)):
        if header.SOPClassUID == LABEL_MAP:
            numbers = [int(each) for each in np.unique(pixels)]
        else:
            identified = group(header, frame, "SegmentIdentificationSequence")
            numbers = [int(identified.ReferencedSegmentNumber)] if pixels.any() else []
        for image in _sources(header, frame):
            for number in numbers:
                if number in names:
                    yield image, names[number]


def _segment(segment: pydicom.Dataset) -> str:
    """The type of a segment, with its modifier, or else its label."""
    code = (segment.get("SegmentedPropertyTypeCodeSequence") or [pydicom.Dataset()])[0]
    return _meaning(code) or str(segment.SegmentLabel)


def _sources(header: pydicom.Dataset, frame: int) -> Iterator[Image]:
    """The images that a frame of a segmentation was made from."""
    derived = group(header, frame, "DerivationImageSequence")
    for source in derived.get("SourceImageSequence") or []:
        yield from _referenced(source)


def _of_report(header: pydicom.Dataset) -> Iterator[tuple[Image, str]]:
    evidence = [
        image
        for name in EVIDENCE
        for study in header.get(name) or []
        for series in study.get("ReferencedSeriesSequence") or []
        for reference in series.get("ReferencedSOPSequence") or []
        for image in _referenced(reference)
    ]
    yield from _below(header, evidence, 0)


def _below(
    item: pydicom.Dataset, images: Collection[Image], depth: int
) -> Iterator[tuple[Image, str]]:
    """The findings below an item of a report, each with its images; ``images`` are those of the
    item's surroundings.
    """
    if depth > DEEPEST:
        raise ValueError(f"its tree is deeper than {DEEPEST} levels")
    images = _images(item, depth) or images
    for child in item.get("ContentSequence") or []:
        if _name(child) in FINDINGS and child.get("ConceptCodeSequence"):
            if not _is_absent(child):
                finding = _meaning(child.ConceptCodeSequence[0])
                for image in _images(child, depth) or images:
                    if finding:
                        yield image, finding
        else:
            yield from _below(child, images, depth + 1)


def _images(item: pydicom.Dataset, depth: int) -> list[Image]:
    """All images that are named below an item."""
    if depth > DEEPEST:
        raise ValueError(f"its tree is deeper than {DEEPEST} levels")
    found = []
    for child in item.get("ContentSequence") or []:
        for reference in child.get("ReferencedSOPSequence") or []:
            found += list(_referenced(reference))
        found += _images(child, depth + 1)
    return found


def _is_absent(finding: pydicom.Dataset) -> bool:
    return any(
        str(code.get("CodeValue", "")) == ABSENT
        for child in finding.get("ContentSequence") or []
        for code in child.get("ConceptCodeSequence") or []
    )


def _name(item: pydicom.Dataset) -> tuple[str, str]:
    """Code and scheme of the concept that an item is named by."""
    code: Any = (item.get("ConceptNameCodeSequence") or [pydicom.Dataset()])[0]
    return str(code.get("CodeValue", "")), str(code.get("CodingSchemeDesignator", ""))


def _meaning(code: pydicom.Dataset) -> str:
    return str(code.get("CodeMeaning", "") or "")


def _referenced(reference: pydicom.Dataset) -> Iterator[Image]:
    """The image that an item of a sequence refers to, or its frames."""
    uid = str(reference.get("ReferencedSOPInstanceUID", ""))
    frames = reference.get("ReferencedFrameNumber")
    if frames in (None, ""):
        yield uid, None
        return
    several = isinstance(frames, Sequence) and not isinstance(frames, str)
    for frame in frames if several else [frames]:
        yield uid, int(frame) - 1
