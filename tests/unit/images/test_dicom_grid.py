"""DICOM files from a grid of attributes, each with pixels worked out from the standard here.

Files are written byte by byte (`image_files`). What is expected follows PS3.3 (C.7.6.3, C.11.1,
C.11.2) and PS3.5 (8.1.1, Annex A and G) for one pixel at a time; nothing here is the reader's.
"""

import itertools

import numpy as np
from image_files import BIG, DEFLATED, EXPLICIT, IMPLICIT, RLE, dicom_file, rle_frame

from radcbir.images import raster, reader

ROWS, COLUMNS = 6, 8
CELLS = [(8, 8), (8, 6), (16, 16), (16, 12), (16, 10), (32, 32), (32, 20)]
SYNTAXES = [EXPLICIT, IMPLICIT, BIG, DEFLATED, RLE]
MODALITIES = ["none", "identity", "slope", "unit", "table"]
SHOWN = ["none", "linear", "exact", "sigmoid", "words", "packed", "one per word", "narrow", "given"]
PADDINGS = ["none", "right sign", "other sign", "range"]


def cases():
    """Every pair of values of two dimensions comes up; the rest is drawn."""
    random = np.random.default_rng(7)
    whole = list(
        itertools.product(
            CELLS, (False, True), SYNTAXES, MODALITIES, SHOWN, PADDINGS, ("MONOCHROME1", "MONOCHROME2")
        )
    )  # fmt: skip
    random.shuffle(whole)
    missing = {pair for case in whole for pair in itertools.combinations(enumerate(case), 2)}
    found = []
    for case in whole:
        pairs = set(itertools.combinations(enumerate(case), 2))
        if pairs & missing or len(found) < 500:
            found.append(case)
            missing -= pairs
    return found


def stored_of(cell, stored, signed):
    """PS3.5, 8.1.1: the lowest bits, the highest of them being the sign."""
    value = int(cell) % 2**stored
    return value - 2**stored if signed and value >= 2 ** (stored - 1) else value


def linear(x, center, width):
    """PS3.3, C.11.2.1.2.1, from 0 to 255."""
    if x <= center - 0.5 - (width - 1) / 2:
        return 0
    if x > center - 0.5 + (width - 1) / 2:
        return 255
    return ((x - (center - 0.5)) / (width - 1) + 0.5) * 255


def exact(x, center, width):
    """PS3.3, C.11.2.1.3.2."""
    if x <= center - width / 2:
        return 0
    return 255 if x > center + width / 2 else ((x - center) / width + 0.5) * 255


def sigmoid(x, center, width):
    """PS3.3, C.11.2.1.3.1."""
    return 255 / (1 + np.exp(-4 * (x - center) / width))


