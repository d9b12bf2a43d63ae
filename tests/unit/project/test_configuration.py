"""Configuration and model cards: what is refused and with which sentence, and what of a card
changes its embeddings."""

from pathlib import Path

import pytest
import yaml

from radcbir import analyses
from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.project import targets
from radcbir.project.configuration import Project, config_schema

CARDS = Path(__file__).parents[3] / "config" / "models"
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
            "both": {
                "datasets": ["a", "b"],
                "index_split": "train",
                "query_splits": ["test"],
                "models": ["histogram"],
            },
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


def test_a_dataset_is_known_by_what_the_configuration_says_and_not_as_a_folder(config, tmp_path):
    config["datasets"]["a"]["known_as"] = ["NIH14"]
    config["datasets"]["c"] = {"prepare": {"from": "folder"}, "images": str(tmp_path)}
    project = Project(config, [CARDS])
    assert [project.known_as(each) for each in "abc"] == [["NIH14"], [], []]


def test_models_whose_scores_are_no_cosines_of_their_vectors_have_no_export(config, tmp_path):
    joined = yaml.safe_load((CARDS / "lite0-mobilenetv2.yaml").read_text())
    joined["fusion"] = {**joined["fusion"], "by": "reciprocal_rank"}
    (tmp_path / "by-rank.yaml").write_text(yaml.safe_dump(joined))
    members = ["efficientnet-lite0", "mobilenetv2"]
    config["models"] = [*members, "lite0-mobilenetv2", "by-rank", "mobilenetv2-k-reciprocal"]
    config["experiments"] = {"one": config["experiments"]["one"]}
    made = [*members, "lite0-mobilenetv2"]
    found = targets.exports(Project(config, [CARDS, tmp_path]))
    assert found == [f"results/exports/one/{each}" for each in made]


def test_databases_are_exported_where_the_configuration_says_so(config):
    without = Project(config, [CARDS])
    config["export"] = {"sqlite": True}
    project = Project(config, [CARDS])
    folders = targets.exports(without)
    assert folders
    assert targets.exports(project) == [
        path for each in folders for path in (each, f"{each}.sqlite")
    ]
    assert project.shown_settings == without.shown_settings


