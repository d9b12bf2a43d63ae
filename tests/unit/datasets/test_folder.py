"""A folder of one's own becomes a dataset: trees, CSVs with other column names, volumes slice by
slice, splits."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radcbir.core.errors import InputError
from radcbir.datasets import preparation_steps
from radcbir.datasets.preparation import prepare
from radcbir.datasets.providers.folder.listing import folder_digest
from radcbir.datasets.splits import drawn_splits
from radcbir.images import reader

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
        match=r"chest/p1/a\.png below .* is not in folders as MODALITY/region/finding/patient/image",
    ):
        table(tmp_path)
    with pytest.raises(InputError, match="there is no image below"):
        (tmp_path / "empty").mkdir()
        table(tmp_path / "empty")


def test_patients_keep_their_split_when_others_come():
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    few, many = (pd.Series([f"p{number}" for number in range(count)]) for count in (200, 5000))
    before, after = (drawn_splits(each, shares, 3) for each in (few, many))
    assert before.tolist() == after[:200].tolist()
    assert after.value_counts(normalize=True).to_dict() == pytest.approx(shares, abs=0.02)
    assert drawn_splits(few, shares, 4).tolist() != before.tolist()
    assert set(drawn_splits(few, {"train": 1.0, "test": 0.0}, 0)) == {"train"}


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
    before = folder_digest(tmp_path)
    assert folder_digest(tmp_path) == before
    image(tmp_path / "a/c.png")
    assert folder_digest(tmp_path) != before


def test_the_commonest_tree_of_all_needs_a_prefix(tmp_path):
    for name in ("nodule/a.png", "nodule/b.png", "normal/deep/c.png"):
        image(tmp_path / name)
    found = table(tmp_path, label_prefix="XR/chest", patients=False)
    assert found[["filepath", "label"]].values.tolist() == [
        ["nodule/a.png", "XR/chest/nodule"], ["nodule/b.png", "XR/chest/nodule"],
        ["normal/deep/c.png", "XR/chest/normal/deep"],
    ]  # fmt: skip
    with pytest.raises(
        InputError,
        match=r"nodule/a\.png .* is not in folders as finding/patient/image \(and 1 more\): move it, or "
        "say `patients: false`",
    ):
        table(tmp_path, label_prefix="XR/chest")
    with pytest.raises(InputError, match="or give what the folders leave out as `label_prefix:"):
        table(tmp_path, patients=False)
    image(tmp_path / "a|b/d.png")
    with pytest.raises(InputError, match=r"'XR/chest/a\|b' .* have a '\|' or ';' in their name"):
        table(tmp_path, label_prefix="XR/chest", patients=False)


def test_folders_that_are_splits_become_no_labels(tmp_path):
    for name in ("train/nodule/p1/a.png", "train/normal/p2/b.png", "test/nodule/p3/c.png"):
        image(tmp_path / name)
    options = {"label_prefix": "XR/chest"}
    with pytest.raises(
        InputError, match="the folders test, train below .* say `split_folders: true`"
    ):
        table(tmp_path, **options)
    found = table(tmp_path, split_folders=True, **options)
    assert found[["split", "label", "patient_id"]].values.tolist() == [
        ["test", "XR/chest/nodule", "p3"],
        ["train", "XR/chest/nodule", "p1"],
        ["train", "XR/chest/normal", "p2"],
    ]


def written(tmp_path, text):
    (tmp_path / "mine.csv").write_text(text)
    return {"table": tmp_path / "mine.csv"}


def test_every_column_can_have_another_name(tmp_path):
    files = written(
        tmp_path,
        "file;befunde;geraet;teil;alter;fold;edema\n"
        "a.png;Edema|Mass;CR;thorax;047Y;train;1\nb.png;Mass;DX;;61,5;test;0\nc.png;;;;n/a;test;1\n",
    )
    columns = {"filepath": "file", "modality": "geraet", "anatomic_region": "teil", "age": "alter", "split": "fold"}  # fmt: skip
    for name in ("labels", "label"):
        found = table(tmp_path, files, columns=columns | {name: "befunde"}, label_prefix="XR/chest")
        assert found["labels"].fillna("").tolist() == ["XR/chest/Edema|XR/chest/Mass", "XR/chest/Mass", ""]  # fmt: skip
        assert found["modality"].fillna("").tolist() == ["CR", "DX", ""]
        assert found["anatomic_region"].fillna("").tolist() == ["thorax", "", ""]
        assert found["age"].fillna("").tolist() == ["47", "61.5", ""]
    found = table(tmp_path, files, columns=columns | {"XR/chest/Edema": "edema"})
    assert found["labels"].fillna("").tolist() == ["XR/chest/Edema", "", "XR/chest/Edema"]
    # one column of theirs may be two of ours
    found = table(tmp_path, files, columns=columns | {"labels": "befunde", "source": "fold", "study_id": "file"}, label_prefix="XR/chest")  # fmt: skip
    assert found["source"].tolist() == found["split"].tolist()


def test_our_own_names_need_no_mapping(tmp_path, caplog):
    caplog.set_level("WARNING")
    for header, cells in (("labels", "XR/a/b|XR/a/c"), ("XR/a/b,XR/a/c", "1,1")):
        files = written(tmp_path, f"filepath,patient_id,{header}\na.png,p1,{cells}\n")
        found = table(tmp_path, files)
        assert found["labels"].tolist() == ["XR/a/b|XR/a/c"] and "patient_id" not in found
    assert "patient_id, which `columns:` does not name: they are left out" in caplog.text


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        ("filepath,dx\na.png,A;B\n", {"label": "dx"}, "row 2 of .*mine.csv has the label 'A;B', which reads as several labels: name the column under `columns: labels:`"),
        ("filepath,label,age\na.png,A,old\n", {"age": "age"}, "row 2 of .* has the age 'old': give years as a number, a DICOM age such as 047Y"),
        ("filepath,label,fold\na.png,A,x\nb.png,A,my test\n", {"split": "fold"}, "row 3 of .* has the split 'my test'"),
        ("filepath,label\na.png,A\n,B\n", {}, "row 3 of .* has no 'filepath': fill it in"),
        ("filepath,label\na.png,A\n../b.png,B\n", {}, "row 3 of .* leaves the image root"),
        ("filepath,label\na.png,A\n\na.png,B\n", {}, "rows 2, 4 of .* list the same image"),
        ("filepath,label,x\na.png,A,1\n", {"label": "label", "XR/a/b": "x"}, "`columns:` names `label` and `XR/a/b`: keep one way"),
        ("filepath,x\na.png,2\n", {"XR/a/b": "x"}, "row 2 of .* has '2' in the label column 'x': only 0 and 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_csv_of_ones_own_is_named(tmp_path, text, columns, sentence):
    with pytest.raises(InputError, match=sentence):
        table(tmp_path, written(tmp_path, text), columns=columns, label_prefix="XR/chest")


def test_a_patient_whose_split_is_given_in_one_row_keeps_it_in_the_others(tmp_path):
    rows = "".join(f"{n}.png,A,p{n % 20},{'test' if n < 20 else ''}\n" for n in range(60))
    files = written(tmp_path, "filepath,label,patient,fold\n" + rows)
    found = table(tmp_path, files, columns={"patient_id": "patient", "split": "fold"}, label_prefix="XR/a")  # fmt: skip
    assert set(found["split"]) == {"test"}


def test_drawn_splits_are_counted_by_label(tmp_path):
    for number in range(15):
        for label in ("nodule", "normal"):
            image(tmp_path / f"{label}/p{number}{label}/a.png")
    _, counts = prepare({}, OPTIONS | {"label_prefix": "XR/chest"}, tmp_path, "mine")
    of_label = counts[counts["step"] == "images of each label"].set_index(["label", "split"])
    # 15 patients: 10.5, 1.5, 3; of two labels one is rounded up, and one down
    for label in ("XR/chest/nodule", "XR/chest/normal"):
        assert of_label.loc[(label, "test"), "images"] == 3
    assert of_label["images"].groupby("split").sum().to_dict() == {"train": 21, "val": 3, "test": 6}
    assert (of_label["images"] == of_label["patients"]).all()
    shown = preparation_steps.preparation_steps(counts)
    assert [row["label"] for row in shown["labels"]] == ["XR/chest/nodule", "XR/chest/normal"]
    assert shown["splits"] == ["train", "val", "test"]
    assert shown["labels"][0]["cells"][2] == "3 (3)" and shown["labels"][0]["total"] == "15 (15)"
    assert "images of each label" not in {row["step"] for row in shown["rows"]}


def dicom(path, sop_class="1.2.840.10008.5.1.4.1.1.7", preamble=True):
    """A DICOM file of 4 x 4 pixels, written element by element (Explicit VR Little Endian)."""

    def element(group, number, vr, value):
        value += b"\0" * (len(value) % 2)
        long = vr in (b"OW", b"OB")
        length = bytes(2) + len(value).to_bytes(4, "little") if long else len(value).to_bytes(2, "little")  # fmt: skip
        return group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr + length + value

    def short(number):
        return number.to_bytes(2, "little")

    meta = element(2, 2, b"UI", sop_class.encode()) + element(
        2, 0x10, b"UI", b"1.2.840.10008.1.2.1"
    )
    image = b"".join(
        element(0x28, number, vr, value)
        for number, vr, value in [
            (2, b"US", short(1)), (4, b"CS", b"MONOCHROME2"), (0x10, b"US", short(4)),
            (0x11, b"US", short(4)), (0x100, b"US", short(8)), (0x101, b"US", short(8)),
            (0x102, b"US", short(7)), (0x103, b"US", short(0)),
        ]
    )  # fmt: skip
    content = element(8, 0x16, b"UI", sop_class.encode()) + image
    if "1.3.10" not in sop_class:
        content += element(0x7FE0, 0x10, b"OB", bytes(range(16)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((bytes(128) + b"DICM" + meta if preamble else b"") + content)


def test_images_are_known_by_their_content_and_the_rest_is_counted(tmp_path):
    """Names as archives and scanners give them: UIDs, numbers, nothing, another format's suffix."""
    place = tmp_path / "CT/abdomen/lesion"
    names = ["a.dcm", "1.2.840.113619.2.55.31", "IM000001.001", "I10", "scan.img", "wrong.png", "MR.1.2.3.4"]  # fmt: skip
    for number, name in enumerate(names):
        dicom(place / f"p{number}" / name)
    dicom(place / "p7/1.2.3.5", preamble=False)
    image(place / "p8/shot.png")
    (place / "p8/shot.png").rename(place / "p8/shot.2024-01-05")
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 1), np.int16), np.eye(4)), place / "v.nii.gz")
    (place / "p9").mkdir()
    (place / "v.nii.gz").rename(place / "p9/volume")
    for name in ("notes.txt", "table.CSV", "p8/thumbs.db"):
        (place / name).write_text("BMI,P5 group\n")
    (place / "p8/empty").write_bytes(b"")
    dicom(place / "p10/DICOMDIR", "1.2.840.10008.1.3.10")
    found, counts = prepare({}, OPTIONS, tmp_path, "mine")
    assert set(found["patient_id"]) == {f"p{number}" for number in range(10)}
    assert len(found) == 10
    (row,) = counts[counts["step"].str.startswith("left out")].to_dict("records")
    assert row["images"] == 5 and "zero bytes: 1" in row["step"] and ".csv: 1" in row["step"]
    assert "1 folders have no image, such as CT/abdomen/lesion/p10" in row["step"]
    assert counts["step"].tolist()[0] == row["step"]
    for path in found["filepath"]:
        assert reader.read(tmp_path / path).size in ((4, 4), (2, 2))


def test_a_file_that_is_listed_by_its_name_alone_is_left_to_the_ledger(tmp_path):
    image(tmp_path / "CT/abdomen/lesion/p0/a.png")
    (tmp_path / "CT/abdomen/lesion/p0/b.png").write_text("<html>")
    assert len(table(tmp_path)) == 2
