"""Made-up DICOM files with the headers that a scanner writes, by pydicom."""

import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import UID, ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
BINARY_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
AXIAL = [1, 0, 0, 0, 1, 0]
"""Rows to the left, columns to the back: the normal points to the head."""


def digest(text: str) -> int:
    """A number for a text, the same in every run."""
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))


def write(path: Path, pixels: np.ndarray | None = None, **attributes) -> Path:
    """Write a CT slice with ``attributes`` changed or added; those that are None are missing."""
    usual = {
        "SOPClassUID": CT, "SOPInstanceUID": f"1.2.3.{digest(str(path))}",
        "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1", "PatientID": "p1",
        "PatientName": "Meier^Anna", "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "BodyPartExamined": "CHEST", "InstitutionName": "St. Anna Hospital", "Manufacturer": "ACME",
        "ManufacturerModelName": "One", "PixelSpacing": [0.5, 0.5], "SliceThickness": 2,
        "ImageOrientationPatient": AXIAL, "ImagePositionPatient": [0, 0, 0], "InstanceNumber": 1,
        "SpecificCharacterSet": "ISO_IR 192", "SamplesPerPixel": 1, "PixelRepresentation": 0,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
    }  # fmt: skip
    pixels = np.zeros((8, 8), np.uint8) if pixels is None else pixels
    usual |= {"Rows": pixels.shape[-2], "Columns": pixels.shape[-1]}
    file = FileDataset(None, {}, preamble=bytes(128))
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in (usual | attributes).items():
        if value is not None:
            setattr(file, name, UID(value) if name.endswith("UID") else value)
    if attributes.get("Rows", 1) is not None:
        file.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, file, enforce_file_format=True)
    return path


def write_series(folder: Path, patient: str, heights, **attributes) -> list[Path]:
    """Write an axial series: a slice per height in mm, with names that say nothing of their order."""
    series = f"1.2.9.{digest(f'{folder} {patient}')}"
    return [
        write(
            folder / f"{(number * 7919) % 1009:04d}",
            **{
                "PatientID": patient, "StudyInstanceUID": f"{series}.1", "SeriesInstanceUID": f"{series}.2",
                "InstanceNumber": number + 1, "ImagePositionPatient": [-10, -10, height],
            } | attributes,
        )
        for number, height in enumerate(heights)
    ]  # fmt: skip


def item(**attributes) -> Dataset:
    """An item of a sequence."""
    found = Dataset()
    for name, value in attributes.items():
        setattr(found, name, value)
    return found


def code(value, scheme, meaning) -> list[Dataset]:
    """A sequence of one code."""
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def write_segmentation(path, frames, segments, **attributes):
    """A segmentation of 8 x 8 pixels: per frame its segment, whether it has a pixel, its image."""
    pixels = np.zeros((len(frames), 8, 8), np.uint8)
    groups = []
    for number, (segment, filled, image) in enumerate(frames):
        pixels[number, 3, 3] = filled
        source = item(ReferencedSOPClassUID=UID("1.2"), ReferencedSOPInstanceUID=UID(image))
        groups.append(
            item(
                SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
                DerivationImageSequence=[item(SourceImageSequence=[source])],
            )
        )
    write(path, **{
        "SOPClassUID": BINARY_SEGMENTATION, "Modality": "SEG", "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0,
        "NumberOfFrames": len(frames), "Rows": 8, "Columns": 8, "SegmentSequence": segments,
        "PerFrameFunctionalGroupsSequence": groups,
    } | attributes)  # fmt: skip
    file = pydicom.dcmread(path)
    file.PixelData = pack_bits(pixels)
    file.save_as(path)
