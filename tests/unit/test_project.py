"""Configuration and model cards: what is refused and with which sentence, and what of a card changes its embeddings."""

import json
from pathlib import Path

import pytest
import yaml

from radcbir import cards, targets
from radcbir.errors import InputError
from radcbir.project import CONFIG_SCHEMA, Project

CARDS = Path(__file__).parents[2] / "config" / "models"
LITE0 = yaml.safe_load((CARDS / "efficientnet-lite0.yaml").read_text())


@pytest.fixture
def config(tmp_path):
    (tmp_path / "images.csv").write_text("filepath,split,label\n")
    dataset = {"csv": str(tmp_path / "images.csv"), "images": str(tmp_path)}
    return {
        "datasets": {"a": dataset, "b": dict(dataset)},
        "models": ["thumbnail", "histogram"],
        "experiments": {
            "one": {"datasets": ["a"], "index_split": "train", "query_splits": ["test"]},
            "both": {"datasets": ["a", "b"], "index_split": "train", "query_splits": ["test"], "models": ["histogram"]},
        },
    }


def test_defaults_are_filled_in_and_the_given_configuration_is_left_alone(config):
    project = Project(config, [CARDS])
    assert project.experiments["one"]["k"] == 100
    assert project.datasets["a"]["max_rejected"] == 0.01
    assert project.settings["device"] == "auto"
    assert "k" not in config["experiments"]["one"]


def test_a_dataset_is_embedded_by_the_models_of_its_experiments(config):
    project = Project(config, [CARDS])
    assert project.embedded == [("thumbnail", "a"), ("histogram", "a"), ("histogram", "b")]


def test_the_first_folder_with_a_card_wins(config, tmp_path):
    own = yaml.safe_load((CARDS / "thumbnail.yaml").read_text()) | {"name": "ours"}
    (tmp_path / "thumbnail.yaml").write_text(yaml.safe_dump(own))
    assert Project(config, [tmp_path, CARDS]).cards["thumbnail"]["name"] == "ours"
    assert Project(config, [CARDS, tmp_path]).cards["thumbnail"]["name"] != "ours"


def test_analyses_are_made_for_every_experiment_and_narrowed_by_one(config):
    config["analyses"] = ["gallery"]
    config["experiments"]["one"]["analyses"] = []
    files = targets.everything(Project(config, [CARDS]))
    assert [file for file in files if "/gallery/" in file] == ["results/experiments/both/gallery/test.html"]
    assert "results/experiments/one/comparison/summary.csv" in files


@pytest.mark.parametrize(
    ("splits", "named", "expected"),
    [
        (["val", "test"], None, "val"),
        (["test", "dev"], "dev", "dev"),
        (["test"], None, None),
        (["val"], None, None),
        (["test", "dev"], None, None),
    ],
)
def test_the_split_that_chooses(config, splits, named, expected):
    config["experiments"]["one"]["query_splits"] = splits
    if named:
        config["experiments"]["one"]["val_split"] = named
    assert Project(config, [CARDS]).experiments["one"]["val_split"] == expected


@pytest.mark.parametrize(
    ("splits", "named", "message"),
    [
        (
            ["valid", "test"],
            "val",
            "`experiments: one: val_split` is 'val', which `query_splits:` does not list: did you",
        ),
        (["val"], "val", "val_split` is the only query split, so that nothing is left to test"),
    ],
)
def test_a_split_that_cannot_choose(config, splits, named, message):
    config["experiments"]["one"] |= {"query_splits": splits, "val_split": named}
    with pytest.raises(InputError) as error:
        Project(config, [CARDS])
    assert message in str(error.value)


def test_the_schema_lists_the_analyses_that_there_are():
    schema = json.loads(CONFIG_SCHEMA.read_text())
    assert set(schema["$defs"]["analyses"]["items"]["enum"]) == set(targets.ANALYSES)
    assert set(schema["properties"]["analyses"]["default"]) <= set(targets.ANALYSES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "`experiments: one: k` is less than 1 (0)"),
        ({"query_splits": []}, "`experiments: one: query_splits` is empty"),
        ({"query_splits": ["test", "test"]}, "names something twice"),
        ({"analyses": ["galery"]}, "`experiments: one: analyses: 0` is 'galery': did you mean gallery?"),
        ({"shared_patients": "alow"}, "`experiments: one: shared_patients` is 'alow': did you mean allow?"),
        (
            {"models": ["clip"]},
            "`experiments: one: models` names 'clip', which `models` does not list: thumbnail, histogram",
        ),
    ],
)
def test_a_wrong_experiment_is_named_with_its_key(config, change, message):
    config["experiments"]["one"] |= change
    with pytest.raises(InputError) as caught:
        Project(config, [CARDS], "my.yaml")
    assert str(caught.value).startswith("my.yaml: ") and message in str(caught.value)


def write(folder, **changes):
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(LITE0 | changes))
    return path


def preprocessing(**changes):
    return {"preprocessing": LITE0["preprocessing"] | changes}


@pytest.mark.parametrize(
    "changes",
    [
        preprocessing(size=256),
        preprocessing(interpolation="bilinear"),
        preprocessing(mean=[0.4, 0.5, 0.5]),
        {"weights": LITE0["weights"] | {"sha256": "0" * 64}},
        {"precision": "bfloat16"},
        {"architecture": "tf_efficientnet_lite1"},
    ],
)
def test_what_changes_the_embeddings_is_the_meaning_of_a_card(tmp_path, changes):
    assert cards.card_meaning(cards.load_card(write(tmp_path, **changes))) != cards.card_meaning(LITE0 | cards.DEFAULTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 7},
        {"name": "Lite"},
        {"licence": "MIT"},
        {"weights": {"url": "https://example.org/w.pth", "sha256": LITE0["weights"]["sha256"], "layout": "ordered"}},
    ],
)
def test_what_describes_or_speeds_up_a_model_is_not(tmp_path, changes):
    assert cards.card_meaning(cards.load_card(write(tmp_path, **changes))) == cards.card_meaning(LITE0 | cards.DEFAULTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loader": "tim"}, "did you mean timm?"),
        (preprocessing(interpolation="cubic"), "`preprocessing: interpolation` is 'cubic': did you mean bicubic?"),
        (preprocessing(crop=0.9), "unknown key `crop` under `preprocessing:`: did you mean `crop_pct`?"),
        ({"dimension": "big"}, "`dimension` is 'big', but has to be a whole number"),
        ({"weights": {"url": "https://example.org/w.pth"}}, "the key `sha256` is missing under `weights:`"),
        (
            {"weights": LITE0["weights"] | {"url": "https://example.org/w.pth"}},
            "`weights` mixes keys that exclude one another",
        ),
    ],
)
def test_a_wrong_card_is_named_with_its_key(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        cards.load_card(write(tmp_path, **changes))
    assert "card.yaml: " in str(caught.value) and message in str(caught.value)


def test_a_card_that_is_no_yaml_is_one_sentence(tmp_path):
    (tmp_path / "card.yaml").write_text("name: [unclosed")
    with pytest.raises(InputError, match=r"the model card .*card\.yaml is not valid YAML: [^\n]*$"):
        cards.load_card(tmp_path / "card.yaml")


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_card_of_the_repository_holds(path):
    card = cards.load_card(path)
    assert card["dimension"] > 0
    assert cards.is_control(card) == (not card["training_data"])
