"""From the files that providers hand out to dataset CSVs: made-up folders worked out by hand, and
real metadata."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sklearn.model_selection import train_test_split

from radcbir.core.errors import InputError
from radcbir.core.tables import write_csv
from radcbir.datasets import catalog, preparation_steps
from radcbir.datasets.preparation import ages, draw_patients, prepare, sexes, views
from radcbir.datasets.providers import provider_files, registry
from radcbir.datasets.providers.chexpert import prepare as chexpert
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config" / "models"


def project(dataset: dict) -> Project:
    """A checked configuration with that dataset, so that options have the defaults of the
    schema."""
    experiment = {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}
    config = {
        "datasets": {"set": dataset},
        "models": ["thumbnail"],
        "experiments": {"one": experiment},
    }
    return Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")


@pytest.fixture
def run(tmp_path):
    """Prepares the dataset ``set`` of one provider from files below a folder; returns its CSV and
    counts."""

    def run(provider: str, files: dict[str, str] | None = None, folder: Path = tmp_path, **options):
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        dataset = {
            "prepare": {"from": provider, "metadata": str(folder)} | options,
            "images": str(folder),
        }
        checked = project(dataset)
        options = {
            key: each
            for key, each in checked.datasets["set"]["prepare"].items()
            if key != "metadata"
        }
        return prepare(checked.provider_files["set"], options, folder, "set")

    return run


def counted(counts: pd.DataFrame, step: str) -> dict[str, int]:
    """Images per split after a step."""
    return counts[counts["step"] == step].set_index("split")["images"].to_dict()


# --- what providers share ---


def test_patients_are_drawn_as_scikit_learn_draws_them():
    patients = pd.Series([str(number) for number in range(1, 28009)])
    _, held_out = train_test_split(patients.tolist(), train_size=0.9, random_state=42)
    assert draw_patients(patients, 0.1, 42) == held_out
    # rows may repeat and come in any order
    assert draw_patients(patients.sample(frac=2, replace=True, random_state=0), 0.1, 42) != held_out
    assert (
        draw_patients(pd.concat([patients, patients]).sample(frac=1, random_state=1), 0.1, 42)
        == held_out
    )
    assert draw_patients(patients, 0, 42) == []


def test_ages_sexes_and_views_are_written_alike():
    given = pd.Series(["58", "058Y", "006M", "411", "61.0", None, "old"])
    assert ages(given).fillna(-1).tolist() == [58, 58, 0.5, -1, 61, -1, -1]
    assert sexes(pd.Series(["Female", "M", "Unknown", None])).fillna("").tolist() == [
        "F",
        "M",
        "",
        "",
    ]
    assert views(pd.Series(["pa", "LL", "Lateral", None])).fillna("").tolist() == [
        "PA",
        "LATERAL",
        "LATERAL",
        "",
    ]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"images": "x"}, "the key `csv` is missing under `datasets: set:`: add it"),
        ({"images": "x", "csv": "a.csv", "prepare": {"from": "nih14", "metadata": "x"}}, "keep one of these sets: `csv`; `prepare`"),
        ({"images": "x", "prepare": {"from": "nih", "metadata": "x"}}, "`datasets: set: prepare: from` is 'nih': did you mean nih14?"),
        ({"images": "x", "prepare": {"metadata": "x"}}, "the key `from` is missing under `datasets: set: prepare:`"),
        ({"images": "x", "prepare": {"from": "nih14"}}, "the key `metadata` is missing under `datasets: set: prepare:`"),
        ({"images": "x", "prepare": {"from": "nih14", "metadata": "x", "label": "multi"}}, "unknown key `label` under `datasets: set: prepare:`: did you mean `labels`?"),
        ({"images": "x", "prepare": {"from": "nih14", "metadata": "x", "test": "oficial"}}, "`datasets: set: prepare: test` is 'oficial': did you mean official?"),
        ({"images": "x", "prepare": {"from": "nih14", "metadata": "x", "test": 1.5}}, "`datasets: set: prepare: test` is more than 0.9 (1.5)"),
    ],
)  # fmt: skip
def test_a_wrong_preparation_is_named_with_its_key(dataset, message):
    with pytest.raises(InputError) as caught:
        project(dataset)
    assert str(caught.value).startswith("my.yaml: ") and message in str(caught.value)


REQUIRED = {"3d-mir": {"organ": "colon"}}
"""Options without a default."""


@pytest.mark.parametrize("provider", [name for name, each in registry().items() if each.page])
def test_missing_files_are_one_message_with_source_and_terms(tmp_path, provider):
    prepare = {"from": provider, "metadata": str(tmp_path)} | REQUIRED.get(provider, {})
    with pytest.raises(InputError) as caught:
        project({"images": str(tmp_path), "prepare": prepare})
    message, known = str(caught.value), registry()[provider]
    assert all(
        part in message
        for part in (f"the folder {tmp_path} lacks ", known.title, known.page, known.terms)
    )
    assert message.startswith("my.yaml: `datasets: set: prepare:`") and "\n" not in message
    with pytest.raises(InputError, match="elsewhere is no folder and so lacks"):
        provider_files(
            project_options(provider) | {"metadata": str(tmp_path / "elsewhere")}, "here"
        )


def project_options(provider: str) -> dict:
    """Options that need every file of a provider."""
    return {"from": provider, "test": "official"} | REQUIRED.get(provider, {})


# --- NIH ChestX-ray14 ---

NIH = {
    "Data_Entry_2017_v2020.csv": (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\n"
        "00000001_000.png,Cardiomegaly,0,1,57,M,PA,\n"
        "00000001_001.png,Cardiomegaly|Effusion,1,1,58,M,AP,\n"
        "00001336_000.png,No Finding,0,1336,061Y,F,PA,\n"
        "00001337_000.png,Pleural_Thickening,0,1337,411,F,PA,\n"
        "00030805_000.png,Effusion,0,30805,27,M,PA,\n"
    ),
    "train_val_list.txt": "00000001_000.png\n00000001_001.png\n00001336_000.png\n00001337_000.png\n",
    "test_list.txt": "00030805_000.png\n",
}


def test_nih14(run, tmp_path):
    (tmp_path / "images_001/images").mkdir(parents=True)
    table, counts = run("nih14", NIH, validation=0.34)
    assert table["filepath"].tolist() == [
        "images_001/images/00000001_000.png", "images_002/images/00001336_000.png",
        "images_002/images/00001337_000.png", "images_012/images/00030805_000.png",
    ]  # fmt: skip
    assert table["label"].tolist() == [
        "XR/chest/Cardiomegaly", "XR/chest/No Finding", "XR/chest/Pleural Thickening", "XR/chest/Pleural Effusion",
    ]  # fmt: skip
    assert table["patient_id"].tolist() == ["1", "1336", "1337", "30805"]
    assert table["study_id"].tolist()[0] == "1_0" and table["view"].tolist() == ["PA"] * 4
    assert table["age"].fillna("").tolist() == ["57", "61", "", "27"] and table["sex"].tolist() == [
        "M",
        "F",
        "F",
        "M",
    ]
    assert set(table["dataset"]) == {"set"} and table["split"].tolist()[3] == "test"
    # two of the three other patients are drawn for val, one image of patient 1 has two labels
    assert sorted(table["split"]) in (["test", "train", "val", "val"],)
    assert counted(counts, "listed by the provider") == {"all": 5}
    assert sum(counted(counts, "split by patient").values()) == 5
    assert sum(counted(counts, "exactly one label").values()) == 4


def test_several_labels_are_kept_on_request_and_read_by_the_catalog(run, tmp_path):
    table, _ = run("nih14", NIH, labels="multi", harmonise=False)
    labels = table.set_index("filepath")["labels"]
    assert labels["00000001_001.png"] == "XR/chest/Cardiomegaly|XR/chest/Effusion"
    assert labels["00001337_000.png"] == "XR/chest/Pleural_Thickening"
    for path in table["filepath"]:
        (tmp_path / path).write_bytes(b"x")
    write_csv(table, tmp_path / "set.csv")
    rows, _ = catalog.build_catalog(tmp_path / "set.csv", "set", tmp_path, 0.0)
    assert rows["labels"].tolist()[:2] == [
        ["XR/chest/Cardiomegaly"],
        ["XR/chest/Cardiomegaly", "XR/chest/Effusion"],
    ]
    assert rows["label"].fillna("").tolist()[:2] == ["XR/chest/Cardiomegaly", ""]


def test_one_hot_columns_stand_in_the_providers_order(run, tmp_path):
    table, _ = run("nih14", NIH, one_hot=True)
    one_hot = table.loc[:, "XR/chest/No Finding":]
    assert list(one_hot)[:6] == [
        "XR/chest/No Finding", "XR/chest/Atelectasis", "XR/chest/Cardiomegaly", "XR/chest/Consolidation", "XR/chest/Edema",
        "XR/chest/Pleural Effusion",
    ]  # fmt: skip
    assert one_hot.shape[1] == 15 and (one_hot.sum(axis=1) == 1).all()
    label = run("nih14", NIH)[0]["label"]
    assert one_hot.idxmax(axis=1).tolist() == label.tolist()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("Data_Entry_2017_v2020.csv", "Finding Labels", "Finding Label", "has no column 'Finding Labels': was it renamed to 'Finding Label'?"),
        ("Data_Entry_2017_v2020.csv", "|Effusion", "|Efusion", r"row 3 of .*csv has the unknown label 'Efusion' in the column 'Finding Labels': did you mean 'Effusion'\?"),
        ("Data_Entry_2017_v2020.csv", "No Finding", "", r"row 4 of .*csv has the unknown label '' in the column"),
        ("test_list.txt", "00030805_000.png", "00000001_000.png", "share the image 00000001_000.png"),
        ("test_list.txt", "00030805_000.png", "", "test_list.txt is empty"),
        ("Data_Entry_2017_v2020.csv", "00001336_000.png", "", "row 4 of .* has no 'Image Index': fill it in"),
        ("Data_Entry_2017_v2020.csv", "58,M,AP", "58,M", "row 3 of .* has 7 cells, the header has 8 columns"),
    ],
)  # fmt: skip
def test_files_that_are_not_as_handed_out_are_named(run, name, old, new, message):
    with pytest.raises(InputError, match=message):
        run("nih14", NIH | {name: NIH[name].replace(old, new)})


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_rows(run, tmp_path):
    header, *rows = NIH["Data_Entry_2017_v2020.csv"].splitlines(keepends=True)
    turned = NIH | {"Data_Entry_2017_v2020.csv": "".join([header, *reversed(rows)])}
    for name, files in (("first.csv", NIH), ("second.csv", NIH), ("turned.csv", turned)):
        write_csv(run("nih14", files, test=0.2)[0], tmp_path / name)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "turned.csv").read_bytes()


# --- CheXpert and MIMIC-CXR-JPG: uncertain labels ---

FINDINGS = list(chexpert.FINDINGS)


def study(prefix: str, **labels: float) -> str:
    """A row of a table of the CheXpert labeller: what stands before the labels, then one cell per
    finding."""
    cells = {name: str(labels.get(name.replace(" ", "_"), "")) for name in FINDINGS}
    return ",".join([prefix, *cells.values()]) + "\n"


def chexpert_files() -> dict[str, str]:
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(FINDINGS) + "\n"
    path = "CheXpert-v1.0-small/{}/patient0000{}/study1/view1_frontal.jpg,Female,68,Frontal,AP"
    lateral = "CheXpert-v1.0-small/train/patient00004/study2/view2_lateral.jpg,Unknown,20,Lateral,"
    return {
        "CheXpert-v1.0-small/train.csv": header
        + study(path.format("train", 1), Edema=1.0, Support_Devices=1.0)
        + study(path.format("train", 2), Edema=1.0, Fracture=-1.0, Pneumonia=0.0)
        + study(path.format("train", 3), Edema=1.0, Fracture=1.0, Pneumonia=-1.0)
        + study(lateral, Pneumonia=-1.0)
        + study(path.format("train", 5), Support_Devices=-1.0, No_Finding=1.0),
        "CheXpert-v1.0-small/valid.csv": header
        + study(path.format("valid", 6), Edema=1.0, No_Finding=0.0),
    }


@pytest.mark.parametrize(
    ("policy", "patients"),
    [
        ("negative", {1: "Edema", 2: "Edema", 5: "No Finding", 6: "Edema"}),
        ("positive", {1: "Edema", 4: "Pneumonia", 5: "No Finding", 6: "Edema"}),
        ("ignore", {1: "Edema", 5: "No Finding", 6: "Edema"}),
        # 1 - 1 = 0 loses patient 2; 1 + 1 - 1 = 1 keeps patient 3 for the draw, whose two labels
        # lose it afterwards
        ("paper", {1: "Edema", 5: "No Finding", 6: "Edema"}),
    ],
)
def test_chexpert_settles_uncertain_labels_by_one_policy(run, policy, patients):
    table, counts = run("chexpert", chexpert_files(), uncertain=policy, validation=0.0)
    found = dict(zip(table["patient_id"], table["label"], strict=True))
    assert found == {
        f"patient0000{number}": f"XR/chest/{finding}" for number, finding in patients.items()
    }
    assert table.set_index("patient_id")["split"].to_dict()["patient00006"] == "test"
    if policy == "paper":
        assert counted(counts, "values add up to one, uncertain ones as -1") == {"all": 4}
    if policy == "positive":
        lateral = table.set_index("patient_id").loc["patient00004"]
        assert lateral[["study_id", "view", "age"]].tolist() == [
            "patient00004_study2",
            "LATERAL",
            "20",
        ]


def test_chexpert_keeps_support_devices_on_request_and_finds_either_root(run, tmp_path):
    table, _ = run("chexpert", chexpert_files(), drop=[], labels="multi", uncertain="positive")
    labels = table.set_index("patient_id")["labels"]
    assert labels["patient00001"] == "XR/chest/Edema|XR/chest/Support Devices"
    assert table["filepath"][0].startswith("CheXpert-v1.0-small/train/")
    root = tmp_path / "CheXpert-v1.0-small"
    (root / "train").mkdir()
    assert run("chexpert", folder=root)[0]["filepath"][0].startswith("train/patient00001/")


def test_chexpert_in_the_four_batches_that_are_handed_out(run, tmp_path):
    tables, train = "CheXpert-v1.0 batch 1 (validate & csv)", "CheXpert-v1.0 batch {} (train {})"
    files = {
        f"{tables}/{name.rpartition('/')[2]}": text.replace("-small", "")
        for name, text in chexpert_files().items()
    }
    images = [f"{tables}/valid/patient00006", f"{train.format(2, 1)}/patient00001"]
    images += [f"{train.format(3, 2)}/patient0000{number}" for number in (2, 3, 4)]
    for folder in images:
        (tmp_path / folder / "study1").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"1 of 6 patients, such as patient00005, have no folder .* all four"
    ):
        run("chexpert", files)
    (tmp_path / train.format(4, 3) / "train/patient00005").mkdir(parents=True)
    for metadata in (tmp_path, tmp_path / tables):
        options = {"metadata": str(metadata), "uncertain": "positive", "validation": 0.0}
        table, _ = run("chexpert", **options)
        assert table["filepath"].tolist() == [
            f"{tables}/valid/patient00006/study1/view1_frontal.jpg",
            f"{train.format(2, 1)}/patient00001/study1/view1_frontal.jpg",
            f"{train.format(3, 2)}/patient00004/study2/view2_lateral.jpg",
            f"{train.format(4, 3)}/train/patient00005/study1/view1_frontal.jpg",
        ]
    with pytest.raises(InputError, match="is one batch of CheXpert: name the folder that holds"):
        run("chexpert", folder=tmp_path / tables)


def test_tables_without_an_image_root_have_paths_as_the_provider_lists_them(run, tmp_path):
    run("nih14", NIH)
    options = {"from": "nih14", "labels": "single", "test": 0.2, "validation": 0.1, "seed": 0, "harmonise": True}  # fmt: skip
    found, _ = prepare({"entries": tmp_path / "Data_Entry_2017_v2020.csv"}, options, None, "set")
    assert found["filepath"].tolist()[0] == "00000001_000.png"


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"drop": ["Support Device"]}, None, "`drop:` names the label 'Support Device', .*did you mean 'Support Devices'"),
        ({"uncertain": "paper", "labels": "multi"}, None, "`uncertain: paper` goes with `labels: single`"),
        ({}, ("train.csv", ",Edema,", ",Oedema,"), "train.csv has no column 'Edema': was it renamed to 'Oedema'"),
        ({}, ("train.csv", "-1.0", "2"), "row 3 of .*train.csv has '2' in the column 'Fracture': only 1, 0"),
        ({}, ("train.csv", "train/patient00001/study1", "train/0001"), "'CheXpert-v1.0-small/train/0001/view1_frontal.jpg' in the column 'Path'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_chexpert_is_named(run, options, change, message):
    files = chexpert_files()
    if change:
        name, old, new = change
        files = {
            path: text.replace(old, new) if path.endswith(name) else text
            for path, text in files.items()
        }
    with pytest.raises(InputError, match=message):
        run("chexpert", files, **options)


def mimic_files() -> dict[str, str]:
    return {
        "mimic-cxr-2.0.0-split.csv": "dicom_id,study_id,subject_id,split\n"
        "aa-1,50000001,10000032,train\naa-2,50000001,10000032,train\nbb-1,50000002,11000032,validate\n"
        "cc-1,50000003,12000032,test\ncc-2,50000009,12000032,test\n",
        "mimic-cxr-2.0.0-chexpert.csv": "subject_id,study_id," + ",".join(FINDINGS) + "\n"
        + study("12000032,50000003", Edema=1.0, Fracture=-1.0)
        + study("10000032,50000001", No_Finding=1.0, Support_Devices=1.0)
        + study("11000032,50000002", Pneumonia=1.0, Edema=1.0),
        "mimic-cxr-2.0.0-metadata.csv": "dicom_id,subject_id,study_id,ViewPosition\n"
        "aa-2,10000032,50000001,LL\naa-1,10000032,50000001,PA\nbb-1,11000032,50000002,AP\ncc-1,12000032,50000003,\n",
    }  # fmt: skip


def test_mimic_cxr(run):
    table, counts = run("mimic-cxr", mimic_files())
    assert table[["filepath", "split", "label", "study_id"]].to_numpy().tolist() == [
        ["files/p10/p10000032/s50000001/aa-1.jpg", "train", "XR/chest/No Finding", "50000001"],
        ["files/p10/p10000032/s50000001/aa-2.jpg", "train", "XR/chest/No Finding", "50000001"],
        ["files/p12/p12000032/s50000003/cc-1.jpg", "test", "XR/chest/Edema", "50000003"],
    ]
    assert table["view"].fillna("").tolist() == ["PA", "LATERAL", ""]
    assert counted(counts, "listed by the provider") == {"train": 2, "val": 1, "test": 2}
    assert counted(counts, "labelled studies") == {"train": 2, "val": 1, "test": 1}
    assert run("mimic-cxr", uncertain="paper")[0].equals(table), (
        "the reference reads uncertain as negative here"
    )
    assert run("mimic-cxr", uncertain="ignore")[0]["split"].tolist() == ["train", "train"]
    several = run("mimic-cxr", labels="multi")[0].set_index("split")["labels"]
    assert several["val"] == "XR/chest/Edema|XR/chest/Pneumonia"
    twice = mimic_files()["mimic-cxr-2.0.0-split.csv"] + "cc-1,50000003,12000032,test\n"
    with pytest.raises(InputError, match="split.csv lists the dicom_id cc-1 twice"):
        run("mimic-cxr", mimic_files() | {"mimic-cxr-2.0.0-split.csv": twice})
    with pytest.raises(InputError, match=r"row 4 of .*split.csv has 'valid' in the column 'split'"):
        name = "mimic-cxr-2.0.0-split.csv"
        run("mimic-cxr", {name: mimic_files()[name].replace("validate", "valid")})


# --- RadImageNet, PadChest, VinDr-CXR ---

RADIMAGENET = {
    "RadiologyAI_train.csv": "filename,label\nradiology_ai/MR/knee/acl_pathology/a1.png,acl\n"
    "radiology_ai/US/aorta/usn1.png,aorta\nradiology_ai/US/aorta/usn1.png,aorta\nradiology_ai/CT/abd/normal/n1.png,normal\n",
    "RadiologyAI_val.csv": "filename,label\nradiology_ai/US/thyroid_nodule/usn2.png,thyroid nodule\n",
    "RadiologyAI_test.csv": "filename,label\nradiology_ai/CT/lung/normal/n2.png,normal\n",
    "ignore_list.txt": "radiology_ai/CT/abd/normal/n1.png\n\n",
}


def test_radimagenet(run, tmp_path):
    table, counts = run("radimagenet", RADIMAGENET, ignore_list="ignore_list.txt")
    assert table[["filepath", "split", "label"]].to_numpy().tolist() == [
        ["radiology_ai/CT/lung/normal/n2.png", "test", "CT/lung/normal"],
        ["radiology_ai/MR/knee/acl_pathology/a1.png", "train", "MR/knee/acl_pathology"],
        ["radiology_ai/US/aorta/usn1.png", "train", "US/aorta/normal"],
        ["radiology_ai/US/thyroid_nodule/usn2.png", "val", "US/thyroid/nodule"],
    ]
    assert counted(counts, "listed by the provider")["train"] == 4
    assert counted(counts, "each file once")["train"] == 3
    assert counted(counts, "without the files of the ignore list")["train"] == 2
    assert counts["patients"].isna().all()
    assert len(run("radimagenet")[0]) == 5, "without an ignore list nothing is ignored"
    with pytest.raises(InputError, match=r"lacks ignored.txt of RadImageNet"):
        run("radimagenet", ignore_list="ignored.txt")
    with pytest.raises(
        InputError,
        match=r"RadiologyAI_val.csv has the path 'thyroid/usn2.png' in the column 'filename'",
    ):
        run("radimagenet", {"RadiologyAI_val.csv": "filename,label\nthyroid/usn2.png,x\n"})


def padchest_file(labels: list[str]) -> dict[str, str]:
    """Six images of six patients with these cells in `Labels`."""
    columns = "ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,Manufacturer_DICOM,Projection,Labels\n"
    rows = [
        f'{n}.png,{n % 2},20150914,s{n},p{n},1930.0,F,Philips,L,"{each}"\n'
        for n, each in enumerate(labels)
    ]
    return {"PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv": columns + "".join(rows)}


PADCHEST = ["['normal']", "['pleural effusion', ' pleural effusion', '']", "['kyphosis', 'normal']", "['exclude']", "nan", "['suboptimal study', 'unchanged']"]  # fmt: skip


def test_padchest(run, tmp_path):
    (tmp_path / "0").mkdir()
    table, counts = run("padchest", padchest_file(PADCHEST), test=0.4)
    assert table[
        ["filepath", "label", "age", "sex", "view", "patient_id", "scanner"]
    ].to_numpy().tolist() == [
        ["0/0.png", "XR/chest/No Finding", "85", "F", "LATERAL", "p0", "Philips"],
        ["1/1.png", "XR/chest/Pleural Effusion", "85", "F", "LATERAL", "p1", "Philips"],
    ]
    assert counts.groupby("step", sort=False)["images"].sum().tolist() == [6, 6, 4, 2]
    several = run("padchest", padchest_file(PADCHEST), labels="multi", harmonise=False)[0]
    assert several["labels"].tolist() == [
        "XR/chest/normal",
        "XR/chest/kyphosis|XR/chest/normal",
        "XR/chest/pleural effusion",
    ]
    with pytest.raises(
        InputError, match=r"row 3 of .*csv has \"\['normal'\" in the column 'Labels'"
    ):
        run("padchest", padchest_file([PADCHEST[0], "['normal'", *PADCHEST[2:]]))
    with pytest.raises(InputError, match="`leave_out:` names the label 'excluded'"):
        run("padchest", padchest_file(PADCHEST), leave_out=["excluded"])


def test_vindr_cxr(run):
    files = {
        "annotations/image_labels_train.csv": "image_id,rad_id,Pleural effusion,Other diseases,No finding\n"
        "b,R1,1,0,0\nb,R2,1,1,0\nb,R3,0,0,1\na,R1,0,0,1\na,R2,0,0,1\na,R3,0,0,1\n",
        "annotations/image_labels_test.csv": "image_id,Pleural effusion,Other disease,No finding\nc,0,1,0\n",
    }
    table, _ = run("vindr-cxr", files, validation=0.0)
    assert table[["filepath", "split", "label"]].to_numpy().tolist() == [
        ["test/c.dicom", "test", "XR/chest/Other diseases"],
        ["train/a.dicom", "train", "XR/chest/No Finding"],
        ["train/b.dicom", "train", "XR/chest/Pleural Effusion"],
    ]
    every = run("vindr-cxr", agreement=1, labels="multi", suffix=".png", validation=0.0)[
        0
    ].set_index("filepath")["labels"]
    assert (
        every["train/b.png"]
        == "XR/chest/No Finding|XR/chest/Other diseases|XR/chest/Pleural Effusion"
    )
    with pytest.raises(
        InputError, match="no image of dataset 'set' is left|hands out no labels of its test images"
    ):
        run(
            "vindr-cxr",
            {"train.csv": "image_id,class_name,rad_id\na,No finding,R1\n"},
            release="kaggle",
        )


# --- real metadata, as far as a package ships it ---

SHIPPED = Path(find_spec("torchxrayvision").origin).parent / "data"


@pytest.fixture(scope="session")
def shipped(tmp_path_factory):
    """A folder with provider files under their own names."""
    folder = tmp_path_factory.mktemp("shipped")
    names = {
        "Data_Entry_2017_v2020.csv.gz": "Data_Entry_2017_v2020.csv.gz",
        "chexpert_train.csv.gz": "train.csv.gz",
        "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz": "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz",
    }
    for name, own in names.items():
        (folder / own).symlink_to(SHIPPED / name)
    header = (
        gzip.decompress((SHIPPED / "chexpert_train.csv.gz").read_bytes())
        .split(b"\n", 1)[0]
        .decode()
    )
    (folder / "valid.csv").write_text(header + "\n" + study("CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP", Edema=1.0))  # fmt: skip
    (folder / "kaggle").mkdir()
    (folder / "kaggle/train.csv.gz").symlink_to(SHIPPED / "vinbigdata-train.csv.gz")
    return folder


def test_real_chexpert_gives_the_papers_counts(run, shipped):
    """The figures: the reference's own script on the same train.csv."""
    table, counts = run("chexpert", folder=shipped, uncertain="paper")
    assert counted(counts, "listed by the provider") == {"all": 223_414 + 1}
    splits = table.groupby("split").agg(
        images=("filepath", "size"), patients=("patient_id", "nunique")
    )
    assert splits.loc[["train", "val"]].to_numpy().tolist() == [[50_194, 26_810], [5_587, 2_962]]
    train = table[table["split"] != "test"]
    assert train["view"].eq("LATERAL").sum() == 10_834
    frequent = (
        table.loc[table["split"] == "train", "label"].str.removeprefix("XR/chest/").value_counts()
    )
    expected = {
        "No Finding": 20_231,
        "Pleural Effusion": 5_457,
        "Enlarged Cardiomediastinum": 1_363,
        "Pleural Other": 350,
    }
    assert {name: frequent[name] for name in expected} == expected
    # under MIMIC's rule no image is lost to an uncertain label
    table, _ = run("chexpert", folder=shipped, uncertain="negative")
    assert (table["split"] != "test").sum() == 82_894


