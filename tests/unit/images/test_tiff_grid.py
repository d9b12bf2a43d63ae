"""TIFF files from a grid of tags, each with pixels worked out from the standard here.

Files are written byte by byte (`image_files`). What is expected follows TIFF 6.0, section by
section, for whole arrays of samples; nothing here is the reader's. A file may be refused where it is
not one of :func:`must_be_read`; pixels that come out are always the right ones.
"""

import itertools
import zlib

import numpy as np
import pytest
from image_files import run_lengths, tiff_file

from radcbir.images import raster, reader

ROWS, COLUMNS = 7, 11
MINMAX = {"policy": "minmax", "low": 0.5, "high": 99.5}

# Photometric interpretations, compressions, values of SampleFormat, of ExtraSamples.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
PLAIN, DEFLATE, OLD_DEFLATE, PACKBITS, LZW = 1, 8, 32946, 32773, 5
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2

NUMBERS = [
    *((1, UNSIGNED), (2, UNSIGNED), (4, UNSIGNED), (8, UNSIGNED), (12, UNSIGNED), (16, UNSIGNED)),
    *((32, UNSIGNED), (8, SIGNED), (16, SIGNED), (32, SIGNED), (16, FLOAT), (32, FLOAT)),
    *((64, FLOAT), (64, UNSIGNED)),
]
"""Bits and format of a sample."""

COMPRESSIONS = [PLAIN, DEFLATE, OLD_DEFLATE, PACKBITS, LZW]
PLANARS = [None, 1, 2]


def must_be_read(cell, order, compression, fill=1, big=False):
    """All that is not compressed, or with deflate; of the rest what is usual."""
    if compression in (PLAIN, DEFLATE, OLD_DEFLATE):
        return True
    if fill == 2 or (big and order == ">"):
        return False
    unusual = {(16, FLOAT), (64, FLOAT), (64, UNSIGNED), (12, UNSIGNED)}
    return cell not in unusual and (cell, order) != ((32, UNSIGNED), ">")


