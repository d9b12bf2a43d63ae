"""BioViL, BioViL-T, CXR-CLIP and Mammo-CLIP: the same vectors as their published forward passes, done step by
step on the same weights."""

from pathlib import Path

import numpy as np
import published_efficientnet
import pytest
import torch
import torchvision
import transformers
import two_towers_files
from PIL import Image
from torch import nn

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder
from radcbir.encoders.patches import patch_features

MODELS = Path(__file__).parents[3] / "config/models"
SLUGS = [
    "biovil-resnet50", "biovil-t-resnet50", "cxr-clip-resnet50-m", "cxr-clip-swint-m",
    "mammo-clip-b2", "mammo-clip-b5",
]  # fmt: skip
TEXTS = ["chest x ray", "MRI of the brain!."]


def card_of(slug):
    card = model_card.load_card(MODELS / f"{slug}.yaml")
    for each in card["weights"]["files"]:
        if isinstance(each, dict):
            each.pop("sha256", None)  # of the real weights
    if slug.startswith("mammo-clip"):  # 1520 x 912 pixels take half a minute here
        card = card | {"preprocessing": card["preprocessing"] | {"size": [190, 114]}}
    return card


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    two_towers_files.shallow(monkeypatch)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Slug -> its card, its folder and the tensors there."""
    found = {}

    def of(slug):
        if slug not in found:
            torch.manual_seed(4)
            folder = tmp_path_factory.mktemp(slug)
            card = card_of(slug)
            found[slug] = card, folder, two_towers_files.serve(card, folder)
        return found[slug]

    return of


def below(state, prefix):
    found = {
        name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)
    }
    return {name: each for name, each in found.items() if not name.startswith("fc.")}


def last_map(state, prefix, images):
    """The output of torchvision's last block."""
    resnet = torchvision.models.resnet50()
    resnet.fc = nn.Identity()
    resnet.load_state_dict(below(state, prefix))
    extractor = torchvision.models.feature_extraction.create_feature_extractor(
        resnet.eval(), ["layer4"]
    )
    return extractor(images)["layer4"]


def normalised(cells, state, name):
    mean, variance, weight, bias = (
        state[f"{name}.{each}"].reshape(1, -1, 1, 1)
        for each in ("running_mean", "running_var", "weight", "bias")
    )
    return (cells - mean) / (variance + 1e-5).sqrt() * weight + bias


def images_as_published(slug, folder, state, batch):
    if slug.startswith("biovil"):
        cells = last_map(state, "encoder.encoder.", batch.repeat(1, 3, 1, 1))
        if "biovil-t" in slug:
            cells = nn.functional.conv2d(cells, state["encoder.backbone_to_vit.weight"])
            missing = state["encoder.missing_previous_emb"].repeat(len(cells), 1, *cells.shape[2:])
            cells = torch.cat([cells, missing], dim=1)
        hidden = normalised(
            nn.functional.conv2d(cells, state["projector.model.0.weight"]),
            state,
            "projector.model.1",
        )
        cells = nn.functional.conv2d(
            hidden.relu(), state["projector.model.3.weight"], state["projector.model.3.bias"]
        )
        return cells.mean(dim=(2, 3))
    if "swin" in slug:
        swin = transformers.SwinModel.from_pretrained(folder / "swin")
        features = swin(pixel_values=batch).last_hidden_state[:, 0]
    elif slug.startswith("mammo-clip"):
        tensors = below(state, "image_encoder.")
        features = published_efficientnet.features(tensors, slug[-2:], batch).mean(dim=(2, 3))
    else:
        features = last_map(state, "image_encoder.resnet.", batch).flatten(2).mean(dim=2)
    return (
        features @ state["image_projection.projection.weight"].T
        + state["image_projection.projection.bias"]
    )


def texts_as_published(slug, state, tokens, mask):
    prefix = "bert." if slug.startswith("biovil") else "text_encoder.text_encoder."
    bert = transformers.BertModel(transformers.BertConfig(**two_towers_files.BERT))
    bert.load_state_dict(
        {
            name: each
            for name, each in below(state, prefix).items()
            if not name.endswith("position_ids")
        }
    )
    states = bert.eval()(input_ids=tokens, attention_mask=mask).last_hidden_state
    if slug.startswith("biovil"):
        head = below(state, "cls_projection_head.")
        hidden = nn.functional.gelu(
            states[:, 0] @ head["dense_to_hidden.weight"].T + head["dense_to_hidden.bias"]
        )
        hidden = nn.functional.layer_norm(
            hidden, (128,), head["LayerNorm.weight"], head["LayerNorm.bias"], 1e-12
        )
        return hidden @ head["dense_to_output.weight"].T + head["dense_to_output.bias"]
    ends = torch.stack(
        [each[length - 1] for each, length in zip(states, mask.sum(dim=1), strict=True)]
    )
    return (
        ends @ state["text_projection.projection.weight"].T
        + state["text_projection.projection.bias"]
    )