def made(case, random):
    """The elements of a file, its cells, the intensity policy, and the pixels that are right."""
    (allocated, stored), signed, syntax, modality, shown, padding, photometric = case
    cells = random.integers(
        0, 2**allocated, (ROWS, COLUMNS), dtype=np.uint64
    )  # unused bits are noise
    lowest = -(2 ** (stored - 1)) if signed else 0
    anchor = max(lowest, -(2**15)) + 3  # where tables begin: most pixels are near it
    unused = cells >> np.uint64(stored) << np.uint64(stored)
    near = np.uint64(2**stored) + random.integers(anchor - 3, anchor + 60, cells.shape).astype(
        np.uint64
    )
    near = unused + near % np.uint64(2**stored)
    cells = np.where(random.random(cells.shape) < 0.7, near, cells)
    elements = {
        "SamplesPerPixel": 1, "PhotometricInterpretation": photometric, "Rows": ROWS, "Columns": COLUMNS,
        "BitsAllocated": allocated, "BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": int(signed),
    }  # fmt: skip
    vrs, implicit = {}, syntax == IMPLICIT
    pads = np.zeros((ROWS, COLUMNS), dtype=bool)
    if padding != "none" and allocated <= 16:
        # Padding is a cell as a whole: bits that are not stored count.
        pattern = 2 ** (allocated - 1) + 3
        cells[cells == pattern] += 1
        cells[0, :5] = pattern
        number = pattern - 2**allocated if signed else pattern
        other = pattern if signed else pattern - 2**16 if allocated == 16 else pattern
        value = {"right sign": number, "other sign": other, "range": number}[padding]
        elements["PixelPaddingValue"] = value
        vrs["PixelPaddingValue"] = vrs["PixelPaddingRangeLimit"] = "SS" if value < 0 else "US"
        pads = cells == pattern
        if padding == "range":
            elements["PixelPaddingRangeLimit"] = number + 2
            pads = (cells >= pattern) & (cells <= pattern + 2)
    values = [[stored_of(cell, stored, signed) for cell in row] for row in cells]
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    units = signed or stored > 8
    slope, intercept = 1.0, 0.0
    if modality == "identity":
        elements |= {"RescaleSlope": 1, "RescaleIntercept": 0}
    elif modality == "slope":
        slope, intercept, units = 0.5, -100.0, True
        elements |= {"RescaleSlope": 0.5, "RescaleIntercept": -100}
    elif modality == "unit":
        elements |= {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}
        units = True
    elif modality == "table":
        table, units = random.integers(0, 90, 50), True
        table[7] = 4095
        elements["ModalityLUTSequence"] = [
            {"LUTDescriptor": descriptor(50, anchor, 12), "LUTData": table}
        ]
        values = [[int(table[min(max(each - anchor, 0), 49)]) for each in row] for row in values]
        low, high = 0, 4095
    if modality != "table":
        values = [[each * slope + intercept for each in row] for row in values]
        low, high = low * slope + intercept, high * slope + intercept
    if allocated == 32 and min(anchor, low) < 0:  # the pattern alone could be either
        vrs["LUTDescriptor"] = "SS"
    intensity = {"policy": "window", "low": 5, "high": 95}
    center, width = (
        np.float64(f"{(low + high) / 2 + 1.25:.8g}"),
        np.float64(f"{(high - low) / 3 + 1.5:.8g}"),
    )
    if shown in ("linear", "exact", "sigmoid"):
        name = {"linear": "LINEAR", "exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}[shown]
        elements |= {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": name}
        function = {"linear": linear, "exact": exact, "sigmoid": sigmoid}[shown]
        found = [[function(each, center, width) for each in row] for row in values]
    elif shown in ("words", "packed", "one per word", "narrow"):
        bits = {"words": 16, "packed": 8, "one per word": 8, "narrow": 11}[shown]
        table = random.integers(0, 2**bits, 60)
        table[5] = 2**bits - 1
        first = 2 if modality == "table" else int(anchor * slope + intercept)
        declared = 8 if bits == 8 else 16
        data = table
        if shown == "packed":  # two entries to a word, the lower byte first
            data = [table[place] + 256 * table[place + 1] for place in range(0, 60, 2)]
        elements["VOILUTSequence"] = [
            {"LUTDescriptor": descriptor(60, first, declared), "LUTData": data}
        ]
        found = [
            [table[min(max(round(each) - first, 0), 59)] / (2**bits - 1) * 255 for each in row]
            for row in values
        ]
    else:
        if shown == "given":
            intensity["window"] = [float(center), float(width)]
        if not units:
            ends = 0, 2**stored - 1
        elif shown == "given":
            ends = center - width / 2, center + width / 2
        else:
            ends = np.percentile(np.array(values, dtype=float)[~pads], [5, 95])
            assert ends[0] < ends[1]
        found = [
            [min(max((each - ends[0]) / (ends[1] - ends[0]), 0), 1) * 255 for each in row]
            for row in values
        ]
    found = np.array(found, dtype=float)
    if photometric == "MONOCHROME1":
        found = 255 - found
    found[pads] = 0
    kind = f"u{allocated // 8}"
    if syntax == RLE:
        return elements, vrs, [rle_frame(cells.astype(kind))], intensity, found
    elements["PixelData"] = cells.astype((">" if syntax == BIG else "<") + kind).tobytes()
    if syntax == BIG and allocated == 8 and not implicit:
        vrs["PixelData"] = "OB"
    return elements, vrs, None, intensity, found


def descriptor(count, first, bits):
    """A descriptor as 16-bit words: of the first value there is the bit pattern alone."""
    return [count, first % 2**16, bits]


def rounded(expected, found):
    """Whether shown values are the expected ones: half a gray value, and what float rounding adds."""
    return np.abs(found.astype(float) - expected).max() <= 0.5 + 1e-3


def test_grays_of_every_kind(tmp_path):
    random = np.random.default_rng(11)
    wrong, number = [], 0
    for case in cases():
        elements, vrs, fragments, intensity, expected = made(case, random)
        content = dicom_file(elements, case[2], vrs, fragments)
        (tmp_path / "a.dcm").write_bytes(content)
        try:
            found = np.asarray(reader.read(tmp_path / "a.dcm", intensity))
            if not rounded(expected, found):
                wrong.append((case, np.abs(found - expected).max()))
        except raster.UnreadableImage as error:
            wrong.append((case, str(error)))
        number += 1
    assert not wrong, f"{len(wrong)} of {number}: {wrong[:5]}"
    assert number >= 500
