"""Dataset CSVs as tired users write them; shards that stay put; pools that add up."""

import numpy as np
import pandas as pd
import pytest

from radcbir.core.errors import InputError
from radcbir.datasets import catalog, pool
from radcbir.datasets.shards import write_shards


@pytest.fixture
def dataset(tmp_path):
    """Writes a CSV (text, or rows under the default header) and its images; returns a function that
    builds the catalog."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (images / name).write_bytes(b"x" * (ord(name[0]) - 96))

    def build(text, max_rejected=0.0, root=images):
        (tmp_path / "data.csv").write_text(text)
        return catalog.build_catalog(tmp_path / "data.csv", "data", root, max_rejected)

    build.images = images
    return build


def test_label_column(dataset):
    table, rejected = dataset(
        "filepath,split,label,patient_id,age,x_note\n"
        "b.png,train,XR/chest/Edema,p1,61,hello\n"
        "./a.png,test, CT / abdomen/liver ,,,\n"
    )
    assert list(table["path"]) == ["a.png", "b.png"]
    assert list(table["label"]) == ["CT/abdomen/liver", "XR/chest/Edema"]
    assert list(table["modality"]) == ["CT", "XR"]
    assert list(table["region"]) == ["abdomen", "chest"]
    assert list(table["bytes"]) == [1, 2]
    assert table["patient_id"].isna().tolist() == [True, False]
    assert table["age"].tolist()[1] == 61.0
    assert table["id"].tolist() == [
        catalog.image_id("data", "a.png"),
        catalog.image_id("data", "b.png"),
    ]
    assert len(rejected) == 0


def test_where_an_image_lies_in_its_series_is_a_number(dataset):
    header = "filepath,split,label,series_id,instance,position\n"
    table, _ = dataset(
        f"{header}a.png,train,CT/chest/x,1.2,7,-12.5\nb.png,train,CT/chest/x,1.2,,\n"
    )
    assert table["position"].tolist()[0] == -12.5 and table["instance"].tolist()[0] == 7
    assert table[["instance", "position"]].isna().all(axis=1).tolist() == [False, True]
    assert table["series_id"].tolist() == ["1.2", "1.2"]
    with pytest.raises(InputError, match="row 2 .*the position 'top': give mm as a number"):
        dataset(f"{header}a.png,train,CT/chest/x,1.2,7,top\n")


def test_one_hot_columns_as_the_reference_writes_them(dataset):
    table, _ = dataset(
        "filepath,dataset,split,modality,anatomic_region,XR/chest/Edema,XR/chest/No Finding\n"
        "a.png,nih14,train,XR,chest,1.0,0.0\nb.png,nih14,train,XR,chest,1,1\nc.png,nih14,test,XR,chest,0,0\n"
    )
    assert table["labels"].tolist() == [
        ["XR/chest/Edema"],
        ["XR/chest/Edema", "XR/chest/No Finding"],
        [],
    ]
    assert table["label"].fillna("none").tolist() == ["XR/chest/Edema", "none", "none"]
    assert table["region"].tolist() == ["chest"] * 3


def test_several_labels_in_one_column(dataset):
    table, _ = dataset(
        "filepath,split,labels\na.png,train,XR/chest/Edema| XR / chest/Mass|XR/chest/Edema\nb.png,test,XR/chest/Mass\nc.png,test,\n"
    )
    assert table["labels"].tolist() == [["XR/chest/Edema", "XR/chest/Mass"], ["XR/chest/Mass"], []]
    assert table["label"].fillna("none").tolist() == ["none", "XR/chest/Mass", "none"]


def test_an_id_is_stable():
    # SHA-256 of "data\0a.png", first 8 bytes, shifted right by one: worked out with sha256sum
    assert catalog.image_id("data", "a.png") == int("be2a3c9de667cbe1", 16) >> 1


HEADER = "filepath,split,label\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("split,label\ntrain,XR/chest/x\n", "has no column 'filepath': add it"),
        ("file_path,split,label\na.png,train,XR/chest/x\n", r"is it the column 'file_path'\? rename it"),
        ("filepath,split,label,patientid\na.png,train,XR/chest/x,1\n", "unknown column 'patientid': did you mean 'patient_id'"),
        ("filepath,split\na.png,train\n", "has no labels: add a column 'label'"),
        (HEADER, "has a header but no rows"),
        ("", "cannot be read as comma-separated"),
        (HEADER + "a.png,train,XR/chest/x\nb.png,,XR/chest/x\n", "row 3 of .* has the split ''"),
        (HEADER + "a.png,train,XR/chest/x\n,train,XR/chest/x\n", "row 3 of .* has no filepath"),
        (HEADER + "a.png,train,XR/chest/x\n../a.png,train,XR/chest/x\n", r"row 3 of .* leaves the image root with '\.\./a\.png'"),
        (HEADER + "/etc/passwd,train,XR/chest/x\n", "row 2 of .* leaves the image root"),
        (HEADER + "C:\\scans\\a.png,train,XR/chest/x\n", "row 2 of .* leaves the image root"),
        (HEADER + "a.png,train,XR/chest/x\nb.png,train,XR/chest/x\n./a.png,test,XR/chest/x\n", "rows 2, 4 of .* list the same image 'a.png'"),
        (HEADER + "a.png,train,Edema\n", "row 2 of .* has the label 'Edema': write it as MODALITY/region/finding"),
        ("filepath,split,XR/chest/x\na.png,train,-1\n", "row 2 of .* has '-1' in the label column 'XR/chest/x'"),
        ("filepath,split,XR/chest/x\na.png,train,\n", "row 2 of .* has '' in the label column"),
        ("filepath,split,label,XR/chest/x\na.png,train,XR/chest/x,1\n", "keep one of the two"),
        ("filepath,split,label,age\na.png,train,XR/chest/x,old\n", "row 2 of .* has the age 'old'"),
        ("filepath,split,labels\na.png,train,XR/chest/x|Edema\n", r"row 2 of .* has the labels 'XR/chest/x\|Edema': write them as MODALITY/region/finding with '\|'"),
        ("filepath,split,label,labels\na.png,train,XR/chest/x,XR/chest/x\n", "a column `label` and a column `labels`: keep one"),
        (HEADER + "a.png,train,XR/chest/x\nmissing.png,train,XR/chest/x\n", r"1 of 2 images .* missing\.png \(missing\)"),
        (HEADER + "missing.png,train,XR/chest/x\n", r"all 1 images .* missing\.png \(missing\)"),
        ("filepath split label\na.png train XR/chest/x\n", "its header is one cell, 'filepath split label'; put commas between"),
        ("filepath,split,label,Textt,mine\na.png,train,XR/chest/x,1,2\n", "has the unknown columns 'Textt', 'mine': did you mean 'text'.* starts with 'x_', such as 'x_Textt'"),
        (HEADER + "a.png,train,XR/chest/A|XR/chest/B\n", r"row 2 of .* has the label 'XR/chest/A\|XR/chest/B', which reads as several labels: rename the column `label` to `labels`"),
        (HEADER + "a.png,train,XR/chest/A;B\nb.png,train,XR/chest/C;D\n", "'XR/chest/A;B', which reads as several .*; so it is in 1 more row"),
        (HEADER + 'a.png,train,"XR/chest/A, XR/chest/B"\n', "which reads as several labels"),
        ("filepath,split,labels\na.png,train,XR/chest/A;B\n", "has the labels 'XR/chest/A;B': write them as"),
        (HEADER + "a.png,train,XR/chest/ \n", "has the label 'XR/chest/': write it as"),
        ("filepath,split,XR/a/b,XR/a/c,XR/a/b\na.png,train,1,0,1\n", r"has the column 'XR/a/b' 2 times \(columns 3, 5\)"),
        ("filepath,split,XR/a/b,XR / a/b\na.png,train,1,0\n", "'XR/a/b' and 'XR / a/b', which are the same label"),
        ("filepath,split,label,age\na.png,train,XR/chest/x,inf\n", "row 2 of .* has the age 'inf'"),
        ("filepath,split,label,age\na.png,train,XR/chest/x,-1\n", "has the age '-1'"),
        (HEADER + "a.png,train,XR/chest/x,more\n", "row 2 of the dataset CSV .* has 4 cells, the header has 3 columns"),
        (HEADER + "File Missing,train,XR/chest/x\n\na.png,train,bad\n", "row 4 of .* has the label 'bad'"),
    ],
)  # fmt: skip
def test_bad_csvs_get_one_sentence(dataset, text, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        dataset(text)
    assert "\n" not in str(error.value).split("text: ")[0]


def test_missing_root_and_missing_csv(dataset, tmp_path):
    with pytest.raises(
        InputError, match="the image root .*elsewhere of dataset 'data' is not a folder"
    ):
        dataset(HEADER + "a.png,train,XR/chest/x\n", root=tmp_path / "elsewhere")
    with pytest.raises(InputError, match="does not exist"):
        catalog.read_csv(tmp_path / "no.csv")


def test_rejected_rows_are_listed_and_nothing_is_lost(dataset):
    (dataset.images / "empty.png").write_bytes(b"")
    (dataset.images / "folder.png").mkdir()
    text = HEADER + "".join(
        f"{name}.png,train,XR/chest/x\n" for name in ("a", "empty", "gone", "folder", "b")
    )
    table, rejected = dataset(text, max_rejected=0.6)
    assert list(table["path"]) == ["a.png", "b.png"]
    assert dict(zip(rejected["path"], rejected["reason"], strict=True)) == {
        "empty.png": "zero bytes", "folder.png": "not a file", "gone.png": "missing",
    }  # fmt: skip
    assert set(rejected["stage"]) == {"catalog"}


def test_spreadsheet_habits_are_read(dataset):
    table, _ = dataset("\ufefffilepath, split ,label\r\n a.png , train , XR/chest/x\r\n")
    assert table[["path", "split", "label"]].to_numpy().tolist() == [
        ["a.png", "train", "XR/chest/x"]
    ]


def test_a_comma_in_a_finding_is_part_of_it(dataset):
    table, _ = dataset(HEADER + 'a.png,train,"XR/hand/fracture, left"\n')
    assert table["label"].tolist() == ["XR/hand/fracture, left"]


def test_german_excels_table_is_read(dataset):
    text = (
        "filepath;split;labels;age\r\na.png;train;XR/chest/Ödem;47,5\r\nb.png;test;XR/chest/A;\r\n"
    )
    (dataset.images.parent / "data.csv").write_bytes(text.encode("cp1252"))
    table, _ = catalog.build_catalog(dataset.images.parent / "data.csv", "data", dataset.images, 0)
    assert table["label"].tolist() == ["XR/chest/Ödem", "XR/chest/A"]
    assert table["age"].fillna(-1).tolist() == [47.5, -1]


def test_semicolons_between_labels_are_read_as_bars(dataset):
    table, _ = dataset("filepath,split,labels\na.png,train,XR/chest/A; XR/chest/B|XR/chest/A\n")
    assert table["labels"].tolist() == [["XR/chest/A", "XR/chest/B"]]


def test_a_csv_that_changes_while_files_are_looked_up_is_refused(dataset, monkeypatch):
    text = HEADER + "a.png,train,XR/chest/x\n"
    looked_up = catalog._looked_up

    def edit_meanwhile(root, paths):
        (root.parent / "data.csv").write_text(text.replace("XR", "CT"))
        return looked_up(root, paths)

    monkeypatch.setattr(catalog, "_looked_up", edit_meanwhile)
    with pytest.raises(InputError, match=r"data\.csv was changed while it was read: run again"):
        dataset(text)


# --- shards ---


def random_catalog(count, seed=0):
    names = [
        f"{each:07d}.png" for each in np.random.default_rng(seed).permutation(10 * count)[:count]
    ]
    table = pd.DataFrame({"path": sorted(names), "bytes": 1})
    table["id"] = [catalog.image_id("data", path) for path in table["path"]]
    return table


def shards(table, folder, size=64):
    write_shards(table, folder, size)
    return {path.stem: len(path.read_text().splitlines()) - 1 for path in folder.glob("*.tsv")}


def test_shards_hold_every_image_once_and_have_about_the_size_asked(tmp_path):
    table = random_catalog(5000)
    found = shards(table, tmp_path / "shards")
    assert sum(found.values()) == 5000
    assert max(found.values()) <= 128
    assert 40 <= 5000 / len(found) <= 90
    listed = pd.concat(pd.read_csv(path, sep="\t") for path in (tmp_path / "shards").glob("*.tsv"))
    assert set(listed["path"]) == set(table["path"])


@pytest.mark.parametrize("edit", ["append", "remove", "replace"])
def test_an_edit_changes_the_shard_it_falls_into(tmp_path, edit):
    table = random_catalog(5000)
    before = set(shards(table, tmp_path / "before"))
    place = 2345
    if edit == "append":
        new = pd.DataFrame(
            {"path": ["00new.png"], "bytes": [1], "id": [catalog.image_id("data", "00new.png")]}
        )
        table = pd.concat([table, new]).sort_values("path", ignore_index=True)
    elif edit == "remove":
        table = table.drop(index=place).reset_index(drop=True)
    else:
        table.loc[place, "bytes"] = 99
    after = set(shards(table, tmp_path / "after"))
    assert 1 <= len(after - before) <= 2
    assert 1 <= len(before - after) <= 2


def test_the_order_of_rows_in_the_csv_changes_no_shard(dataset, tmp_path):
    rows = [f"{name}.png,train,XR/chest/x\n" for name in "abcd"]
    first, _ = dataset(HEADER + "".join(rows))
    second, _ = dataset(HEADER + "".join(reversed(rows)))
    assert shards(first, tmp_path / "first") == shards(second, tmp_path / "second")


# --- pools ---


def small(name, rows):
    """A catalog of rows (path, split, labels, patient)."""
    table = pd.DataFrame(rows, columns=["path", "split", "labels", "patient_id"])
    table["label"] = [each[0] if len(each) == 1 else None for each in table["labels"]]
    table["id"] = [catalog.image_id(name, path) for path in table["path"]]
    return table


EDEMA, MASS = ["XR/chest/Edema"], ["XR/chest/Mass"]


def test_pool_takes_single_label_images_and_counts_the_rest():
    one = small("one", [("a", "train", EDEMA, "1"), ("b", "test", MASS, "2"), ("c", "train", EDEMA + MASS, "1"), ("d", "train", [], "3"), ("e", "val", MASS, "4")])  # fmt: skip
    two = small("two", [("a", "train", MASS, "2")])
    pooled, counts = pool.pool({"one": one, "two": two}, "x", "train", ["test"])
    assert sorted(pooled["dataset"] + "/" + pooled["path"]) == ["one/a", "one/b", "two/a"]
    # patient 2 of one dataset is not patient 2 of the other
    assert set(pooled["patient_id"]) == {"one:1", "one:2", "two:2"}
    row = counts.set_index(["dataset", "split"]).loc[("one", "train")]
    assert row[["listed", "unlabelled", "several_labels", "taken"]].tolist() == [3, 1, 1, 1]


def test_pool_takes_several_labels_on_request():
    one = small("one", [("a", "train", EDEMA, "1"), ("b", "test", MASS, "2"), ("c", "train", EDEMA + MASS, "1"), ("d", "train", [], "3")])  # fmt: skip
    pooled, counts = pool.pool({"one": one}, "x", "train", ["test"], "multi")
    assert dict(zip(pooled["path"], pooled["labels"], strict=True)) == {
        "a": EDEMA,
        "b": MASS,
        "c": EDEMA + MASS,
    }
    assert pooled.set_index("path")["label"].isna().to_dict() == {"a": False, "b": False, "c": True}
    row = counts.set_index("split").loc["train"]
    assert row[["listed", "unlabelled", "several_labels", "taken"]].tolist() == [3, 1, 1, 2]
    # a split may have images with several labels alone, but not none at all
    several = small("one", [("a", "train", EDEMA + MASS, "1"), ("b", "test", EDEMA + MASS, "2")])
    pooled, _ = pool.pool({"one": several}, "x", "train", ["test"], "multi")
    assert len(pooled) == 2 and pooled["label"].isna().all()
    with pytest.raises(InputError, match="no image with exactly one label in its split 'train'"):
        pool.pool({"one": several}, "x", "train", ["test"], "single")
    with pytest.raises(InputError, match="no image with a label in its split 'test'"):
        pool.pool({"one": one[one["path"] != "b"]}, "x", "train", ["test"], "multi")


def test_split_lists_mark_images_with_several_labels(tmp_path):
    one = small(
        "one",
        [("a", "train", EDEMA, "1"), ("b", "test", MASS, "2"), ("c", "train", EDEMA + MASS, "1")],
    )
    for labels in ("single", "multi"):
        pool.write_splits(
            pool.pool({"one": one}, "x", "train", ["test"], labels)[0], tmp_path / labels
        )
    train = pool.read_split(next((tmp_path / "multi").glob("train.*"))).set_index("id")[
        "several_labels"
    ]
    assert train.to_dict() == {
        catalog.image_id("one", "a"): False,
        catalog.image_id("one", "c"): True,
    }
    assert not pool.read_split(next((tmp_path / "single").glob("train.*")))["several_labels"].any()


def test_pool_refuses_an_empty_split_and_leaves_the_rest_to_the_audit():
    one = small(
        "one",
        [
            ("a", "train", EDEMA, "1"),
            ("b", "test", MASS, "1"),
            ("c", "test", ["XR/chest/edema"], "2"),
        ],
    )
    with pytest.raises(
        InputError,
        match="no image with exactly one label in its split 'val'.*have the splits test, train",
    ):
        pool.pool({"one": one}, "x", "train", ["val"])
    pooled, _ = pool.pool({"one": one}, "x", "train", ["test"])
    assert len(pooled) == 3


def test_slices_of_one_file_are_images_and_the_file_is_looked_up(tmp_path):
    (tmp_path / "head.nii.gz").write_bytes(b"volume")
    rows = ["head.nii.gz#axial=04,train,MR/head/brain", "head.nii.gz#axial=5,train,MR/head/brain", "gone.dcm#frame=0,train,MR/head/brain"]  # fmt: skip
    (tmp_path / "one.csv").write_text("\n".join(["filepath,split,label", *rows]) + "\n")
    table, rejected = catalog.build_catalog(tmp_path / "one.csv", "one", tmp_path, 0.5)
    assert table["path"].tolist() == ["head.nii.gz#axial=4", "head.nii.gz#axial=5"]
    assert table["id"].nunique() == 2 and table["bytes"].tolist() == [6, 6]
    assert rejected[["path", "reason"]].values.tolist() == [["gone.dcm#frame=0", "missing"]]
    (tmp_path / "one.csv").write_text(
        "\n".join(["filepath,split,label", *rows, rows[0].replace("04", "4")]) + "\n"
    )
    with pytest.raises(InputError, match="rows 2, 5 .* list the same image 'head.nii.gz#axial=4'"):
        catalog.build_catalog(tmp_path / "one.csv", "one", tmp_path, 0.5)


def test_split_lists_ignore_labels_and_keep_unknown_patients(tmp_path):
    one = small("one", [("a", "train", EDEMA, None), ("b", "test", MASS, "NA")])
    pooled, _ = pool.pool({"one": one}, "x", "train", ["test"])
    pool.write_splits(pooled, tmp_path / "before")
    pooled["label"] = "XR/chest/Other"
    pool.write_splits(pooled, tmp_path / "after")
    names = sorted(path.name for path in (tmp_path / "before").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "after").iterdir())
    train, test = (
        pool.read_split(next((tmp_path / "after").glob(f"{split}.*")))
        for split in ("train", "test")
    )
    assert train["patient_id"].tolist() == [None]
    assert test["patient_id"].tolist() == ["one:NA"]
    assert train["id"].tolist() == [catalog.image_id("one", "a")]