def test_what_would_have_to_be_fetched(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ["datasets/a.csv", "datasets/b.csv"]
    config["resources"] = {
        "paper": {"record": "https://example.org/record", "archives": {"all.zip": {"files": files}}}
    }
    config["models"] = ["thumbnail", "efficientnet-lite0", "mobilenetv2"]
    del config["experiments"]["both"]
    project = Project(config, [CARDS])
    lite, mobile = targets.weights(project)
    assert targets.missing_downloads(project) == [lite, mobile, "resources/paper/archives/all.zip"]
    for name in (lite, *(f"resources/paper/{file}" for file in files)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert targets.missing_downloads(project) == [mobile]
    (tmp_path / "results/embeddings/mobilenetv2").mkdir(parents=True)
    assert targets.missing_downloads(project) == []


def test_the_matrix_of_datasets_is_made_where_there_are_several(config):
    files = targets.results(Project(config, [CARDS]))
    page = "results/experiments/{}/cross_dataset/cross_dataset.html"
    assert page.format("both") in files
    assert page.format("one") not in files


def test_the_first_folder_with_a_card_wins(config, tmp_path):
    own = yaml.safe_load((CARDS / "thumbnail.yaml").read_text()) | {"name": "ours"}
    (tmp_path / "thumbnail.yaml").write_text(yaml.safe_dump(own))
    assert Project(config, [tmp_path, CARDS]).cards["thumbnail"]["name"] == "ours"
    assert Project(config, [CARDS, tmp_path]).cards["thumbnail"]["name"] != "ours"


def test_analyses_are_made_for_every_experiment_and_narrowed_by_one(config):
    config["analyses"] = ["gallery"]
    config["experiments"]["one"]["analyses"] = []
    files = targets.everything(Project(config, [CARDS]))
    assert [file for file in files if "/gallery/" in file] == [
        "results/experiments/both/gallery/test.html"
    ]
    assert "results/experiments/one/comparison/summary.csv" in files


def test_units_bring_their_analysis_and_leave_out_those_of_single_images(config):
    config["analyses"] = ["gallery", "robustness"]
    config["experiments"]["one"]["unit"] = "series"
    project = Project(config, [CARDS])
    assert project.experiments["one"]["analyses"] == ["gallery", "aggregation"]
    assert project.experiments["both"]["analyses"] == ["gallery", "robustness"]
    assert (project.of_units, project.experiments["one"]["pooling"]) == (["one"], "mean")
    assert "results/experiments/one/aggregation/aggregation.html" in targets.everything(project)


def test_aggregation_is_not_added_where_images_may_have_no_single_label(config):
    config["analyses"] = ["gallery"]
    config["experiments"]["one"] |= {"unit": "series", "labels": "multi"}
    assert Project(config, [CARDS]).experiments["one"]["analyses"] == ["gallery"]
    config["experiments"]["one"]["analyses"] = ["gallery", "aggregation"]
    named = Project(config, [CARDS]).experiments["one"]["analyses"]
    assert named == ["gallery", "aggregation"]


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


def test_what_embeds_again_is_not_on_by_default(config):
    analysed = Project(config, [CARDS]).experiments["one"]["analyses"]
    assert "robustness_index" in analysed
    assert "robustness" not in analysed
    config["analyses"] = ["robustness"]
    assert Project(config, [CARDS]).experiments["one"]["analyses"] == ["robustness"]


def test_perturbed_queries_are_those_of_models_that_read_images(published):
    config, folders = published
    config |= {"models": ["vectors", "histogram"], "analyses": ["robustness"]}
    del config["experiments"]["both"]
    robustness, project, name = analyses.registry()["robustness"], Project(config, folders), "one"
    assert robustness.models(project, name) == ["histogram"]
    assert robustness.settings(project, name)["left_out"] == [project.cards["vectors"]["name"]]
    config["models"] = ["vectors"]
    project = Project(config, folders)
    assert robustness.without(project, name) == "no model of the experiment reads images as 8 bit"
    assert robustness.results(project, name) == []


def test_the_schema_takes_the_analyses_that_are_declared():
    names = config_schema()["$defs"]["analyses"]["items"]["enum"]
    folders = [path.parent.name for path in Path(analyses.__file__).parent.glob("*/__init__.py")]
    assert sorted(["comparison", *names]) == sorted(folders)
    for name, analysis in analyses.registry().items():
        assert (analysis.name, analysis.section in analyses.SECTIONS) == (name, True)
        assert analysis.question.endswith("?")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "`experiments: one: k` is less than 1 (0)"),
        ({"query_splits": []}, "`experiments: one: query_splits` is empty"),
        ({"query_splits": ["test", "test"]}, "names something twice"),
        (
            {"analyses": ["galery"]},
            "`experiments: one: analyses: 0` is 'galery': did you mean gallery?",
        ),
        (
            {"shared_patients": "alow"},
            "`experiments: one: shared_patients` is 'alow': did you mean allow?",
        ),
        (
            {"pooling": "median"},
            "`experiments: one: pooling` is for series, studies and patients: add `unit: series`",
        ),
        (
            {"unit": "series", "analyses": ["gallery", "privacy"]},
            "`experiments: one: analyses` names privacy, which is about single images",
        ),
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
        {"precision": "bfloat16", "runtime": "openvino"},
        {"architecture": "tf_efficientnet_lite1"},
    ],
)
def test_what_changes_the_embeddings_is_the_meaning_of_a_card(tmp_path, changes):
    assert model_card.card_meaning(
        model_card.load_card(write(tmp_path, **changes))
    ) != model_card.card_meaning(LITE0 | model_card.DEFAULTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 7},
        {"runtime": "openvino"},
        {"runtime": "torch"},
        {"name": "Lite"},
        {"licence": "MIT"},
        {
            "weights": {
                "url": "https://example.org/w.pth",
                "sha256": LITE0["weights"]["sha256"],
                "layout": "ordered",
            }
        },
    ],
)
def test_what_describes_or_speeds_up_a_model_is_not(tmp_path, changes):
    assert model_card.card_meaning(
        model_card.load_card(write(tmp_path, **changes))
    ) == model_card.card_meaning(LITE0 | model_card.DEFAULTS)


