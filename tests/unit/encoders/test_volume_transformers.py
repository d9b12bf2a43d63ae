"""Transformers of whole volumes: COLIPRI's and SPECTRE's, against torch's own layers and arithmetic that
is written out here, and their cards with files in the published names."""

import math
import re

import numpy as np
import pytest
import tiny_transformers
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm, linear, silu

from radcbir.cards.card_schema import check_card
from radcbir.cards.model_card import load_card
from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder
from radcbir.encoders.loaders.primus_encoder import ARCHITECTURES as PRIMUS
from radcbir.encoders.loaders.primus_encoder import Primus
from radcbir.encoders.loaders.spectre_encoder import ARCHITECTURES as SPECTRE
from radcbir.encoders.loaders.spectre_encoder import Spectre

COLIPRI, SPECTRE_LARGE = (
    load_card(f"config/models/{slug}.yaml").as_dict() for slug in ("colipri-crm", "spectre-large")
)


def scattered(model):
    """A network whose every tensor matters: none is all zeros or ones, as some begin."""
    torch.manual_seed(4)
    with torch.no_grad():
        for name, each in model.named_parameters():
            each.copy_(
                torch.randn_like(each) * (0.3 if each.ndim == 1 else each[0].numel() ** -0.5)
            )
            if "norm" in name and name.endswith("weight"):
                each.add_(1)
    return model.eval()


def attended(query, key, value, heads):
    """Attention in plain products; tokens ``(n, width)``."""
    split = [each.reshape(len(each), heads, -1).transpose(0, 1) for each in (query, key, value)]
    shares = (split[0] @ split[1].transpose(1, 2) / math.sqrt(split[0].shape[-1])).softmax(dim=-1)
    return (shares @ split[2]).transpose(0, 1).reshape(len(query), -1)


def turned(tokens, heads, angles, pairs):
    """Each pair of a head's numbers as a complex number, turned by its angle."""
    split = tokens.reshape(len(tokens), heads, -1).clone()
    first, second = pairs
    number = torch.complex(split[..., first], split[..., second])
    number = number * torch.polar(torch.ones_like(angles), angles)[:, None]
    split[..., first], split[..., second] = number.real, number.imag
    return split.reshape(len(tokens), -1)


def grid_of(*sides):
    """The places of the tokens of a grid, the last axis running fastest."""
    return torch.cartesian_prod(*(torch.arange(n, dtype=torch.float32) for n in sides))


