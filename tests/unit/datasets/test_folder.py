"""A folder of one's own becomes a dataset: trees, CSVs with other column names, volumes slice by
slice, splits."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.datasets import providers
from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers import folder

OPTIONS = {
    "from": "folder", "columns": {}, "patients": True, "shares": {"train": 0.7, "val": 0.1, "test": 0.2}, "seed": 0,
    "planes": ["axial"], "step": 1, "trim": 0,
}  # fmt: skip


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path)


def table(root, files=None, **options):
    return prepare(files or {}, OPTIONS | options, root, "mine")[0]


def test_a_tree_gives_label_and_patient(tmp_path):
    for path in (
        "XR/chest/No Finding/p1/a.png",
        "XR/chest/No Finding/p1/b.JPG",
        "CT/head/bleed/acute/p2/c.tif",
    ):
        image(tmp_path / path)
    (tmp_path / "XR/chest/No Finding/p1/notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    image(tmp_path / ".hidden/x.png")
    found = table(tmp_path)
    assert found[["filepath", "label", "patient_id"]].values.tolist() == [
        ["CT/head/bleed/acute/p2/c.tif", "CT/head/bleed/acute", "p2"],
        ["XR/chest/No Finding/p1/a.png", "XR/chest/No Finding", "p1"],
        ["XR/chest/No Finding/p1/b.JPG", "XR/chest/No Finding", "p1"],
    ]
    assert found.groupby("patient_id")["split"].nunique().max() == 1
    flat = table(tmp_path, patients=False)
    assert flat["label"].tolist()[0] == "CT/head/bleed/acute/p2" and "patient_id" not in flat


def test_a_file_in_the_wrong_place_is_named(tmp_path):
    image(tmp_path / "chest/p1/a.png")
    with pytest.raises(
        InputError,
        match=r"chest/p1/a\.png below .* does not lie as MODALITY/region/finding/patient/image",
    ):
        table(tmp_path)
    with pytest.raises(InputError, match="there is no image below"):
        (tmp_path / "empty").mkdir()
        table(tmp_path / "empty")


def test_patients_keep_their_split_when_others_come():
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    few, many = (pd.Series([f"p{number}" for number in range(count)]) for count in (200, 5000))
    before, after = (folder.drawn_splits(each, shares, 3) for each in (few, many))
    assert before.tolist() == after[:200].tolist()
    assert after.value_counts(normalize=True).to_dict() == pytest.approx(shares, abs=0.02)
    assert folder.drawn_splits(few, shares, 4).tolist() != before.tolist()
    assert set(folder.drawn_splits(few, {"train": 1.0, "test": 0.0}, 0)) == {"train"}


def test_volumes_and_frames_are_listed_one_by_one(tmp_path):
    place = tmp_path / "MR/head/brain/p1"
    place.mkdir(parents=True)
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((3, 4, 10), dtype=np.int16), np.eye(4)), place / "head.nii.gz"
    )
    frames = [Image.new("L", (2, 2), value) for value in (1, 2, 3)]
    frames[0].save(place / "cine.tif", save_all=True, append_images=frames[1:])
    (place / "broken.nii").write_text("no volume")
    found = table(tmp_path)["filepath"].str.removeprefix("MR/head/brain/p1/").tolist()
    assert found == sorted(["broken.nii", *(f"cine.tif#frame={n}" for n in range(3)), *(f"head.nii.gz#axial={n}" for n in range(10))])  # fmt: skip
    (place / "loop").symlink_to(tmp_path)
    assert len(table(tmp_path)) == len(found), "a link in a circle is followed once"
    some = table(tmp_path, step=3, trim=0.2, planes=["coronal", "axial"])["filepath"]
    # 10 slices without 2 at both ends are 2 to 7; every third from the middle of the first three
    # on: 3 and 6
    assert [each.split("#")[1] for each in some if "head.nii" in each] == [
        "axial=3",
        "axial=6",
        "coronal=1",
    ]


def test_a_csv_with_other_names(tmp_path):
    image(tmp_path / "a.png")
    image(tmp_path / "b.png")
    csv = tmp_path / "mine.csv"
    csv.write_text(
        "file,diagnosis,subject,fold,scanner\na.png,Edema|Mass,7,train,A\nb.png,Edema,8,test,B\n"
    )
    columns = {
        "filepath": "file",
        "label": "diagnosis",
        "patient_id": "subject",
        "split": "fold",
        "source": "scanner",
    }
    found = table(tmp_path, {"table": csv}, columns=columns, label_prefix="XR/chest")
    assert found["labels"].tolist() == ["XR/chest/Edema|XR/chest/Mass", "XR/chest/Edema"]
    assert found[["filepath", "split", "patient_id", "source"]].values.tolist() == [["a.png", "train", "7", "A"], ["b.png", "test", "8", "B"]]  # fmt: skip
    with pytest.raises(
        InputError, match="row 2 of .* has the label 'Edema' in the column 'diagnosis': write it as"
    ):
        table(tmp_path, {"table": csv}, columns=columns)
    with pytest.raises(InputError, match="has no column 'folder'"):
        table(tmp_path, {"table": csv}, columns=columns | {"filepath": "folder"})
    drawn = table(
        tmp_path,
        {"table": csv},
        columns={"filepath": "file", "label": "diagnosis"},
        label_prefix="XR/chest",
    )
    assert set(drawn["split"]) <= {"train", "val", "test"}


def test_names_that_come_or_go_are_a_change(tmp_path):
    image(tmp_path / "a/b.png")
    before = providers.folder_digest(tmp_path)
    assert providers.folder_digest(tmp_path) == before
    image(tmp_path / "a/c.png")
    assert providers.folder_digest(tmp_path) != before