PREFIXED = {"weights": {"url": "https://example.org/w.pth", "prefix": "net."}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loader": "tim"}, "did you mean timm?"),
        (
            preprocessing(interpolation="cubic"),
            "`preprocessing: interpolation` is 'cubic': did you mean bicubic?",
        ),
        (
            preprocessing(crop=0.9),
            "unknown key `crop` under `preprocessing:`: did you mean `crop_pct`?",
        ),
        ({"dimension": "big"}, "`dimension` is 'big', but has to be a whole number"),
        (
            {"weights": {"package": "some==1.0", "file": "w.pth"}},
            "the key `sha256` is missing under `weights:`",
        ),
        (
            {"weights": {"hub": "some/one", "file": "w.pth"}},
            "the key `revision` is missing under `weights:`",
        ),
        ({"weights": {"files": ["../w.pth"]}}, "`weights: files: 0` is '../w.pth'"),
        (
            {"weights": LITE0["weights"] | {"url": "https://example.org/w.pth"}},
            "`weights` mixes keys that exclude one another",
        ),
        (
            {"loader": "torchxrayvision"} | PREFIXED | preprocessing(resize="library"),
            "`weights: prefix` has no use with `loader: torchxrayvision`: take it out",
        ),
        (
            {"loader": "medclip", "pooling": "projection"} | PREFIXED,
            "`weights: prefix` has no use with `loader: medclip`: take it out",
        ),
        (
            {"weights": LITE0["weights"] | {"layout": "unicl"}},
            "`weights: layout` is 'unicl': allowed are timm, ordered",
        ),
        (
            {"loader": "medclip", "options": {"depth": 1}} | PREFIXED,
            "`options` has no use with `loader: medclip`: take it out",
        ),
    ],
)
def test_a_wrong_card_is_named_with_its_key(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        model_card.load_card(write(tmp_path, **changes))
    assert "card.yaml: " in str(caught.value) and message in str(caught.value)


def test_a_card_that_is_no_yaml_is_one_sentence(tmp_path):
    (tmp_path / "card.yaml").write_text("name: [unclosed")
    with pytest.raises(InputError, match=r"the model card .*card\.yaml is not valid YAML: [^\n]*$"):
        model_card.load_card(tmp_path / "card.yaml")


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_card_of_the_repository_holds(path):
    card = model_card.load_card(path)
    if card["loader"] in ("fusion", "adapted", "reranked"):
        return  # what they are follows from the models that they are made from
    assert card["dimension"] > 0
    assert model_card.is_control(card) == (not card["training_data"])


# --- embeddings and archives that exist already ---


PUBLISHED = {
    "name": "net",
    "loader": "precomputed",
    "architecture": "any",
    "dimension": 8,
    "licence": "MIT",
}


@pytest.fixture
def published(config, tmp_path):
    """The configuration, and a folder with a card of vectors and one of neighbor lists."""
    for name, path in (("vectors", "e/{dataset}.h5"), ("lists", "e/knn.csv")):
        (tmp_path / f"{name}.yaml").write_text(
            yaml.safe_dump(PUBLISHED | {"path": path, "files": {"a": "A"}})
        )
    return config, [tmp_path, CARDS]


def test_models_that_exist_already_need_no_images(published):
    config, folders = published
    del config["datasets"]["a"]["images"]
    with pytest.raises(
        InputError, match=r"`datasets: a` has no `images:`, which the model 'thumbnail' needs"
    ):
        Project(config, folders)
    config |= {"models": ["vectors", "histogram"], "analyses": ["gallery"]}
    config["experiments"]["one"]["models"] = ["vectors"]
    config["experiments"]["both"]["datasets"] = ["b"]
    project = Project(config, folders)
    assert (project.encoded, project.precomputed, project.searched) == (
        ["histogram"],
        ["vectors"],
        ["vectors", "histogram"],
    )
    assert model_card.source_file(project.cards["vectors"], "a") == "e/A.h5"
    assert model_card.source_file(project.cards["vectors"], "b") == "e/b.h5"


def test_neighbor_lists_are_asked_nothing_that_needs_vectors(published):
    config, folders = published
    config["models"] = ["thumbnail", "histogram", "lists"]
    with pytest.raises(
        InputError,
        match=r"names leakage, which needs embeddings, but the model 'lists' has neighbor",
    ):
        Project(config | {"analyses": ["gallery", "leakage"]}, folders)
    Project(config | {"analyses": ["gallery", "uncertainty"]}, folders)
    config["experiments"]["one"]["unit"] = "study"
    with pytest.raises(InputError, match=r"`experiments: one: unit` is 'study', whose vectors"):
        Project(config | {"analyses": ["gallery", "uncertainty"]}, folders)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": None}, "the key `path` is missing"),
        ({"path": "e/{dataset}.npy"}, "`path` is 'e/{dataset}.npy'"),
        ({"path": "e/{dataset}/knn.csv"}, "`path` is"),
        ({"path": "e/faiss.index"}, "the key `metadata` is missing"),
        ({"loader": "timm", "path": "e/a.h5"}, "."),
    ],
)
def test_a_card_of_what_exists_already_says_where(tmp_path, change, message):
    card = {key: value for key, value in (PUBLISHED | change).items() if value is not None}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(InputError, match=message):
        model_card.load_card(tmp_path / "card.yaml")


