"""Model cards: what a loader reads, what is refused and how, and a card as an object."""

import copy
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_networks import TINY

from radcbir.analyses.contamination.compute import contamination
from radcbir.cards import loaders, model_card
from radcbir.cards.card_schema import DESCRIPTIVE, card_schema
from radcbir.cards.model_card import ModelCard
from radcbir.core.errors import InputError

ROOT = Path(__file__).parents[3]
PATHS = sorted((ROOT / "config/models").glob("*.yaml"))
LITE0 = yaml.safe_load((ROOT / "config/models/efficientnet-lite0.yaml").read_text())
LOADERS = loaders.registry()


def written(folder, card):
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def mistake(folder, card):
    with pytest.raises(InputError) as caught:
        model_card.load_card(written(folder, card))
    start = f"model card {folder / 'card.yaml'}: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start).split("; ")


# --- what a loader reads ---


def test_all_keys_that_are_missing_are_named_at_once(tmp_path):
    assert mistake(tmp_path, {"name": "n", "loader": "timm"}) == [
        "the keys `licence`, `architecture`, `weights`, `pooling`, `dimension`, `preprocessing` are "
        "missing: add them"
    ]
    assert mistake(tmp_path, {"loader": "fusion"}) == [
        "the keys `name`, `licence`, `fusion` are missing: add them"
    ]
    card = LITE0 | {"preprocessing": {"size": 224, "resize": "shortest", "crop_pct": 1.0}}
    assert mistake(tmp_path, card) == [
        "the keys `interpolation`, `mean`, `std` are missing under `preprocessing:`: add them"
    ]


def test_all_wrong_keys_are_named_at_once(tmp_path):
    card = LITE0 | {
        "loader": "torchxrayvision", "path": "a.h5", "options": {"a": 1}, "licens": "MIT", "color": 1,
        "preprocessing": LITE0["preprocessing"] | {"resize": "library", "range": "8bit", "crop": 1},
        "text_tower": True,
    }  # fmt: skip
    found = mistake(tmp_path, card)
    assert "unknown key `licens`: did you mean `licence`?" in found
    assert any(each.startswith("unknown key `color`: allowed are architecture,") for each in found)
    assert "unknown key `crop` under `preprocessing:`: did you mean `crop_pct`?" in found
    useless = "has no use with `loader: torchxrayvision`: take it out"
    for key in ("options", "path", "preprocessing: range", "weights: layout"):
        assert f"`{key}` {useless}" in found
    assert "`text_tower` is True: allowed are False" in found
    assert len(found) == 8


def test_an_unknown_loader_is_named_with_the_known_ones(tmp_path):
    found = mistake(tmp_path, LITE0 | {"loader": "keras"})
    assert found == [f"`loader` is 'keras': allowed are {', '.join(sorted(LOADERS))}"]
    assert mistake(tmp_path, {"name": "x"}) == [
        "the key `loader` is missing: add it (the library that builds the encoder)"
    ]
    assert mistake(tmp_path, ["name"]) == ["the file is ['name'], but has to be a mapping"]


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_requires_what_it_reads_and_describes_every_key(name):
    loader, schema = LOADERS[name], card_schema(name)
    assert set(loader.required) <= {*loader.keys, *DESCRIPTIVE}
    for key in loader.keys:
        assert "description" in schema["properties"][key]
    assert loader.network == ("preprocessing" in loader.keys)
    assert bool(loader.module) == (name not in ("precomputed", "fusion", "adapted", "reranked"))
    assert loader.version >= 1


