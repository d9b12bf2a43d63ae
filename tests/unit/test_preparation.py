"""From the files that providers hand out to dataset CSVs: made-up folders worked out by hand, and real metadata."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from sklearn.model_selection import train_test_split

from radcbir import catalog
from radcbir.errors import InputError
from radcbir.preparation.providers import PROVIDERS, provider_files
from radcbir.preparation.steps import ages, draw_patients, prepare, sexes, views
from radcbir.project import Project

CARDS = Path(__file__).parents[2] / "config" / "models"


def project(dataset: dict) -> Project:
    """A checked configuration with that dataset, so that options have the defaults of the schema."""
    experiment = {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}
    config = {"datasets": {"set": dataset}, "models": ["thumbnail"], "experiments": {"one": experiment}}
    return Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")


@pytest.fixture
def run(tmp_path):
    """Prepares the dataset ``set`` of one provider from files below a folder; returns its CSV and counts."""

    def run(provider: str, files: dict[str, str] | None = None, folder: Path = tmp_path, **options):
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        dataset = {"prepare": {"from": provider, "metadata": str(folder)} | options, "images": str(folder)}
        checked = project(dataset)
        options = {key: each for key, each in checked.datasets["set"]["prepare"].items() if key != "metadata"}
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
    assert draw_patients(pd.concat([patients, patients]).sample(frac=1, random_state=1), 0.1, 42) == held_out
    assert draw_patients(patients, 0, 42) == []


def test_ages_sexes_and_views_are_written_alike():
    given = pd.Series(["58", "058Y", "006M", "411", "61.0", None, "old"])
    assert ages(given).fillna(-1).tolist() == [58, 58, 0.5, -1, 61, -1, -1]
    assert sexes(pd.Series(["Female", "M", "Unknown", None])).fillna("").tolist() == ["F", "M", "", ""]
    assert views(pd.Series(["pa", "LL", "Lateral", None])).fillna("").tolist() == ["PA", "LATERAL", "LATERAL", ""]


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


@pytest.mark.parametrize("provider", [name for name, each in PROVIDERS.items() if each.page])
def test_missing_files_are_one_message_with_source_and_terms(tmp_path, provider):
    with pytest.raises(InputError) as caught:
        project({"images": "x", "prepare": {"from": provider, "metadata": str(tmp_path)}})
    message, known = str(caught.value), PROVIDERS[provider]
    assert all(part in message for part in (f"the folder {tmp_path} lacks ", known.title, known.page, known.terms))
    assert message.startswith("my.yaml: `datasets: set: prepare:`") and "\n" not in message
    with pytest.raises(InputError, match="does not exist"):
        provider_files(project_options(provider) | {"metadata": str(tmp_path / "elsewhere")}, "here")


def project_options(provider: str) -> dict:
    """Options that need every file of a provider."""
    return {"from": provider, "test": "official"}


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
    assert table["age"].fillna("").tolist() == ["57", "61", "", "27"] and table["sex"].tolist() == ["M", "F", "F", "M"]
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
    catalog.write_csv(table, tmp_path / "set.csv")
    rows, _ = catalog.build_catalog(tmp_path / "set.csv", "set", tmp_path, 0.0)
    assert rows["labels"].tolist()[:2] == [["XR/chest/Cardiomegaly"], ["XR/chest/Cardiomegaly", "XR/chest/Effusion"]]
    assert rows["label"].fillna("").tolist()[:2] == ["XR/chest/Cardiomegaly", ""]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("Data_Entry_2017_v2020.csv", "Finding Labels", "Finding Label", "has no column 'Finding Labels': was it renamed to 'Finding Label'?"),
        ("Data_Entry_2017_v2020.csv", "|Effusion", "|Efusion", r"row 3 of .*csv has the unknown label 'Efusion' in the column 'Finding Labels': did you mean 'Effusion'\?"),
        ("Data_Entry_2017_v2020.csv", "No Finding", "", r"row 4 of .*csv has the unknown label '' in the column"),
        ("test_list.txt", "00030805_000.png", "00000001_000.png", "share the image 00000001_000.png"),
        ("test_list.txt", "00030805_000.png", "", "test_list.txt is empty"),
    ],
)  # fmt: skip
def test_files_that_are_not_as_handed_out_are_named(run, name, old, new, message):
    with pytest.raises(InputError, match=message):
        run("nih14", NIH | {name: NIH[name].replace(old, new)})


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_rows(run, tmp_path):
    header, *rows = NIH["Data_Entry_2017_v2020.csv"].splitlines(keepends=True)
    turned = NIH | {"Data_Entry_2017_v2020.csv": "".join([header, *reversed(rows)])}
    for name, files in (("first.csv", NIH), ("second.csv", NIH), ("turned.csv", turned)):
        catalog.write_csv(run("nih14", files, test=0.2)[0], tmp_path / name)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "turned.csv").read_bytes()
