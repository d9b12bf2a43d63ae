"""Contrastive models with random weights, in the folders that the hub serves: both towers,
strictly, without network."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from radcbir.cards import model_card
from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder

VISION = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CONFIGURATION = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
BERT = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "chest",
    "x",
    "-",
    "ray",
    "of",
    "brain",
    "mri",
    "the",
]

CARD = model_card.DEFAULTS | {
    "name": "tiny CLIP",
    "loader": "open_clip",
    "architecture": "tiny",
    "weights": {"hub": "someone/tiny", "revision": "main", "files": ["open_clip_config.json", "open_clip_model.safetensors"]},
    "pooling": "projection",
    "dimension": 24,
    "text_tower": True,
    "preprocessing": {
        "size": 32, "resize": "shortest", "crop_pct": 1.0, "interpolation": "bicubic",
        "mean": list(open_clip.OPENAI_DATASET_MEAN), "std": list(open_clip.OPENAI_DATASET_STD),
    },
    "licence": "none",
}  # fmt: skip
NAMES = {
    "vision_model.": "", "embeddings.class_embedding": "class_embedding", "embeddings.patch_embedding": "conv1",
    "embeddings.position_embedding.weight": "positional_embedding", "pre_layrnorm": "ln_pre", "post_layernorm": "ln_post",
    "visual_projection": "proj", "encoder.layers": "transformer.resblocks", "self_attn": "attn", "layer_norm": "ln_",
    "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip
TEXTS = ["a chest x-ray", "mri of the brain", "a chest x-ray of the brain"]


def images(count=3):
    random = np.random.default_rng(0)
    return [
        Image.fromarray(random.integers(0, 256, (40 + 9 * each, 60, 3), dtype=np.uint8))
        for each in range(count)
    ]


def encode(encoder, pictures):
    return encoder.encode([encoder.preprocess(each) for each in pictures])


def save(folder, configuration, changes=(), name="open_clip_model.safetensors"):
    """A folder as the hub serves it; returns the model behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": configuration, "preprocess_cfg": {}})
    )
    torch.manual_seed(5)
    model = open_clip.CLIP(**configuration).eval()
    state = model.state_dict()
    for key, tensor in dict(changes).items():
        state.pop(key) if tensor is None else state.update({key: tensor})
    state = {key: each.contiguous().clone() for key, each in state.items()}
    save_file(state, folder / name) if name.endswith(".safetensors") else torch.save(
        state, folder / name
    )
    return model


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "weights" / "tiny-clip"


def test_both_towers_are_those_of_the_saved_model(folder):
    model = save(folder, CONFIGURATION)
    encoder = load_encoder("tiny-clip", CARD, folder, "cpu")
    transform = open_clip.image_transform(32, is_train=False)
    pictures = images()
    with torch.inference_mode():
        expected = model.encode_image(torch.stack([transform(each) for each in pictures])).numpy()
        words = model.encode_text(open_clip.tokenize(TEXTS, context_length=20)).numpy()
    np.testing.assert_allclose(encode(encoder, pictures), expected, atol=1e-5)
    found = encoder.encode_text(TEXTS)
    assert (found.shape, found.dtype) == ((3, 24), np.float32)
    np.testing.assert_allclose(found, words, atol=1e-5)
    assert model_card.has_text(CARD)


def test_a_vector_does_not_depend_on_the_batch_or_the_run(folder):
    save(folder, CONFIGURATION)
    first, second = (
        load_encoder("tiny-clip", model_card.card_meaning(CARD), folder, "cpu") for _ in range(2)
    )
    pictures = images(32)
    together = encode(first, pictures)
    assert (encode(second, pictures) == together).all()
    np.testing.assert_allclose(
        np.concatenate([encode(first, [each]) for each in pictures]), together, atol=1e-5
    )
    np.testing.assert_allclose(
        first.encode_text(TEXTS[:1])[0], first.encode_text(TEXTS)[0], atol=1e-5
    )