def patches(volume, weight, bias):
    """Tokens of the patches of a volume ``(x, y, z)``, by a product with each."""
    side = weight.shape[2:]
    found = []
    for place in grid_of(*(had // n for had, n in zip(volume.shape, side, strict=True))).int():
        cut = tuple(slice(int(at) * n, int(at) * n + n) for at, n in zip(place, side, strict=True))
        found.append(weight.flatten(1) @ volume[cut].flatten() + bias)
    return torch.stack(found)


def colipri(tensors, volume, heads):
    """What the authors' papers describe, token by token; pairs of a head lie side by side."""
    part = dict(tensors)
    width = part["projector.weight"].shape[1]
    base = "backbone.down_projection.proj."
    tokens = patches(volume, part[f"{base}weight"], part[f"{base}bias"])
    count = width // heads // 6
    speeds = 10000.0 ** (-torch.arange(count) / count)
    places = grid_of(*(n // 8 for n in volume.shape))
    angles = (places[:, :, None] * speeds).flatten(1)
    pairs = torch.arange(0, width // heads, 2), torch.arange(1, width // heads, 2)
    for number in range(len({name.split(".")[3] for name in part if ".blocks." in name})):

        def of(name, number=number):
            return part.get(f"backbone.eva.blocks.{number}.{name}")

        def normed(tokens, name, of=of):
            return layer_norm(tokens, tokens.shape[-1:], of(f"{name}.weight"), of(f"{name}.bias"))

        def layer(tokens, name, of=of):
            return linear(tokens, of(f"{name}.weight"), of(f"{name}.bias"))

        inside = normed(tokens, "norm1")
        query, key = (
            turned(layer(inside, f"attn.{each}_proj"), heads, angles, pairs) for each in "qk"
        )
        found = attended(query, key, layer(inside, "attn.v_proj"), heads)
        tokens = tokens + of("gamma_1") * layer(normed(found, "attn.norm"), "attn.proj")
        inside = normed(tokens, "norm2")
        gated = silu(layer(inside, "mlp.fc1_g")) * layer(inside, "mlp.fc1_x")
        tokens = tokens + of("gamma_2") * layer(normed(gated, "mlp.norm"), "mlp.fc2")
    last = "backbone.eva.norm."
    tokens = layer_norm(tokens, (width,), part[f"{last}weight"], part[f"{last}bias"])
    tokens = linear(tokens, part["projector.weight"].flatten(1), part["projector.bias"])
    weights = part["pooler.attn.in_proj_weight"].chunk(3)
    biases = part["pooler.attn.in_proj_bias"].chunk(3)
    asked = [tokens.mean(dim=0, keepdim=True), tokens, tokens]
    asked = [linear(*each) for each in zip(asked, weights, biases, strict=True)]
    out = "pooler.attn.out_proj."
    return linear(attended(*asked, 12), part[f"{out}weight"], part[f"{out}bias"])[0]


def spectre(tensors, volume, heads):
    """The same for crops of 128 x 128 x 64 and their combiner; pairs of a head lie half a head apart."""

    def tower(name, tokens, sides, longest):
        width = tokens.shape[1]
        count = width // heads // 6
        periods = longest ** (torch.arange(count) / count)
        places = (grid_of(*sides) + 0.5) / torch.tensor(sides) * 2 - 1
        angles = (2 * math.pi * places[:, :, None] / periods).flatten(1)
        angles = torch.cat([torch.zeros(1, angles.shape[1]), angles])  # the class token stays
        half = width // heads // 2
        pairs = torch.arange(half), torch.arange(half, 2 * half)
        tokens = torch.cat([tensors[f"{name}.cls_token"][0], tokens])
        for number in range(2):
            part = {
                each.removeprefix(f"{name}.blocks.{number}."): tensor
                for each, tensor in tensors.items()
            }

            def layer(tokens, name, part=part):
                return linear(tokens, part[f"{name}.weight"], part[f"{name}.bias"])

            def normed(name, tokens, part=part):
                return layer_norm(tokens, (width,), part[f"{name}.weight"], part[f"{name}.bias"])

            inside = normed("norm1", tokens)
            key, value = layer(inside, "attn.kv").chunk(2, dim=1)
            query, key = (
                turned(each, heads, angles, pairs) for each in (layer(inside, "attn.q"), key)
            )
            found = layer(attended(query, key, value, heads), "attn.proj")
            tokens = tokens + part["ls1.gamma"] * found
            found = layer(gelu(layer(normed("norm2", tokens), "mlp.fc1")), "mlp.fc2")
            tokens = tokens + part["ls2.gamma"] * found
        return layer_norm(
            tokens, (width,), tensors[f"{name}.norm.weight"], tensors[f"{name}.norm.bias"]
        )

    base = "backbone.patch_embed.proj."
    sides = [had // n for had, n in zip(volume.shape, (128, 128, 64), strict=True)]
    vectors = []
    for x, y, z in grid_of(*sides).int().tolist():
        crop = volume[x * 128 : x * 128 + 128, y * 128 : y * 128 + 128, z * 64 : z * 64 + 64]
        tokens = patches(crop, tensors[f"{base}weight"], tensors[f"{base}bias"])
        tokens = tower("backbone", tokens, (8, 8, 8), 1000.0)
        vectors.append(torch.cat([tokens[0], tokens[1:].mean(dim=0)]))
    into = "feature_combiner.patch_proj."
    vectors = linear(torch.stack(vectors), tensors[f"{into}weight"], tensors[f"{into}bias"])
    return tower("feature_combiner", vectors, sides, 100.0)[0]


@torch.inference_mode()
def test_colipri_is_what_is_written_out_here(monkeypatch, tmp_path):
    tiny_transformers.known(monkeypatch)
    model = scattered(Primus(tiny_transformers.PRIMUS, 24))
    tensors = {f"image_encoder.{name}": each for name, each in model.state_dict().items()}
    tensors |= {
        "image_encoder.backbone.mask_token": torch.zeros(1, 1, 72),
        "text_encoder.pooler.attn.in_proj_bias": torch.zeros(3),
        "softmax_temperature": torch.ones(()),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    card = COLIPRI | {"architecture": "primus-tiny", "dimension": 24}
    encoder = load_encoder("colipri", card, tmp_path / "model.safetensors", "cpu")
    values = np.random.default_rng(0).normal(0, 1, (1, 32, 16, 24)).astype(np.float32)
    expected = colipri(model.state_dict(), torch.from_numpy(values[0]), 2)
    np.testing.assert_allclose(encoder.encode([values])[0], expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_spectre_is_what_is_written_out_here(monkeypatch, tmp_path):
    tiny_transformers.known(monkeypatch)
    monkeypatch.setattr("radcbir.encoders.loaders.spectre_encoder.AT_ONCE", 3)
    model = scattered(Spectre(tiny_transformers.SPECTRE))
    tensors = {f"model.{name}": each for name, each in model.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    card = SPECTRE_LARGE | {"architecture": "spectre-tiny", "dimension": 48}
    encoder = load_encoder("spectre", card, tmp_path / "model.safetensors", "cpu")
    random = np.random.default_rng(0)
    inputs = [random.random((1, *size), dtype=np.float32) for size in ((256, 128, 128), (128, 128, 192))]  # fmt: skip
    expected = [spectre(model.state_dict(), torch.from_numpy(each[0]), 4) for each in inputs]
    np.testing.assert_allclose(encoder.encode(inputs), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_the_networks_of_the_cards_have_the_published_tensors():
    with torch.device("meta"):
        primus = Primus(PRIMUS[COLIPRI["architecture"]], COLIPRI["dimension"])
        spectre = Spectre(SPECTRE[SPECTRE_LARGE["architecture"]])
    shapes = {name: tuple(each.shape) for name, each in primus.state_dict().items()}
    assert len(shapes) == 380 - 2  # the package's has a mask token and a temperature as well
    assert shapes["backbone.down_projection.proj.weight"] == (864, 1, 8, 8, 8)
    assert shapes["backbone.eva.blocks.15.mlp.fc1_g.weight"] == (2304, 864)
    assert shapes["pooler.attn.in_proj_weight"] == (2304, 768)
    shapes = {name: tuple(each.shape) for name, each in spectre.state_dict().items()}
    assert len(shapes) == 460
    assert sum(math.prod(each) for each in shapes.values()) == 396_917_310
    assert shapes["backbone.blocks.23.attn.kv.weight"] == (2160, 1080)
    assert shapes["feature_combiner.patch_proj.weight"] == (1080, 2160)
    assert shapes["feature_combiner.rope.periods"] == (15,)


@pytest.mark.parametrize(
    ("card", "changes", "message"),
    [
        (COLIPRI, {"architecture": "primus-xl"}, "architecture 'primus-xl': `loader: primus` has primus-s, "),
        (COLIPRI, {"architecture": "primus-tiny", "dimension": 32}, "`dimension: 32`, which is no multiple of 12"),
        (SPECTRE_LARGE, {"architecture": "vit"}, "architecture 'vit': `loader: spectre` has spectre-small, "),
        (SPECTRE_LARGE, {"architecture": "spectre-tiny"}, "says `dimension: 1080`, but spectre-tiny gives 48"),
    ],
)  # fmt: skip
def test_cards_that_do_not_fit_are_named(card, changes, message, monkeypatch):
    tiny_transformers.known(monkeypatch)
    with pytest.raises(InputError, match=re.escape(message)):
        load_encoder("wrong", card | {"weights": {"random_seed": 1}} | changes, None, "cpu")


@pytest.mark.parametrize(
    ("card", "size", "message"),
    [
        (COLIPRI, [192, 190, 192], "`preprocessing: size: [192, 190, 192]`, but its network cuts a volume into patches of 8 x 8 x 8"),
        (SPECTRE_LARGE, [384, 384, 224], "`preprocessing: size: [384, 384, 224]`, but its network cuts a volume into crops of 128 x 128 x 64"),
        (SPECTRE_LARGE, None, "`preprocessing: resize: keep`, but its network cuts a volume into crops"),
    ],
)  # fmt: skip
def test_sizes_that_make_no_whole_parts_are_refused(card, size, message):
    how = {name: each for name, each in card["preprocessing"].items() if name != "size"}
    how |= {"size": size} if size else {"resize": "keep"}
    with pytest.raises(InputError, match=re.escape(message)):
        load_encoder("wrong", card | {"preprocessing": how}, None, "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": [0.5, 0.5, 0.5]}, "preprocessing: mean"),
        ({"mean": "image"}, "preprocessing: mean"),
        ({"std": [0]}, "preprocessing: std"),
        ({"grid": "first"}, "preprocessing: grid"),
        ({"fill": "lowest", "resize": "area"}, "preprocessing: resize"),
    ],
)
def test_the_schema_names_what_a_volume_cannot_have(changes, message):
    wrong = COLIPRI | {"preprocessing": COLIPRI["preprocessing"] | changes}
    wrong.pop("precision"), wrong.pop("runtime")
    with pytest.raises(InputError, match=message):
        check_card(wrong, "the card")
    lacking = {name: each for name, each in COLIPRI["preprocessing"].items() if name != "std"}
    with pytest.raises(InputError, match="std"):
        check_card(COLIPRI | {"preprocessing": lacking}, "the card")