def lzw(content):
    """LZW without any code for more than one byte (TIFF 6.0, section 13): Clear comes before the
    codes get longer than nine bits.
    """
    codes = []
    for place in range(0, len(content), 200):
        codes += [256, *content[place : place + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return bytes(int(bits[each : each + 8].ljust(8, "0"), 2) for each in range(0, len(bits), 8))


PACKERS = {
    PLAIN: bytes,
    DEFLATE: zlib.compress,
    OLD_DEFLATE: zlib.compress,
    PACKBITS: run_lengths,
    LZW: lzw,
}


def drawn(random, shape, bits, number):
    """Samples of every value that the type can hold."""
    if number == FLOAT:
        return random.normal(0, 300, shape).astype(f"f{bits // 8}")
    if bits < 8 or bits == 12:
        return random.integers(0, 2**bits, shape).astype(np.uint16)
    kind = np.dtype(f"{'i' if number == SIGNED else 'u'}{bits // 8}")
    return (
        random.integers(0, 2**bits, shape, dtype=np.uint64)
        .astype(kind.str.replace("i", "u"))
        .view(kind)
    )


def as_bytes(samples, bits, order):
    """Rows of (rows, samples) as bytes: each row begins with one of its own."""
    if bits % 8 == 0:
        return samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    lines = ("".join(f"{each:0{bits}b}" for each in row) for row in samples)
    return b"".join(
        bytes(int(line[place : place + 8].ljust(8, "0"), 2) for place in range(0, len(line), 8))
        for line in lines
    )


def differences(samples, columns):
    """Predictor 2 (section 14): each sample less the one of the pixel before it."""
    pixels = samples.reshape(len(samples), columns, -1)
    return np.diff(pixels, axis=1, prepend=pixels[:, :1] * 0).reshape(samples.shape)


def page_of(
    values,
    bits,
    number,
    order,
    compression,
    planar,
    *,
    fill=1,
    predictor=1,
    height=3,
    side=0,
    **tags,
):
    """The tags of a page. ``values`` is (rows, columns, samples); strips have ``height`` rows, tiles
    ``side`` x ``side`` pixels.
    """  # fmt: skip
    samples = values.shape[2]
    planes = [values[..., each : each + 1] for each in range(samples)] if planar == 2 else [values]
    blocks, data = [], []
    for plane in planes:
        if side:
            down, across = -(-ROWS // side) * side, -(-COLUMNS // side) * side
            whole = np.zeros((down, across, plane.shape[2]), plane.dtype)
            whole[:ROWS, :COLUMNS] = plane
            blocks += [
                whole[y : y + side, x : x + side] for y in range(0, down, side) for x in range(0, across, side)
            ]  # fmt: skip
        else:
            blocks += [plane[y : y + height] for y in range(0, ROWS, height)]
    for block in blocks:
        flat = block.reshape(len(block), -1)
        if predictor == 2:
            flat = differences(flat, block.shape[1])
        content = PACKERS[compression](as_bytes(flat, bits, order))
        if fill == 2:
            content = bytes(int(f"{each:08b}"[::-1], 2) for each in content)
        data.append(content)
    found = {256: COLUMNS, 257: ROWS, 258: (bits,) * samples, 259: compression, 277: samples}
    found |= {322: side, 323: side} if side else {278: height}
    if planar:
        found[284] = planar
    if fill != 1:
        found[266] = fill
    if predictor != 1:
        found[317] = predictor
    if number != UNSIGNED:
        found[339] = (number,) * samples
    return found | {int(tag[1:]): value for tag, value in tags.items()} | {"data": data}


def shown(samples, bits, number, inverted):
    """Gray values: samples of up to 8 bit over their range, others from the smallest to the
    largest.
    """
    samples = samples.astype(np.float64)
    ends = (0, 2**bits - 1)
    if bits > 8 or number != UNSIGNED:
        ends = samples.min(), samples.max()
    gray = (samples - ends[0]) / (ends[1] - ends[0]) * 255
    return 255 - gray if inverted else gray


def outcome(path, content, expected, tolerance=0.501):
    """None where the pixels are right, or else what is wrong with them; a reason is a text."""
    path.write_bytes(content)
    try:
        found = np.asarray(reader.read(path, MINMAX)).astype(float)
    except raster.UnreadableImage as error:
        return f"refused: {error}"
    if found.ndim == 2 and expected.ndim == 3:
        found = np.stack([found] * 3, axis=-1)
    if found.ndim == 3 and expected.ndim == 2:
        expected = np.stack([expected] * 3, axis=-1)
    if found.shape != expected.shape:
        return f"the shape {found.shape}"
    difference = np.abs(found - expected).max()
    return None if difference <= tolerance else f"wrong by {difference:.1f}"


def judged(results, must):
    """Fail for wrong pixels, and for refused files that must be read."""
    wrong = [
        (case, what)
        for case, what in results.items()
        if what and (not what.startswith("refused") or must(case))
    ]
    assert not wrong, f"{len(wrong)} of {len(results)}: " + "\n".join(map(str, wrong[:12]))


def test_one_sample_in_every_way_to_store_it(tmp_path):
    random, results = np.random.default_rng(3), {}
    for case in itertools.product(
        NUMBERS, (WHITE_IS_ZERO, BLACK_IS_ZERO), "<>", COMPRESSIONS, PLANARS, (1, 2)
    ):
        (bits, number), photometric, order, compression, planar, fill = case
        values = drawn(random, (ROWS, COLUMNS, 1), bits, number)
        page = page_of(
            values, bits, number, order, compression, planar, fill=fill, t262=photometric
        )
        expected = shown(values[..., 0], bits, number, photometric == WHITE_IS_ZERO)
        results[case] = outcome(tmp_path / "a.tif", tiff_file([page], order), expected)
    judged(results, lambda case: must_be_read(case[0], case[2], case[3], case[5]))


@pytest.mark.parametrize("big", [False, True])
def test_tiles_predictors_and_large_files(tmp_path, big):
    random, results = np.random.default_rng(4), {}
    for case in itertools.product(NUMBERS, "<>", (PLAIN, DEFLATE, LZW), (1, 2), (0, 16), (1, 2)):
        (bits, number), order, compression, predictor, side, planar = case
        if predictor == 2 and (compression == PLAIN or bits % 8 or number == FLOAT):
            continue  # the tag means nothing there
        values = drawn(random, (ROWS, COLUMNS, 1), bits, number)
        page = page_of(
            *(values, bits, number, order, compression, planar),
            predictor=predictor, side=side, t262=BLACK_IS_ZERO,
        )  # fmt: skip
        expected = shown(values[..., 0], bits, number, False)
        results[case] = outcome(tmp_path / "a.tif", tiff_file([page], order, big), expected)
    judged(results, lambda case: must_be_read(*case[:3], big=big))


COLORS = {
    "gray, alpha": (BLACK_IS_ZERO, 1),
    "white is zero, alpha": (WHITE_IS_ZERO, 1),
    "RGB": (RGB, 3),
    "CMYK": (CMYK, 4),
    "YCbCr": (YCBCR, 3),
}
"""Photometric interpretation and samples without extra ones."""

EXTRAS = [None, (), (UNSPECIFIED,), (ASSOCIATED,), (UNASSOCIATED,), (UNSPECIFIED, UNSPECIFIED)]
"""ExtraSamples; an empty one has a further sample and no tag that says what it is."""


def color_of(values, name, extra):
    """Pixels (rows, columns) or (rows, columns, 3) of samples (rows, columns, n) from 0 to 255."""
    photometric, count = COLORS[name]
    values = values.astype(np.float64)
    if photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        pixels = values[..., 0] if photometric else 255 - values[..., 0]
    elif photometric == RGB:
        pixels = values[..., :3]
    elif photometric == CMYK:  # section 16: the shares of inks
        pixels = (255 - values[..., :3]) * (255 - values[..., 3:4]) / 255
    else:  # section 21, with the usual coefficients
        y, blue, red = values[..., 0], values[..., 1] - 128, values[..., 2] - 128
        green = y - 0.344136 * blue - 0.714136 * red
        pixels = np.clip(np.stack([y + 1.402 * red, green, y + 1.772 * blue], axis=-1), 0, 255)
    # Section 18. Associated colors are multiplied already. A sample that no tag explains is read as
    # alpha: writers that forget the tag mean it.
    if extra == () or (extra and extra[0] == UNASSOCIATED):
        alpha = values[..., count] / 255
        pixels = pixels * (alpha if pixels.ndim == 2 else alpha[..., None])
    return pixels


def test_colors_and_transparency_of_8_bit(tmp_path):
    random, results = np.random.default_rng(5), {}
    cases = itertools.product(
        COLORS, EXTRAS, "<>", (PLAIN, DEFLATE, PACKBITS), PLANARS, (1, 2), (0, 16)
    )
    for case in cases:
        name, extra, order, compression, planar, predictor, side = case
        if predictor == 2 and compression != DEFLATE:
            continue
        photometric, count = COLORS[name]
        more = 0 if extra is None else max(1, len(extra))
        if name.endswith("alpha") and not more:
            continue
        values = drawn(random, (ROWS, COLUMNS, count + more), 8, UNSIGNED)
        if extra and extra[0] == ASSOCIATED:  # no color is larger than its alpha
            values[..., :count] = np.minimum(values[..., :count], values[..., count : count + 1])
        tags = {"t262": photometric} | ({"t338": extra} if extra else {})
        if photometric == YCBCR:
            tags["t530"] = (1, 1)
        page = page_of(
            *(values, 8, UNSIGNED, order, compression, planar), predictor=predictor, side=side, **tags
        )  # fmt: skip
        expected = color_of(values, name, extra)
        results[case] = outcome(tmp_path / "a.tif", tiff_file([page], order), expected, 1.6)
    judged(results, lambda case: case[3] != PACKBITS or (case[0] == "RGB" and case[1] is None))


def test_color_of_16_bit_is_never_cut(tmp_path):
    random = np.random.default_rng(6)
    for samples, order, compression, planar in itertools.product(
        (2, 3, 4), "<>", (PLAIN, DEFLATE), PLANARS
    ):
        values = drawn(random, (ROWS, COLUMNS, samples), 16, UNSIGNED)
        photometric = BLACK_IS_ZERO if samples == 2 else RGB
        extra = {"t338": (UNASSOCIATED,)} if samples != 3 else {}
        page = page_of(values, 16, UNSIGNED, order, compression, planar, t262=photometric, **extra)
        (tmp_path / "a.tif").write_bytes(tiff_file([page], order))
        with pytest.raises(raster.UnreadableImage, match="of 16 bit per channel"):
            reader.read(tmp_path / "a.tif")


def test_palettes_of_every_depth(tmp_path):
    random, results = np.random.default_rng(7), {}
    for case in itertools.product((1, 2, 4, 8), "<>", (PLAIN, DEFLATE), PLANARS):
        bits, order, compression, planar = case
        values = drawn(random, (ROWS, COLUMNS, 1), bits, UNSIGNED)
        colors = random.integers(0, 256, (2**bits, 3))
        table = tuple(int(each) * 257 for each in colors.T.ravel())
        page = page_of(values, bits, UNSIGNED, order, compression, planar, t262=PALETTE, t320=table)
        expected = colors[values[..., 0]].astype(float)
        results[case] = outcome(tmp_path / "a.tif", tiff_file([page], order), expected)
    judged(results, lambda case: True)


@pytest.mark.parametrize("compression", [PLAIN, PACKBITS])
def test_each_orientation_comes_out_upright(tmp_path, compression):
    """Section 8: where the first row and the first column of the file are seen."""
    values = np.random.default_rng(9).integers(0, 256, (ROWS, COLUMNS, 1)).astype(np.uint8)
    seen = values[..., 0]
    expected = {
        1: seen, 2: seen[:, ::-1], 3: seen[::-1, ::-1], 4: seen[::-1],
        5: seen.T, 6: seen[::-1].T, 7: seen[::-1, ::-1].T, 8: seen.T[::-1],
    }  # fmt: skip
    for orientation, right in expected.items():
        page = page_of(
            values, 8, UNSIGNED, "<", compression, 1, t262=BLACK_IS_ZERO, t274=orientation
        )
        (tmp_path / "a.tif").write_bytes(tiff_file([page]))
        assert (np.asarray(reader.read(tmp_path / "a.tif")) == right).all(), orientation


def test_each_page_is_read_by_its_own_tags(tmp_path):
    """Pages that differ in everything, behind one another in one file."""
    random, pages, expected = np.random.default_rng(8), [], []
    for (bits, number), compression, planar in [
        ((8, UNSIGNED), PLAIN, 1),
        ((16, SIGNED), DEFLATE, 2),
        ((32, FLOAT), LZW, None),
        ((16, UNSIGNED), PLAIN, 2),
        ((1, UNSIGNED), PACKBITS, 1),
    ]:
        values = drawn(random, (ROWS, COLUMNS, 1), bits, number)
        pages.append(page_of(values, bits, number, ">", compression, planar, t262=BLACK_IS_ZERO))
        expected.append(shown(values[..., 0], bits, number, False))
    (tmp_path / "a.tif").write_bytes(tiff_file(pages, ">"))
    for frame, each in enumerate(expected):
        found = np.asarray(reader.read(f"{tmp_path}/a.tif#frame={frame}", MINMAX))
        assert np.abs(found - each).max() <= 0.501, frame
