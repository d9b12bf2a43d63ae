"""3D-MIR's splits and labels, as they are published, on made-up volumes."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from radcbir.core.errors import InputError
from radcbir.datasets.preparation import prepare
from radcbir.project.configuration import Project

CARDS = Path(__file__).parents[3] / "config/models"

LABELS = """name,organ,max_tumor_size,number_tumors,lesion_group,cancer_flag,CaptionV1,CaptionV2,CaptionV3
liver_0.nii.gz,liver,2.436329438,7,2,1,"This 3D volume depicts a liver with 7 tumors, the largest of which measures 2.44 centimeters in length.","One, two","A
text of several lines"
liver_1.nii.gz,liver,0,0,-1,0,"\"\"This is a normal image\"\"",a,b
lung_069.nii.gz,liver,0,0,-1,0,a,b,c
liver_10.nii.gz,liver,12.1,9,3,1,a,b,c
"""


def write_volume(path, slices=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.arange(8 * 8 * slices, dtype=np.int16).reshape(8, 8, slices)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 5, 1])), path)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder Data of the benchmark, and volumes as the decathlon packs them."""
    monkeypatch.chdir(tmp_path)
    for folder in ("3DMIR_labels", "Data_Splits"):
        (tmp_path / "Data" / folder).mkdir(parents=True)
    (tmp_path / "Data/3DMIR_labels/liver_labels_and_captions.csv").write_text(LABELS)
    train, test = (
        ",training\n0,liver_0.nii.gz\n1,liver_1.nii.gz\n",
        ",testing\n0,lung_069.nii.gz\n1,liver_10.nii.gz\n2,liver_99.nii.gz\n",
    )
    (tmp_path / "Data/Data_Splits/liver_full_train_split.csv").write_text(train)
    (tmp_path / "Data/Data_Splits/liver_full_test_split.csv").write_text(test)
    for name in (
        "Task03_Liver/imagesTr/liver_0",
        "Task03_Liver/imagesTr/liver_1",
        "Task06_Lung/imagesTr/lung_069",
    ):
        write_volume(tmp_path / f"msd/{name}.nii.gz")
    write_volume(tmp_path / "msd/Task03_Liver/labelsTr/liver_0.nii.gz")
    write_volume(tmp_path / "msd/Task03_Liver/imagesTr/._liver_0.nii.gz")
    return tmp_path


def run(root, **options):
    """The table of the dataset and the counts by step."""
    given = {"from": "3d-mir", "metadata": str(root / "Data"), "organ": "liver"} | options
    config = {
        "datasets": {"set": {"prepare": given, "images": str(root / "msd")}},
        "models": ["thumbnail"],
        "experiments": {
            "one": {"datasets": ["set"], "index_split": "train", "query_splits": ["test"]}
        },
    }
    project = Project(yaml.safe_load(yaml.safe_dump(config)), [CARDS], "my.yaml")
    checked = {k: v for k, v in project.datasets["set"]["prepare"].items() if k != "metadata"}
    table, counts = prepare(project.provider_files["set"], checked, root / "msd", "set")
    return table, counts


def test_slices_have_the_split_and_the_label_of_their_volume(root):
    table, counts = run(root)
    kept = table[["filepath", "split", "patient_id", "series_id", "view", "instance", "label"]]
    liver_0 = kept[kept["patient_id"] == "liver_0"]
    assert liver_0.to_numpy().tolist() == [
        [
            f"Task03_Liver/imagesTr/liver_0.nii.gz#axial={each}",
            "train",
            "liver_0",
            "liver_0",
            "axial",
            each,
            "CT/liver/tumor",
        ]
        for each in range(4)
    ]
    lung = kept[kept["patient_id"] == "lung_069"]
    assert set(lung["split"]) == {"test"} and set(lung["label"]) == {"CT/liver/no tumor"}
    # On no disk: it stays, so that the ledger names it.
    assert kept[kept["patient_id"] == "liver_10"]["filepath"].tolist() == ["liver_10.nii.gz"]
    step = counts[counts["step"].str.startswith("volumes of a split without a label")]
    assert step["images"].tolist() == [1], "liver_99"


def test_lesion_groups_and_fewer_slices(root):
    table, _ = run(root, label="lesion_group", step=2, planes=["axial", "coronal"])
    labels = table.groupby("patient_id")["label"].agg(set).to_dict()
    assert labels == {
        "liver_0": {"CT/liver/lesion group 2"},
        "liver_1": {"CT/liver/no tumor"},
        "lung_069": {"CT/liver/no tumor"},
        "liver_10": {"CT/liver/lesion group 3"},
    }
    here = table[table["patient_id"] == "liver_0"]
    assert here["view"].value_counts().to_dict() == {"coronal": 4, "axial": 2}


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "Data_Splits/liver_full_test_split.csv",
            ",testing\n0,liver_0.nii.gz\n",
            r"list the volume liver_0.nii.gz twice",
        ),
        (
            "Data_Splits/liver_full_test_split.csv",
            ",names\n0,liver_0.nii.gz\n",
            r"has no column 'testing'",
        ),
        (
            "3DMIR_labels/liver_labels_and_captions.csv",
            "name,lesion_group,cancer_flag\nliver_0.nii.gz,2,yes\n",
            r"the cancer_flag 'yes'",
        ),
        (
            "3DMIR_labels/liver_labels_and_captions.csv",
            "name,lesion_group,cancer_flag\nliver_0.nii.gz,big,1\n",
            r"the lesion_group 'big'",
        ),
        (
            "3DMIR_labels/liver_labels_and_captions.csv",
            "name,lesion_group,cancer_flag\ncolon_1.nii.gz,2,1\n",
            r"has no row for a volume of .* files of one organ",
        ),
    ],
)
def test_wrong_files_are_one_sentence(root, file, text, sentence):
    (root / "Data" / file).write_text(text)
    with pytest.raises(InputError, match=sentence):
        run(root)


def test_a_volume_twice_below_the_images_is_one_sentence(root):
    write_volume(root / "msd/copy/liver_0.nii.gz")
    with pytest.raises(InputError, match=r"liver_0.nii.gz is twice below .*Task03_Liver/imagesTr"):
        run(root)


def test_files_that_are_missing_are_named_with_where_they_are_to_be_had(root):
    (root / "Data/Data_Splits/liver_full_train_split.csv").unlink()
    with pytest.raises(
        InputError,
        match=r"lacks Data_Splits/liver_full_train_split.csv of 3D-MIR: get it from https",
    ):
        run(root)