@pytest.mark.parametrize("slug", SLUGS)
def test_vectors_are_those_of_the_published_forward_pass(served, slug):
    card, folder, state = served(slug)
    encoder = load_encoder(slug, model_card.card_meaning(card), folder, "cpu")
    noise = np.random.default_rng(1).integers(0, 256, (40, 50), dtype=np.uint8)
    pictures = [Image.fromarray(each) for each in (noise, np.sort(noise // 2))]
    inputs = [encoder.preprocess(each) for each in pictures]
    # The words of both texts, in small letters: for BioViL without the marks at the end.
    marks = [] if slug.startswith("biovil") else [12, 13]
    rows = [[2, 5, 6, 7, 3], [2, 8, 9, 10, 11, *marks, 3]]
    width = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    with torch.inference_mode():
        expected = images_as_published(slug, folder, state, encoder.batch(inputs)).numpy()
        words = texts_as_published(slug, state, tokens, (tokens != 0).long()).numpy()
    scale = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 1e-3 * scale
    np.testing.assert_allclose(encoder.encode(inputs), expected, atol=1e-5 * scale)
    np.testing.assert_allclose(encoder.encode_text(TEXTS), words, atol=1e-5 * np.abs(words).max())
    assert np.ptp(words, axis=0).max() > 1e-2


@pytest.mark.parametrize(
    ("slug", "rows", "columns", "channels"),
    [
        ("biovil-t-resnet50", 14, 14, 128),
        ("cxr-clip-swint-m", 7, 7, 768),
        ("mammo-clip-b2", 6, 4, 1408),
    ],
)
def test_cells_of_one_image(served, slug, rows, columns, channels):
    card, folder, _ = served(slug)
    encoder = load_encoder(slug, model_card.card_meaning(card), folder, "cpu")
    assert patch_features(encoder, encoder.preprocess(Image.new("L", (30, 40), 7))).shape == (
        rows,
        columns,
        channels,
    )


def test_a_text_that_is_too_long_is_cut(served):
    card, folder, _ = served("cxr-clip-resnet50-m")
    encoder = load_encoder("cxr", model_card.card_meaning(card), folder, "cpu")
    long, longer = (encoder.encode_text([" ".join(["brain"] * count)]) for count in (254, 900))
    assert (long == longer).all()
    assert (long != encoder.encode_text([" ".join(["brain"] * 253)])).any()


@pytest.mark.parametrize(
    ("slug", "changes", "message"),
    [
        ("biovil-resnet50", {"projector.model.1.running_mean": None}, r"1 tensors are missing \(projector.model.1.running_mean\)"),
        ("biovil-resnet50", {"encoder.backbone_to_vit.weight": torch.zeros(1)}, r"left over \(encoder.backbone_to_vit.weight\)"),
        ("biovil-resnet50", {"projector.model.0.weight": torch.zeros(128, 512, 1, 1)}, r"\(128, 2048, 1, 1\) is expected"),
        ("cxr-clip-resnet50-m", {"image_projection.projection.bias": None}, "1 tensors are missing"),
        ("mammo-clip-b2", {"image_encoder._blocks.3._bn2.bias": None}, r"1 tensors are missing \(image_encoder.blocks.1.1.bn3.bias\)"),
        ("mammo-clip-b2", {"image_encoder._blocks.0._expand_conv.weight": torch.zeros(1)}, r"left over \(image_encoder._blocks.0._expand_conv.weight\)"),
        ("mammo-clip-b2", {"image_encoder._blocks.23._bn1.bias": torch.zeros(1)}, r"left over \(image_encoder._blocks.23._bn1.bias\)"),
        ("mammo-clip-b2", {"image_encoder._fc.weight": torch.zeros(1, 1408)}, r"left over \(image_encoder._fc.weight\)"),
        ("cxr-clip-resnet50-m", {"image_projection.fc.bias": torch.zeros(512)}, r"left over \(image_projection.fc.bias\)"),
        ("cxr-clip-resnet50-m", {"text_encoder.text_encoder.encoder.layer.0.output.dense.bias": None}, "1 tensors are missing"),
        ("cxr-clip-resnet50-m", {"text_encoder.text_encoder.extra": torch.zeros(1)}, "1 tensors are left over"),
        ("cxr-clip-resnet50-m", {"text_encoder.text_encoder.embeddings.word_embeddings.weight": torch.zeros(9, 768)}, "do not fit"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(served, tmp_path, slug, changes, message):
    card, folder, state = served(slug)
    file, *others = model_card.weights_files(card)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    for name in others:
        (tmp_path / name).symlink_to(folder / name)
    changed = {name: each for name, each in (state | changes).items() if each is not None}
    if slug.startswith("biovil"):
        changed = {
            name: each for name, each in changed.items() if not name.startswith(("bert.", "cls"))
        }
        torch.save(changed, tmp_path / file)
    else:
        two_towers_files.save_checkpoint(changed, tmp_path / file)
    with pytest.raises(
        InputError, match=f"the weights of the model '{slug}' do not fit its architecture.*"
    ) as error:
        load_encoder(slug, model_card.card_meaning(card), tmp_path, "cpu")
    assert error.match(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "biovil"}, "'towers' names the architecture 'biovil': those of two towers are biovil-resnet50, "),
        ({"dimension": 64}, "card 'towers' says `dimension: 64`, but biovil-resnet50 with `pooling: projection` gives 128"),
        ({"weights": {"hub": "a/b", "revision": "main", "files": ["pytorch_model.bin"]}}, "'towers' lacks config.json, vocab.txt"),
    ],
)  # fmt: skip
def test_cards_that_do_not_fit_are_refused(served, changes, message):
    card, folder, _ = served("biovil-resnet50")
    with pytest.raises(InputError, match=message):
        load_encoder("towers", model_card.card_meaning(card | changes), folder, "cpu")


def test_a_configuration_that_is_none_is_refused(served, tmp_path):
    card, folder, _ = served("biovil-resnet50")
    for name in model_card.weights_files(card):
        (tmp_path / name).write_text("[]") if name == "config.json" else (
            tmp_path / name
        ).symlink_to(folder / name)
    with pytest.raises(InputError, match=r"config.json is no configuration of a BERT"):
        load_encoder("towers", model_card.card_meaning(card), tmp_path, "cpu")
