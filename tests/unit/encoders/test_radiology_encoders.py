"""Encoders of CT and radiographs whose files have the names of their training code: the same
weights in another library, and what their preprocessing does, worked out by hand."""

from pathlib import Path

import numpy as np
import published_names
import pytest
import timm
import torch
import transformers
from PIL import Image
from tiny_networks import TINY, noise

from radcbir.cards.card_schema import check_card
from radcbir.cards.model_card import load_card
from radcbir.encoders import load_encoder
from radcbir.encoders.preprocessing import preprocessed
from radcbir.encoders.weights_file import read_tensors

MODELS = Path(__file__).parents[3] / "config/models"

DINOV3_THERE = {
    "embeddings.cls_token": "cls_token", "embeddings.register_tokens": "reg_token",
    "embeddings.patch_embeddings": "patch_embed.proj", "layer.": "blocks.", "model.": "",
    "attention.o_proj": "attn.proj", "layer_scale1.lambda1": "gamma_1",
    "layer_scale2.lambda1": "gamma_2", "mlp.up_proj": "mlp.fc1", "mlp.down_proj": "mlp.fc2",
}  # fmt: skip
"""transformers' names of DINOv3 -> timm's."""


def as_timm(state):
    """Query, key and value of a layer become one tensor, in this order."""
    found = {}
    for name, tensor in state.items():
        for there, here in DINOV3_THERE.items():
            name = name.replace(there, here)
        if name != "embeddings.mask_token":
            found[name] = tensor
    for name in [each for each in found if "attention.q_proj" in each]:
        parts = [found.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        found[name.replace("attention.q_proj", "attn.qkv")] = torch.cat(parts)
    return found


def test_the_teacher_of_a_training_of_dinov3_is_that_of_transformers(tmp_path):
    """As the file of MedDINOv3: query, key and value as one tensor without bias, four registers, the
    heads of its losses beside it."""
    torch.manual_seed(5)
    configuration = transformers.DINOv3ViTConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, patch_size=16,
        num_register_tokens=4, image_size=96, query_bias=False, key_bias=False, value_bias=False,
    )  # fmt: skip
    there = transformers.DINOv3ViTModel(configuration).eval()
    with torch.no_grad():
        for each in there.parameters():
            each.normal_(std=0.4)
    state = as_timm(there.state_dict())
    torch.save(published_names.of_dinov3_training(state), tmp_path / "model.pth")
    card = TINY | {
        "architecture": "vit_base_patch16_dinov3", "pooling": "cls", "dimension": 64,
        "options": {"embed_dim": 64, "depth": 2, "num_heads": 4},
        "weights": {"file": "model.pth", "layout": "published", "prefix": "backbone."},
    }  # fmt: skip
    encoder = load_encoder("tiny", card, tmp_path / "model.pth", "cpu", "torch")
    prepared = [encoder.preprocess(noise(seed)) for seed in (1, 2)]
    with torch.inference_mode():
        expected = there(pixel_values=encoder.batch(prepared)).last_hidden_state[:, 0].numpy()
    found = encoder.encode(prepared)
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_teacher_of_flexict_is_a_dinov3_of_small_patches(tmp_path):
    """As its file: one channel, patches of 8 pixels beside those of volumes, and a norm of another
    epsilon than that of DINOv3. Narrower than the card's, and on inputs that are not square."""
    torch.manual_seed(7)
    configuration = transformers.DINOv3ViTConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, patch_size=8,
        num_register_tokens=4, image_size=96, query_bias=False, key_bias=False, value_bias=False,
        num_channels=1, layer_norm_eps=1e-6,
    )  # fmt: skip
    there = transformers.DINOv3ViTModel(configuration).eval()
    with torch.no_grad():
        for each in there.parameters():
            each.normal_(std=0.4)
        there.embeddings.patch_embeddings.weight.mul_(1e-3)  # where the epsilon counts
        there.embeddings.patch_embeddings.bias.mul_(1e-3)
    state = as_timm(there.state_dict())
    torch.save(published_names.of_flexict_training(state), tmp_path / "w.pth")
    card = load_card(MODELS / "flexict-2d-vitb8.yaml").as_dict()
    card["options"] |= {"embed_dim": 64, "depth": 2, "num_heads": 4}
    card["preprocessing"] |= {"size": [48, 80]}
    card |= {"dimension": 64}
    encoder = load_encoder("flexict", card, tmp_path / "w.pth", "cpu", "torch")
    slices = [noise(seed).convert("F").point(lambda value: value * 5 - 900) for seed in (1, 2)]
    prepared = [encoder.preprocess(each) for each in slices]
    with torch.inference_mode():
        expected = there(pixel_values=encoder.batch(prepared)).last_hidden_state[:, 0].numpy()
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(encoder.encode(prepared), expected, atol=2e-5)


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_a_file_of_evas_training_is_the_network_up_to_half_precision(tmp_path, size):
    """The small networks have one tensor for the gate and what it gates, the base network two, and
    a norm between."""
    options = {
        "patch_size": 16, "ref_feat_shape": [6, 6], "depth": 2, "embed_dim": 64, "num_heads": 4,
    }  # fmt: skip
    architecture = f"eva02_{size}_patch14_224"
    torch.manual_seed(6)
    model = timm.create_model(architecture, img_size=96, num_classes=0, **options).eval()
    state = {name: torch.randn_like(each).half() for name, each in model.state_dict().items()}
    model.load_state_dict(state)
    torch.save(published_names.of_eva_training(state), tmp_path / "w.pt")
    names = read_tensors(tmp_path / "w.pt", "tiny")
    assert ("blocks.0.mlp.w12.weight" in names) == (size == "tiny")
    assert {"mask_token", "lm_head.weight", "norm.weight", "pos_embed"} <= names.keys()
    card = TINY | {
        "architecture": architecture, "pooling": "pooled", "dimension": 64, "options": options,
        "weights": {"file": "w.pt", "layout": "published"},
    }  # fmt: skip
    encoder = load_encoder("tiny", card, tmp_path / "w.pt", "cpu", "torch")
    prepared = [encoder.preprocess(noise(seed)) for seed in (1, 2)]
    with torch.inference_mode():
        tokens = model.forward_features(encoder.batch(prepared))
        expected = model.fc_norm(tokens[:, 1:].mean(dim=1)).numpy()
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(encoder.encode(prepared), expected, atol=1e-5)


def test_gray_levels_are_made_equally_frequent():
    """16 pixels: 4 of 10, 4 of 20, 6 of 30, 2 of 200. Above the lowest level are 12 pixels, so 20
    becomes 255 * 4 / 12 = 85, 30 becomes 255 * 10 / 12 = 212.5 and thus 212, 200 becomes 255."""
    values = np.uint8([10] * 4 + [20] * 4 + [30] * 6 + [200] * 2).reshape(4, 4)
    way = {
        "size": 4, "resize": "squash", "crop_pct": 1.0, "interpolation": "bicubic",
        "range": "equalized", "mean": [0.5] * 3, "std": [0.5] * 3,
    }  # fmt: skip
    check_card(TINY | {"preprocessing": way | {"size": 8}}, "the card")
    expected = np.uint8([0] * 4 + [85] * 4 + [212] * 6 + [255] * 2).reshape(1, 4, 4)
    gray = Image.fromarray(values)
    for image in (gray, gray.convert("RGB")):
        assert (preprocessed(image, way) == expected).all()
    assert (preprocessed(Image.new("L", (4, 4), 70), way) == 70).all()
    darker = gray.point(lambda value: value // 2 + 3)
    assert (preprocessed(darker, way) == expected).all(), "brightness and contrast do not count"