def test_the_declarations_are_light():
    """They are read whenever Snakemake reads the Snakefile."""
    code = (
        "import sys; from radcbir.cards import loaders, model_card; loaders.registry(); "
        "print(sorted({'torch', 'timm', 'transformers', 'open_clip', 'numpy', 'faiss'} & {*sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_the_docs_list_the_loaders_with_their_poolings():
    text = (ROOT / "docs/models.md").read_text()
    for name, loader in LOADERS.items():
        if loader.network:
            (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` ")]
            schema = card_schema(name)["properties"]["pooling"]
            assert row.split("|")[-2].strip() == ", ".join(schema["enum"]), name


# --- a card as an object ---


def test_a_card_is_an_object_and_a_mapping(tmp_path):
    card = model_card.load_card(written(tmp_path, LITE0))
    assert (card.name, card["name"]) == ("EfficientNet-Lite0", "EfficientNet-Lite0")
    assert (card.loader.name, card["loader"]) == ("timm", "timm")
    assert (card.dimension, card.pooling, card.precision) == (1280, "pooled", "float32")
    assert (
        card.weights_location("lite0") == "resources/weights/lite0/efficientnet-lite0-57934424.pth"
    )
    assert (card.is_control, card.has_network, card.has_text, card.has_vectors) == (
        False, True, False, True,
    )  # fmt: skip
    assert card.as_dict() == {**model_card.DEFAULTS, **LITE0}
    assert card == card.as_dict()


def test_a_card_does_not_change(tmp_path):
    card = model_card.load_card(written(tmp_path, LITE0))
    with pytest.raises(TypeError):
        card["precision"] = "bfloat16"
    changed = card | {"precision": "bfloat16"}
    assert isinstance(changed, ModelCard)
    assert (changed.precision, card.precision) == ("bfloat16", "float32")
    card.as_dict()["name"] = "other"
    assert card.name == "EfficientNet-Lite0"


def test_a_card_is_handed_to_scripts_as_a_plain_mapping(tmp_path):
    """A script unpickles its parameters before it can import the library."""
    card = model_card.load_card(written(tmp_path, LITE0))
    assert b"radcbir" not in pickle.dumps(card)
    for plain in (pickle.loads(pickle.dumps(card)), copy.deepcopy(card)):
        assert type(plain) is dict and plain == card
    assert repr(card) == repr(card.as_dict())
    assert json.loads(json.dumps(card.as_dict())) == card


# --- embeddings that exist already ---


def test_a_precomputed_card_needs_a_name_and_a_path(tmp_path):
    card = model_card.load_card(
        written(tmp_path, {"name": "theirs", "loader": "precomputed", "path": "e/{dataset}.h5"})
    )
    assert (card.dimension, card.licence, card.architecture) == (None, "not stated", "not stated")
    assert card.meaning == {"loader": "precomputed"}
    stated = ModelCard({**card, "dimension": 8, "architecture": "ViT"})
    assert stated.meaning == {"loader": "precomputed", "dimension": 8, "architecture": "ViT"}
    assert mistake(
        tmp_path, {"name": "theirs", "loader": "precomputed", "precision": "float32"}
    ) == [
        "the key `path` is missing: add it (the file that holds the embeddings, {dataset} in place of "
        "the dataset's name: HDF5 of this workflow or with one dataset per image (.h5), a FAISS index "
        "(.index), neighbor lists without embeddings (.csv), or a folder with an .h5 file per volume (it "
        "ends with /))",
        "`precision` has no use with `loader: precomputed`: take it out",
    ]


def test_the_precomputed_cards_of_the_docs_are_valid(tmp_path):
    text = (ROOT / "docs/models.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    cards = [yaml.safe_load(block) for block in blocks if "loader: precomputed" in block]
    assert cards, "the documentation has an example"
    for card in cards:
        model_card.load_card(written(tmp_path, card))


# --- the facts that a card states ---

DOCUMENTED = {"licence", "training_data", "preprocessing"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_card_says_where_its_facts_come_from(path):
    """Controls have seen nothing, and what is made from other models is what those are."""
    card = model_card.load_card(path)
    if card.is_control or card["loader"] in ("fusion", "adapted", "reranked"):
        return
    assert {fact for each in card.sources for fact in each["for"]} == DOCUMENTED
    for each in card.sources:
        if each["from"] == "unknown":
            assert each["note"].startswith("Looked for ")
        else:
            assert each["at"]
            assert each["from"].startswith("https://") or re.search(
                r"\b(19|20)\d\d\b|arXiv:\d{4}\.\d{5}", each["from"]
            )


@pytest.mark.parametrize(
    ("slug", "dataset", "status"),
    [
        ("medsiglip-448", "MIMIC-CXR", "seen"),
        ("medsiglip-448", "CheXpert", "unknown"),
        ("rad-dino-maira-2", "CheXpert", "seen"),
        ("rad-dino-maira-2", "NIH14", "seen"),
        ("rad-dino", "MIMIC-CXR", "seen"),
        (
            "rad-dino",
            "RadImageNet",
            "unknown",
        ),  # DINOv2, from which it starts, saw pictures of the web
        ("biovil-resnet50", "MIMIC-CXR", "seen"),
        ("biovil-resnet50", "NIH14", "not seen"),  # texts without images are no "?"
        ("cxr-clip-resnet50-m", "CheXpert", "not seen"),
        ("eva-x-tiny", "NIH14", "seen"),
        ("eva-x-tiny", "PadChest", "not seen"),
        ("cxformer-base", "CheXpert", "seen"),
        ("xraydinov2-vitb14", "MIMIC-CXR", "unknown"),
        ("curia-vitb16", "TotalSegmentator", "unknown"),
        ("meddinov3-vitb16", "LiTS", "unknown"),
        ("biomedclip-vitb16", "NIH14", "unknown"),
    ],
)
def test_what_the_weights_have_seen(slug, dataset, status):
    card = model_card.load_card(ROOT / f"config/models/{slug}.yaml")
    assert contamination(card, dataset, [dataset]) == status


def test_medsam_is_the_file_that_the_reference_loads():
    for slug in ("medsam-vitb", "medsam-vitb-paper"):
        card = model_card.load_card(ROOT / f"config/models/{slug}.yaml")
        assert list(card.weights_files) == ["medsam_vit_b.pth"]


# --- versions in place of digests of code ---


def test_what_an_embedding_depends_on_besides_the_meaning_of_its_card():
    vit = TINY | {"preprocessing": TINY["preprocessing"] | {"resize": "squash", "antialias": False}}
    assert model_card.versions(TINY) == {
        "loader": 1, "network": 1, "preprocessing": {"shortest": 1},
    }  # fmt: skip
    assert model_card.versions(vit)["preprocessing"] == {"squash": 1, "not smoothed": 1}
    for card in (vit, TINY):
        assert model_card.versions(model_card.card_meaning(card)) == model_card.versions(card)
    half = TINY | {"precision": "bfloat16"}
    assert "runtime" not in model_card.versions(half | {"runtime": "auto"})
    assert model_card.versions(half | {"runtime": "openvino"})["runtime"] == 1
    assert "runtime" not in model_card.versions(TINY | {"runtime": "openvino"})


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_versions_are_plain_and_the_same_for_a_card_and_its_meaning(path):
    card = model_card.load_card(path)
    found = card.versions
    assert json.loads(json.dumps(found)) == found
    assert model_card.versions(card.meaning) == found