@pytest.fixture
def with_bert(folder):
    """A model like BiomedCLIP: timm's vision transformer, a BERT whose configuration comes from
    another repository."""
    text = {"hf_model_name": "someone/bert", "hf_tokenizer_name": "someone/bert", "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 12}  # fmt: skip
    vision = {"timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear",
              "image_size": 160}  # fmt: skip
    configuration = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    (folder / "text").mkdir(parents=True)
    BertConfig(**BERT).save_pretrained(folder / "text")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    torch.manual_seed(6)
    text = text | {"hf_model_name": str(folder / "text"), "hf_model_pretrained": False}
    model = open_clip.CustomTextCLIP(24, vision, text).eval()
    state = model.state_dict() | {
        "text.transformer.embeddings.position_ids": torch.arange(512)[None]
    }
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    weights = {
        "hub": "someone/tiny", "revision": "main",
        "files": [
            "open_clip_config.json", "open_clip_pytorch_model.bin", "vocab.txt", "tokenizer_config.json",
            {"hub": "someone/bert", "revision": "main", "file": "config.json", "to": "text/config.json"},
        ],
    }  # fmt: skip
    return model, CARD | {
        "weights": weights,
        "preprocessing": CARD["preprocessing"] | {"size": 160},
    }


def test_a_text_tower_from_another_repository(with_bert, folder):
    model, card = with_bert
    encoder = load_encoder("tiny-clip", card, folder, "cpu")
    tokens = torch.tensor(
        [[2, 5, 6, 7, 8, 9, 3, 0, 0, 0, 0, 0], [2, 12, 10, 13, 11, 3, 0, 0, 0, 0, 0, 0]]
    )
    batch = encoder.batch([encoder.preprocess(each) for each in images(1)])
    with torch.inference_mode():
        np.testing.assert_allclose(
            encoder.encode_text(TEXTS[:2]), model.encode_text(tokens).numpy(), atol=1e-5
        )
        np.testing.assert_allclose(
            encode(encoder, images(1)), model.encode_image(batch).numpy(), atol=1e-5
        )


def test_options_take_the_place_of_parts_of_an_architecture(folder, monkeypatch):
    """UniMed-CLIP: open_clip's vision transformer, BiomedBERT for texts, and no configuration among
    its files.

    Both towers are compared with those of transformers, which hold the same weights.
    """
    text = {"hf_model_name": "someone/bert", "hf_tokenizer_name": "someone/bert", "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 12}  # fmt: skip
    monkeypatch.setattr(
        open_clip, "get_model_config", lambda name: CONFIGURATION | {"quick_gelu": True}
    )
    (folder / "text").mkdir(parents=True)
    BertConfig(**BERT).save_pretrained(folder / "text")
    (folder / "text" / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(7)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    vision = CLIPVisionConfig(
        **sizes, image_size=32, patch_size=8, projection_dim=24, hidden_act="quick_gelu"
    )
    images_there, bert = (
        CLIPVisionModelWithProjection(vision).eval(),
        BertModel(BertConfig(**BERT), False).eval(),
    )
    projection = torch.nn.Sequential(
        torch.nn.Linear(32, 28, False), torch.nn.GELU(), torch.nn.Linear(28, 24, False)
    )
    state = {
        f"visual.{name}": each for name, each in of_open_clip(images_there.state_dict()).items()
    }
    state |= {f"text_encoder.transformer.{name}": each for name, each in bert.state_dict().items()}
    state |= {f"text_encoder.proj.{name}": each for name, each in projection.state_dict().items()}
    torch.save({"state_dict": state | {"logit_scale": torch.tensor(4.6)}}, folder / "tiny.pt")
    there = {"hub": "someone/bert", "revision": "main"}
    files = [
        "tiny.pt",
        *(there | {"file": name, "to": f"text/{name}"} for name in ("config.json", "vocab.txt")),
    ]
    weights = {
        "hub": "someone/tiny",
        "revision": "main",
        "files": files,
        "renamed": {"text_encoder.": "text."},
    }
    card = CARD | {"weights": weights, "options": {"text_cfg": text}}
    encoder = load_encoder("tiny-clip", card, folder, "cpu")
    tokens = torch.tensor(
        [[2, 5, 6, 7, 8, 9, 3, 0, 0, 0, 0, 0], [2, 12, 10, 13, 11, 3, 0, 0, 0, 0, 0, 0]]
    )
    with torch.inference_mode():
        batch = encoder.batch([encoder.preprocess(each) for each in images()])
        np.testing.assert_allclose(
            encode(encoder, images()), images_there(batch).image_embeds.numpy(), atol=1e-5
        )
        words = projection(
            bert(tokens, attention_mask=(tokens != 0).long()).last_hidden_state[:, 0]
        )
        np.testing.assert_allclose(encoder.encode_text(TEXTS[:2]), words.numpy(), atol=1e-5)
    assert "options" in model_card.card_meaning(card)


def of_open_clip(there):
    """The tensors of a CLIP vision tower of transformers by the names that open_clip has for
    them."""
    found = {}
    for name, tensor in there.items():
        for old, new in NAMES.items():
            name = name.replace(old, new)
        found[name] = tensor
    for start in {name.split("q_proj")[0] for name in found if "q_proj" in name}:
        for kind in ("weight", "bias"):
            parts = [found.pop(f"{start}{part}_proj.{kind}") for part in "qkv"]
            found[f"{start}in_proj_{kind}"] = torch.cat(parts)
    return found | {"proj": found.pop("proj.weight").T}


def test_a_missing_tokenizer_is_named(with_bert, folder):
    _, card = with_bert
    (folder / "vocab.txt").unlink()
    files = [each for each in card["weights"]["files"] if each != "vocab.txt"]
    card = card | {"weights": card["weights"] | {"files": files}}
    with pytest.raises(InputError, match="has none of tokenizer.json, vocab.txt"):
        load_encoder("tiny-clip", card, folder, "cpu").encode_text(TEXTS)


def test_a_card_may_hold_the_configuration_and_a_file_of_safetensors_any_name(folder):
    model = save(folder, CONFIGURATION)
    (folder / "open_clip_model.safetensors").rename(folder / "open_clip_model.pt")
    weights = {"hub": "someone/tiny", "revision": "main", "file": "open_clip_model.pt"}
    card = CARD | {"options": CONFIGURATION, "weights": weights}
    encoder = load_encoder(
        "tiny-clip", model_card.card_meaning(card), folder / "open_clip_model.pt", "cpu"
    )
    with torch.inference_mode():
        words = model.encode_text(open_clip.tokenize(TEXTS, context_length=20)).numpy()
    np.testing.assert_allclose(encoder.encode_text(TEXTS), words, atol=1e-5)
    assert model_card.card_meaning(card) != model_card.card_meaning(
        card | {"options": CONFIGURATION | {"quick_gelu": True}}
    )


def test_padding_that_is_not_attended_to_changes_no_text(folder):
    configuration = CONFIGURATION | {"text_cfg": TEXT | {"no_causal_mask": True}}
    path = folder / "open_clip_model.safetensors"
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    model = open_clip.CustomTextCLIP(**configuration).eval()
    save_file(model.state_dict(), path)
    model.text.use_pad_mask = True
    with torch.inference_mode():
        expected = model.encode_text(open_clip.tokenize(TEXTS, context_length=20)).numpy()
    found = {}
    for masked in (True, False):
        options = configuration | {
            "custom_text": True,
            "text_cfg": configuration["text_cfg"] | {"use_pad_mask": masked},
        }
        card = CARD | {"options": options, "weights": {"file": path.name}}
        found[masked] = load_encoder("tiny-clip", card, path, "cpu").encode_text(TEXTS)
    np.testing.assert_allclose(found[True], expected, atol=1e-5)
    assert np.abs(found[False] - expected).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"visual.proj": None}, r"1 tensors are missing \(visual.proj\)"),
        ({"token_embedding.weight": None}, r"1 tensors are missing \(token_embedding.weight\)"),
        ({"visual.extra": torch.zeros(1)}, r"1 tensors are left over \(visual.extra\)"),
        (
            {"visual.positional_embedding": torch.zeros(26, 32)},
            r"visual.positional_embedding is \(26, 32\) where \(17, 32\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder, changes, message):
    save(folder, CONFIGURATION, changes)
    with pytest.raises(
        InputError,
        match=f"the weights of the model 'tiny-clip' do not fit its architecture: {message}",
    ):
        load_encoder("tiny-clip", CARD, folder, "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"embed_dim": 24, "text_cfg": TEXT},
            r"open_clip .* can build \('vision_cfg'\): correct `options:`",
        ),
        (
            CONFIGURATION | {"text_cfg": {"depth": 2}},
            "open_clip .* can build .* unexpected keyword argument 'depth'",
        ),
    ],
)
def test_a_configuration_that_is_none_is_named(folder, options, message):
    save(folder, CONFIGURATION)
    path = folder / "open_clip_model.safetensors"
    with pytest.raises(
        InputError, match=f"the configuration of the model 'tiny-clip' is none that {message}"
    ):
        load_encoder(
            "tiny-clip", CARD | {"options": options, "weights": {"file": path.name}}, path, "cpu"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimension": 25}, "card 'tiny-clip' says `dimension: 25`, but tiny with `pooling: projection` gives 24"),
        ({"preprocessing": CARD["preprocessing"] | {"size": 40}}, "'tiny-clip' does not take images of `preprocessing: size: 40`"),
        ({"weights": {"hub": "a/b", "revision": "main", "files": ["open_clip_model.safetensors"]}}, "'tiny', which open_clip"),
        ({"weights": {"hub": "a/b", "revision": "main", "files": ["open_clip_model.bin"]}}, "is missing: run `snakemake --cores 1 weights`"),
    ],
)  # fmt: skip
def test_cards_that_do_not_fit_are_refused(folder, changes, message):
    save(folder, CONFIGURATION)
    with pytest.raises(InputError, match=message):
        load_encoder("tiny-clip", CARD | changes, folder, "cpu")