def test_files_of_archives_need_not_be_there_yet(config):
    config["datasets"]["a"]["csv"] = "resources/reference/datasets/a.csv"
    with pytest.raises(InputError, match="does not exist"):
        Project(config, [CARDS])
    archives = {"x.zip": {"files": ["datasets/a.csv"]}}
    project = Project(config | {"resources": {"reference": {"archives": archives}}}, [CARDS])
    assert project.archived == {"resources/reference/datasets/a.csv": ("reference", "x.zip")}
    assert targets.archived(project) == ["resources/reference/datasets/a.csv"]
    for file in ("../a.csv", "/etc/passwd"):
        with pytest.raises(InputError, match="x.zip: files"):
            Project(
                config | {"resources": {"r": {"archives": {"x.zip": {"files": [file]}}}}}, [CARDS]
            )
    twice = archives | {"y.zip": archives["x.zip"]}
    with pytest.raises(
        InputError, match="takes datasets/a.csv out of x.zip and of y.zip: keep one"
    ):
        Project(config | {"resources": {"reference": {"archives": twice}}}, [CARDS])


def test_intensity_has_defaults_that_the_library_shares():
    from radcbir.images.intensity import INTENSITY

    schema = config_schema()
    properties = schema["properties"]["datasets"]["additionalProperties"]["properties"][
        "intensity"
    ]["properties"]
    assert {
        name: each["default"] for name, each in properties.items() if "default" in each
    } == INTENSITY