def test_real_nih14_adds_up_to_the_papers_counts(run, shipped):
    """The official lists are shipped nowhere: images with one label in all, and all patients but
    the 2,797 of the test."""
    table, counts = run("nih14", folder=shipped, test=0.1)
    assert counted(counts, "listed by the provider") == {"all": 112_120}
    assert len(table) == 66_192 + 7_279 + 17_853
    assert (table["label"] == "XR/chest/No Finding").sum() == 45_485 + 5_015 + 9_861
    assert (
        set(table["sex"]) == {"M", "F"}
        and set(table["view"]) == {"PA", "AP"}
        and table["age"].notna().all()
    )
    patients = pd.Series([str(number) for number in range(30_805 - 2_797)])
    assert len(draw_patients(patients, 0.1, 42)) == 2_801


def test_real_padchest_and_vindr_cxr(run, shipped):
    table, counts = run("padchest", folder=shipped)
    assert counted(counts, "listed by the provider") == {"all": 160_861}
    assert not set(table["label"]) & {"XR/chest/exclude", "XR/chest/unchanged"}
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    table, counts = run(
        "vindr-cxr", folder=shipped / "kaggle", release="kaggle", test=0.2, labels="multi"
    )
    assert counted(counts, "split by image")["test"] == 3_000
    # 31,818 readings say "No finding": all three readers agree on 10,606 images, and nobody is
    # alone with it
    assert (table["labels"] == "XR/chest/No Finding").sum() * 3 == 31_818


def test_the_page_shows_what_each_step_left(run, tmp_path):
    _, counts = run("nih14", NIH, validation=0.34)
    write_csv(counts, tmp_path / "counts.csv")
    shown = preparation_steps.preparation_steps(pd.read_csv(tmp_path / "counts.csv"))
    assert shown["splits"] == ["train", "val", "test"] and shown["patients"]
    assert shown["rows"][0] == {
        "step": "listed by the provider",
        "cells": ["", "", ""],
        "total": "5 (4)",
    }
    assert (
        shown["rows"][-1]["step"] == "exactly one label"
        and shown["rows"][-1]["cells"][2] == "1 (1)"
    )
    assert shown["rows"][-1]["total"] == "4 (4)"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n", b"\x1f\x8bno gzip at all"])
def test_a_broken_download_is_one_sentence(run, tmp_path, content):
    name = "Data_Entry_2017.csv.gz" if content.startswith(b"\x1f") else "Data_Entry_2017.csv"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read|has no column") as caught:
        run("nih14", test=0.1)
    assert name in str(caught.value)
