"""NIfTI files from a grid of headers, each with pixels worked out from the standard here.

Files are written byte by byte (`image_files`). What is expected follows nifti1.h and nifti2.h for
whole arrays: value = slope x stored + intercept (a slope of 0, or one that is not finite, means
none), the affine from sform or qform, and the body's axes from it; nothing here is the reader's.
"""

import itertools

import numpy as np
from image_files import NIFTI_TYPES, nifti_file

from radcbir.images import raster, reader

SHAPE = 5, 4, 3
ORDERS = ["<", ">"]
SCALES = [(0.0, 0.0), (1.0, 0.0), (0.0, 7.0), (0.5, -100.0), (-2.0, 3.0), (float("nan"), 1.0)]
POLICIES = [
    {"policy": "minmax", "low": 5, "high": 95},
    {"policy": "window", "low": 5, "high": 95},
    {"policy": "dtype", "low": 5, "high": 95},
    {"policy": "window", "low": 5, "high": 95, "window": [40.0, 90.0]},
]

TURNS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
"""Which axis of the body each axis of the file is, and its direction: all 48."""

PLANES = ("sagittal", "coronal", "axial")


def affine_of(axes, signs, sides=(1, 1, 1)):
    """From voxels to millimeters to the right, to the front and up."""
    found = np.zeros((4, 4))
    found[3, 3] = 1
    for axis, (body, sign) in enumerate(zip(axes, signs, strict=True)):
        found[body, axis] = sign * sides[axis]
    return found


def in_body(voxels, axes, signs):
    """Voxels whose axes run to the right, to the front and up."""
    for axis, sign in enumerate(signs):
        if sign < 0:
            voxels = np.flip(voxels, axis)
    return np.transpose(voxels, np.argsort(axes))


def slice_of(body, plane, place):
    """Axial: front on top, the patient's right on the left. Coronal: the same with up on top.
    Sagittal: up on top, front on the left.
    """
    if plane == "axial":
        return body[::-1, ::-1, place].T
    if plane == "coronal":
        return body[::-1, place, ::-1].T
    return body[place, ::-1, ::-1].T


def drawn(random, kind):
    """Stored values of the whole range of small types, and of a part of large ones."""
    if kind[0] == "f":
        return random.normal(50, 200, SHAPE).astype(kind)
    info = np.iinfo(kind)
    low, high = max(info.min, -(2**20)), min(info.max, 2**20)
    return random.integers(low, high, SHAPE, endpoint=True).astype(kind)


def expected_of(values, kind, scale, policy, plane_values):
    """Gray values of a slice of a volume; None where the policy has no answer."""
    slope, intercept = scale
    gray = kind == "u1" and scale in ((1.0, 0.0), (0.0, 0.0), (0.0, 7.0), SCALES[5])
    if slope == 0 or not np.isfinite(slope):
        slope, intercept = 1.0, 0.0
    if gray and policy["policy"] == "window":
        ends = 0, 255
    elif policy["policy"] == "dtype" or (gray and policy["policy"] != "dtype"):
        if kind[0] == "f":
            return None
        info = np.iinfo(kind)
        ends = sorted(each * slope + intercept for each in (int(info.min), int(info.max)))
    elif "window" in policy:
        center, width = policy["window"]
        ends = center - width / 2, center + width / 2
    elif policy["policy"] == "minmax":
        ends = values.min(), values.max()
    else:
        ends = np.percentile(values, [5, 95])
    return np.clip((plane_values - ends[0]) / (ends[1] - ends[0]), 0, 1) * 255


