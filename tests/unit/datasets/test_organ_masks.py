"""Volumes with organ masks: labels of slices by hand, in the layouts that segmentation programs write."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import prepare
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config/models"
LIVER, SPLEEN, LUNG = "CT/abdomen/liver", "CT/abdomen/spleen", "CT/chest/lung"
STRUCTURES = {1: LIVER, 2: SPLEEN, 7: LUNG, 8: LUNG}
"""As YAML has numbers."""


def save(path, voxels, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([2.0, 2.0, 5.0, 1.0]) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def mask():
    """6 x 6 x 4: slice 0 is empty, 1 shows liver (3 voxels) and spleen (1), 2 both lungs, 3 spleen."""
    voxels = np.zeros((6, 6, 4), dtype=np.uint8)
    voxels[1, 1:4, 1], voxels[4, 4, 1] = 1, 2
    voxels[0, 0, 2], voxels[5, 5, 2] = 7, 8
    voxels[2:4, 2, 3] = 2
    return voxels


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / f"imagesTr/{name}.nii.gz", np.arange(144, dtype=np.int16).reshape(6, 6, 4))
        save(tmp_path / f"labelsTr/{name}.nii.gz", mask())
    return tmp_path


def run(root, **options):
    given = {
        "from": "organ-masks",
        "masks": "labelsTr/{name}.nii.gz",
        "structures": STRUCTURES,
    } | options
    config = {
        "datasets": {"set": {"prepare": given, "images": str(root)}},
        "models": ["thumbnail"],
        "experiments": {"one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}},
    }  # fmt: skip
    project = Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")
    return prepare({}, project.datasets["set"]["prepare"], root, "set")


def labels_of(table, volume="imagesTr/a.nii.gz"):
    here = table[table["filepath"].str.startswith(f"{volume}#")]
    column = "labels" if "labels" in here else "label"  # where every slice shows one structure
    return dict(zip(here["filepath"].str.split("#").str[1], here[column], strict=True))


SHOWN = {"axial=1": f"{LIVER}|{SPLEEN}", "axial=2": LUNG, "axial=3": SPLEEN}


def test_a_slice_has_the_labels_of_the_structures_that_it_shows(root):
    table, counts = run(root)
    assert labels_of(table) == SHOWN
    assert set(table["series_id"]) == set(table["patient_id"]) == {
        f"imagesTr/{name}" for name in "abc"
    }  # fmt: skip
    row = table[table["filepath"] == "imagesTr/a.nii.gz#axial=3"].iloc[0]
    assert (row["view"], row["instance"], row["position"], row["modality"]) == (
        "axial",
        3,
        15,
        "CT",
    )
    steps = counts.groupby("step", sort=False)["images"].sum()
    assert steps["listed by the provider"] == 12 and steps["a structure or several"] == 9


def test_a_structure_counts_from_so_many_pixels_on(root):
    assert labels_of(run(root, pixels=2)[0]) == {"axial=1": LIVER, "axial=2": LUNG, "axial=3": SPLEEN}  # fmt: skip
    assert labels_of(run(root, pixels=3)[0]) == {"axial=1": LIVER}
    with pytest.raises(InputError, match="no slice below .* shows a structure: lower `pixels:`"):
        run(root, pixels=4)
    assert len(run(root, trim=0.3)[0]) == 6, "a structure that is cut off is no mistake"


def test_other_planes_are_counted_in_their_own_direction(root):
    shown = labels_of(run(root, planes=["sagittal", "coronal"])[0])
    assert shown["sagittal=0"] == shown["sagittal=5"] == LUNG
    assert shown["sagittal=1"] == LIVER and shown["sagittal=4"] == shown["sagittal=2"] == SPLEEN
    assert shown["coronal=2"] == f"{LIVER}|{SPLEEN}" and shown["coronal=4"] == SPLEEN


def test_turned_and_flipped_axes_of_volume_and_mask_change_nothing(root):
    """A mask that is stored from head to foot and right to left lies on a volume that is not."""
    flipped = np.diag([-2.0, 2.0, -5.0, 1.0])
    flipped[:3, 3] = 10, 0, 15
    save(root / "labelsTr/a.nii.gz", mask()[::-1, :, ::-1], flipped)
    assert labels_of(run(root)[0]) == SHOWN


def test_positions_of_oblique_slices_are_along_their_normal(root):
    """Turned by 30 degrees around the axis to the right: slices stay 5 mm apart."""
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turned = np.array([[2, 0, 0, 7], [0, 2 * cosine, -5 * sine, 0], [0, 2 * sine, 5 * cosine, 3], [0, 0, 0, 1]])  # fmt: skip
    voxels = np.arange(144, dtype=np.int16).reshape(6, 6, 4)
    save(root / "imagesTr/a.nii.gz", voxels, turned)
    save(root / "labelsTr/a.nii.gz", mask(), turned)
    table, _ = run(root)
    found = table[table["series_id"] == "imagesTr/a"].sort_values("instance")["position"]
    # The normal is (0, -sin, cos), and the corner (7, 0, 3) lies 3 cos along it.
    assert found.tolist() == pytest.approx([3 * cosine + 5 * each for each in (1, 2, 3)])


def test_a_folder_has_a_file_per_structure(tmp_path):
    """As TotalSegmentator writes them."""
    for case in ("s1", "s2", "s3"):
        save(tmp_path / f"{case}/ct.nii.gz", np.zeros((6, 6, 4), dtype=np.int16))
        for name, values in (("liver", [1]), ("spleen", [2]), ("lung", [7, 8]), ("skull", [99])):
            file = tmp_path / f"{case}/segmentations/{name}.nii.gz"
            save(file, np.isin(mask(), values).astype(np.uint8))
    save(tmp_path / "s4/ct.nii.gz", np.zeros((6, 6, 4), dtype=np.int16))
    structures = {"liver": LIVER, "spleen": SPLEEN, "lung": LUNG}
    table, counts = run(
        tmp_path, masks="{folder}/segmentations", structures=structures, patients=True
    )
    assert labels_of(table, "s1/ct.nii.gz") == SHOWN
    assert set(table["patient_id"]) == {"s1", "s2", "s3"} and len(table) == 9
    left_out = counts[counts["step"] == "volumes without masks, left out"]
    assert left_out["images"].tolist() == [1]


def test_a_volume_that_cannot_be_read_stays_for_the_ledger(root):
    (root / "imagesTr/b.nii.gz").write_bytes(b"no volume")
    table, _ = run(root)
    assert table.loc[table["filepath"] == "imagesTr/b.nii.gz", "labels"].isna().all()
    assert len(table) == 7


@pytest.mark.parametrize(
    ("spoil", "options", "sentence"),
    [
        (lambda root: None, {"masks": "masks/{name}.nii.gz"}, "no volume below .* has masks at `masks: masks/{name}.nii.gz` \\(6 NIfTI files, such as imagesTr/a.nii.gz\\)"),
        (lambda root: (root / "labelsTr/b.nii.gz").write_bytes(b"x" * 600), {}, "the mask .*labelsTr/b.nii.gz cannot be read"),
        (lambda root: save(root / "labelsTr/b.nii.gz", mask()[:, :, :3]), {}, "has another grid than its volume \\(6 x 6 x 3 and 6 x 6 x 4 voxels\\): resample"),
        (lambda root: save(root / "labelsTr/b.nii.gz", mask(), np.diag([2, 2, 4, 1])), {}, "up to 4.0 mm apart\\): resample it"),
        (lambda root: save(root / "labelsTr/b.nii.gz", mask() / np.float32(2)), {}, "has numbers that are not whole"),
        (lambda root: None, {"structures": {9: LIVER, 1: LIVER}}, "`structures:` names 9, which no mask"),
        (lambda root: None, {"structures": {"liver": LIVER}}, "names 'liver', but .*a.nii.gz is a file whose numbers are structures"),
        (lambda root: None, {"masks": "../masks/{name}.nii.gz"}, "but has to be: Where below `images` the masks of a volume are"),
        (lambda root: None, {"structures": {"1": "liver"}}, "is 'liver', but has to be: A label MODALITY/region/finding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(root, spoil, options, sentence):
    spoil(root)
    with pytest.raises(InputError, match=sentence):
        run(root, **options)
