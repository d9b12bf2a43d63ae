"""Pseudonyms: keyed, the same for the same name, and links that lead to the images."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from radcbir.core.errors import InputError
from radcbir.datasets import pseudonyms
from radcbir.project.configuration import Project

KEY = b"k" * 32
CARDS = Path(__file__).parents[3] / "config" / "models"
ROWS = """filepath,split,label,patient_id,study_id,x_name
Meier/head.nii.gz#axial=3,train,MR/head/brain,Meier,s1,Anna
Meier/head.nii.gz#axial=4,train,MR/head/brain,Meier,s1,Anna
Schmidt/Scan.DCM,test,MR/head/brain,Schmidt,,Bert
no suffix/IM0001,test,MR/head/brain,,,
by date/scan.20240131,test,MR/head/brain,,,
"""


@pytest.fixture
def csv(tmp_path):
    (tmp_path / "own.csv").write_text(ROWS)
    return tmp_path / "own.csv"


def test_names_become_keyed_digests(csv):
    table, mapping = pseudonyms.pseudonymise(csv, KEY)
    assert (
        "Meier" not in table.to_csv()
        and "Anna" not in table.to_csv()
        and "20240131" not in table.to_csv()
    )
    slices = table[table["filepath"].str.contains("axial")]
    assert (
        slices["filepath"].str.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{14}\.nii\.gz#axial=[34]").all()
    )
    assert (
        len(set(slices["patient_id"])) == 1
        and len({each.split("#")[0] for each in slices["filepath"]}) == 1
    )
    assert table["filepath"].str.endswith(".dcm").sum() == 1
    known = mapping[mapping["kind"] == "patient"].set_index("original")["pseudonym"]
    assert (
        known["Meier"]
        == pseudonyms.pseudonym(KEY, "patient", "Meier")
        == slices["patient_id"].iloc[0]
    )
    assert (
        pseudonyms.pseudonymise(csv, b"other" * 8)[0]["patient_id"].dropna().isin(known).sum() == 0
    )
    assert table.equals(pseudonyms.pseudonymise(csv, KEY)[0])


def test_a_digest_is_the_hmac_of_kind_and_name():
    """Worked once with `printf 'patient\\0Meier' | openssl dgst -sha256 -hmac <key>`."""
    assert pseudonyms.pseudonym(KEY, "patient", "Meier") == "41a74390ffcc4f47"
    assert pseudonyms.pseudonym(KEY, "path", "Meier") != pseudonyms.pseudonym(
        KEY, "patient", "Meier"
    )


def test_series_and_sites_are_names_too(tmp_path):
    (tmp_path / "own.csv").write_text(
        "filepath,split,label,series_id,source,position\n"
        "a.dcm,train,CT/chest/axial,1.2.840.1,St. Anna,3.5\n"
        "b.dcm,train,CT/chest/axial,1.2.840.1,,4.5\n"
    )
    table, mapping = pseudonyms.pseudonymise(tmp_path / "own.csv", KEY)
    kept = table.sort_values("position")
    assert kept["series_id"].tolist() == [pseudonyms.pseudonym(KEY, "series", "1.2.840.1")] * 2
    assert kept["source"].tolist()[0] == pseudonyms.pseudonym(KEY, "source", "St. Anna")
    assert kept["source"].isna().tolist() == [False, True]
    assert kept["position"].tolist() == ["3.5", "4.5"]
    assert {"series", "source"} <= set(mapping["kind"])


def test_links_lead_to_the_images_and_missing_ones_nowhere(csv, tmp_path):
    (tmp_path / "images/Meier").mkdir(parents=True)
    (tmp_path / "images/Meier/head.nii.gz").write_text("volume")
    table, mapping = pseudonyms.pseudonymise(csv, KEY)
    pseudonyms.write_links(mapping, tmp_path / "images", tmp_path / "links")
    link = next(each for each in table["filepath"] if "axial" in each).split("#")[0]
    assert (tmp_path / "links" / link).read_text() == "volume"
    assert sum(path.exists() for path in (tmp_path / "links").glob("*/*")) == 1
    assert len(list((tmp_path / "links").glob("*/*"))) == 4


def test_a_short_key_is_refused(tmp_path):
    (tmp_path / "key").write_text("secret\n")
    with pytest.raises(
        InputError, match="has 6 characters and needs 32: make one, for instance with `openssl rand"
    ):
        pseudonyms.read_key(tmp_path / "key")


def test_the_configuration_turns_every_dataset_to_its_pseudonyms(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cards").mkdir()
    (tmp_path / "img").mkdir()
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    config = yaml.safe_load(
        """
        datasets: {a: {csv: own.csv, images: img}, b: {prepare: {from: folder}, images: img}}
        models: [thumbnail]
        experiments: {x: {datasets: [a, b], index_split: train, query_splits: [test]}}
        pseudonymise: {key_file: key}
        """
    )
    project = Project(config, [CARDS])
    assert (
        project.datasets["a"]["csv"] == "private/a/dataset.csv"
        and project.datasets["b"]["images"] == "private/b/images"
    )
    assert project.originals == {
        "a": {"csv": "own.csv", "images": "img"},
        "b": {"csv": "private/b/prepared.csv", "images": "img"},
    }
    (tmp_path / "results").mkdir()
    for key_file, message in [
        ("keys", "names keys, which does not exist"),
        ("results/key", "among the results"),
    ]:
        (tmp_path / "results/key").write_bytes(KEY)
        with pytest.raises(InputError, match=message):
            Project(config | {"pseudonymise": {"key_file": key_file}}, [CARDS])
    for mode in (0o640, 0o604, 0o622):
        (tmp_path / "key").chmod(mode)
        with pytest.raises(InputError, match=rf"its mode is {mode:04o}.*`chmod 600 key`"):
            Project(config, [CARDS])
    del config["pseudonymise"]
    assert Project(config, [CARDS]).datasets["b"]["csv"] == "results/datasets/b/dataset.csv"


def test_two_names_with_one_digest_are_refused(csv, monkeypatch):
    monkeypatch.setattr(pseudonyms, "pseudonym", lambda key, kind, original: "a" * 16)
    with pytest.raises(
        InputError, match="two names of .* have the same pseudonym: take another key"
    ):
        pseudonyms.pseudonymise(csv, KEY)


def test_the_mapping_has_all_names(csv):
    mapping = pseudonyms.pseudonymise(csv, KEY)[1]
    assert isinstance(mapping, pd.DataFrame)
    assert mapping.groupby("kind").size().to_dict() == {"path": 4, "patient": 2, "study": 1}