def test_values_of_every_type_and_scale(tmp_path):
    random, wrong, number = np.random.default_rng(1), [], 0
    grid = itertools.product(NIFTI_TYPES, ORDERS, SCALES, POLICIES, (1, 2), (False, True))
    for kind, order, scale, policy, version, packed in grid:
        case = kind, order, scale, policy["policy"], "window" in policy, version, packed
        if packed != (number % 3 == 0) and version == 2:
            number += 1
            continue
        stored = drawn(random, kind)
        (axes, signs), plane = TURNS[number % 48], PLANES[number % 3]
        content = nifti_file(
            stored, affine_of(axes, signs), *scale, order=order, version=version, packed=packed
        )
        path = tmp_path / f"a.nii{'.gz' if packed else ''}"
        path.write_bytes(content)
        slope, intercept = scale if scale[0] and np.isfinite(scale[0]) else (1.0, 0.0)
        values = stored.astype(np.float64) * slope + intercept
        right = expected_of(
            values, kind, scale, policy, slice_of(in_body(values, axes, signs), plane, 1)
        )
        reader.forget()
        try:
            found = np.asarray(reader.read(f"{path}#{plane}=1", policy)).astype(float)
            if right is None or found.shape != right.shape:
                wrong.append((case, found.shape))
            elif np.abs(found - right).max() > 0.51:
                wrong.append((case, np.abs(found - right).max()))
        except raster.UnreadableImage as error:
            if right is not None or "no range of their own" not in str(error):
                wrong.append((case, str(error)))
        number += 1
    assert not wrong, f"{len(wrong)} of {number}: {wrong[:6]}"
    assert number > 1000


def test_every_turn_of_a_volume_shows_the_same_body(tmp_path):
    """By sform and, where it is a rotation that quaternions of the writer can give, by qform."""
    random, path = np.random.default_rng(2), tmp_path / "a.nii"
    voxels = random.integers(0, 256, SHAPE).astype("u1")
    for (axes, signs), quaternion in itertools.product(TURNS, (False, True)):
        try:
            content = nifti_file(voxels, affine_of(axes, signs), quaternion=quaternion)
        except AssertionError:  # half a turn
            continue
        path.write_bytes(content)
        body = in_body(voxels, axes, signs)
        reader.forget()
        for plane, count in zip(PLANES, body.shape, strict=True):
            assert reader.parts(path)[plane] == count
            for place in range(count):
                found = np.asarray(reader.read(f"{path}#{plane}={place}"))
                assert (found == slice_of(body, plane, place)).all(), (axes, signs, plane, place)


def test_the_affine_decides_the_sides_of_voxels(tmp_path):
    """Pixels become square by the affine, also where pixdim says another thing."""
    path, sides = tmp_path / "a.nii", (1, 2, 3)
    for axes, signs in TURNS:
        affine = affine_of(axes, signs, sides)
        path.write_bytes(nifti_file(np.zeros(SHAPE, "u1"), affine, pixdim=(9, 1, 4)))
        reader.forget()
        body = in_body(np.zeros(SHAPE), axes, signs).shape
        millimeters = [
            count * sides[axes.index(axis)] for axis, count in zip(range(3), body, strict=True)
        ]
        for axis, plane in enumerate(PLANES):
            across, down = (each for each in range(3) if each != axis)
            finest = min(sides[axes.index(across)], sides[axes.index(down)])
            wanted = round(millimeters[across] / finest), round(millimeters[down] / finest)
            assert reader.read(f"{path}#{plane}=0").size == wanted, (axes, signs, plane)


def test_colors_come_as_they_are(tmp_path):
    """Type 128 of nifti1.h, three bytes per voxel: written as a fourth axis that comes first."""
    values = np.random.default_rng(3).integers(0, 256, (3, *SHAPE)).astype("u1")
    content = bytearray(nifti_file(values.reshape(15, 4, 3), np.eye(4)))
    content[42:44], content[70:74] = (5).to_bytes(2, "little"), bytes([128, 0, 24, 0])
    content[352:] = values.tobytes(order="F")
    (tmp_path / "a.nii").write_bytes(bytes(content))
    found = np.asarray(reader.read(f"{tmp_path / 'a.nii'}#axial=2"))
    assert (found == values[:, ::-1, ::-1, 2].transpose(2, 1, 0)).all()