@pytest.mark.parametrize(
    ("intensity", "message"),
    [
        (
            {"policy": "minmax", "window": [40, 400]},
            "window` is given beside `policy: minmax`, which does not use it",
        ),
        ({"low": 99.5, "high": 0.5}, "low` is 99.5, not below `high: 0.5`"),
        ({"policy": "windows"}, "did you mean window"),
        ({"window": [40]}, "intensity: window`"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(config, intensity, message):
    config["datasets"]["a"]["intensity"] = intensity
    with pytest.raises(InputError) as error:
        Project(config, [CARDS])
    assert message in str(error.value)


def test_in_half_precision_the_runtime_counts_and_does_not_depend_on_what_is_installed():
    half = LITE0 | model_card.DEFAULTS | {"precision": "bfloat16"}
    by_torch, by_openvino, by_itself = (
        model_card.card_meaning(half | {"runtime": each}) for each in ("torch", "openvino", "auto")
    )
    assert by_itself == by_torch != by_openvino


def test_precision_and_runtime_of_all_models_or_of_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("filepath,split,label\n")
    control = {
        "name": "c",
        "loader": "control",
        "architecture": "thumbnail",
        "dimension": 256,
        "licence": "none",
    }
    for slug, card in {
        "net": LITE0,
        "other": LITE0 | {"precision": "float16"},
        "control": control,
    }.items():
        (tmp_path / f"{slug}.yaml").write_text(yaml.safe_dump(card))
    base = {
        "datasets": {"a": {"csv": "a.csv", "images": "."}},
        "models": ["net", "other", "control"],
        "experiments": {"e": {"datasets": ["a"], "index_split": "train", "query_splits": ["test"]}},
    }

    def found(**changes):
        project = Project(base | changes, [tmp_path])
        return {
            model: (card["precision"], card["runtime"]) for model, card in project.cards.items()
        }

    plain = {
        "net": ("float32", "auto"),
        "other": ("float16", "auto"),
        "control": ("float32", "auto"),
    }
    assert found() == plain
    assert found(precision="bfloat16", runtime={"net": "openvino"}) == {
        "net": ("bfloat16", "openvino"),
        "other": ("bfloat16", "auto"),
        "control": ("float32", "auto"),
    }
    assert found(precision={"*": "bfloat16", "net": "float32"})["net"] == ("float32", "auto")
    assert found(precision={"*": "bfloat16", "net": "float32"})["other"] == ("bfloat16", "auto")
    # `auto` follows from the configuration, not from the machine.
    for device, wanted in [("auto", "float32"), ("cpu", "float32"), ("cuda:1", "bfloat16")]:
        assert found(precision="auto", device=device)["net"] == (wanted, "auto")
    assert found(precision={"net": "auto"}, device="cuda")["other"] == ("float16", "auto")
    for changes, message in [
        (
            {"runtime": {"nett": "openvino"}},
            "`runtime` names 'nett', which `models` does not list: did you mean 'net'",
        ),
        (
            {"precision": {"control": "bfloat16"}},
            "names 'control', which has no network of its own",
        ),
        ({"precision": "half"}, "'half'"),
    ]:
        with pytest.raises(InputError, match=message):
            found(**changes)


def test_all_mistakes_of_a_configuration_are_named_at_once(config, tmp_path):
    config["datasets"]["a"]["csv"] = str(tmp_path / "gone.csv")
    config["datasets"]["b"]["images"] = str(tmp_path / "images.csv")
    config["experiments"]["one"]["query_splits"] = ["train"]
    config["models"].append("thumbnial")
    with pytest.raises(InputError) as error:
        Project(config, [CARDS], "my.yaml")
    assert len(error.value.sentences) == 4
    message = str(error.value)
    assert message.startswith("4 mistakes:\n- my.yaml: `datasets: a: csv` names")
    for part in ("images.csv, which is a file", "experiments: one:", "thumbnial"):
        assert part in message


def test_all_mistakes_of_spelling_are_named_at_once(config):
    config["datasets"]["a"]["imagse"] = config["datasets"]["a"].pop("images")
    config["experiments"]["one"]["k"] = 0
    config["device"] = "gpu"
    with pytest.raises(InputError) as error:
        Project(config, [CARDS])
    assert len(error.value.sentences) == 3
    assert "did you mean `images`?" in str(error.value)


def test_images_may_lie_below_a_folder_that_an_archive_will_unpack(config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["a"]["images"] = "resources/record/images"
    with pytest.raises(InputError, match="record/images, which does not exist"):
        Project(config, [CARDS])
    config["resources"] = {
        "record": {
            "record": "https://example.org/record",
            "archives": {"all.zip": {"files": ["images/a.csv"]}},
        }
    }
    assert Project(config, [CARDS]).archived
