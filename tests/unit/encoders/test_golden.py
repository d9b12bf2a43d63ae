"""Golden vectors of every loader, golden pixels of every way to preprocess, and the versions that
belong to them.

Each network is small, its weights follow from the names of its tensors, and the images are the same
on every machine. CONTRIBUTING.md says how a new family of encoders is recorded.
"""

import hashlib
import json
from pathlib import Path

import golden
import numpy as np
import open_clip
import pytest
import timm
import tiny_transformers
import torch
import transformers
import two_towers_files
from monai.networks.nets.segresnet_ds import SegResEncoder
from safetensors.torch import load_file, save_file
from tiny_networks import TINY

from radcbir.cards import loaders, model_card
from radcbir.cards.versions import PREPROCESSING, ways_of
from radcbir.encoders import load_encoder, preprocessing
from radcbir.encoders.loaders import torchxrayvision_encoder
from radcbir.encoders.loaders.i3resnet_encoder import Inflated
from radcbir.encoders.loaders.primus_encoder import Primus
from radcbir.encoders.loaders.spectre_encoder import Spectre
from radcbir.encoders.network import standardised

ROOT = Path(__file__).parents[3]
SMALL = TINY["preprocessing"] | {"size": 32, "crop_pct": 1.0}


def crops(**changes):
    return SMALL | {"crop_pct": 0.875} | changes


def of_timm(architecture, pooling, dimension, options=(), **changes):
    def make(folder):
        model = timm.create_model(architecture, **dict(options))
        save_file(golden.filled(model.state_dict()), folder / "w.safetensors")
        card = {"architecture": architecture, "pooling": pooling, "dimension": dimension}
        return TINY | card | {
            "weights": {"file": "w.safetensors"}
        } | changes, folder / "w.safetensors"

    return make


def of_open_clip(folder):
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    configuration = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))
    state = golden.filled(open_clip.CLIP(**configuration).state_dict())
    save_file(state, folder / "w.safetensors")
    files = ["open_clip_config.json", "w.safetensors"]
    return TINY | {
        "loader": "open_clip", "architecture": "tiny", "pooling": "projection", "dimension": 24,
        "preprocessing": SMALL, "weights": {"files": files},
    }, folder  # fmt: skip


VIT = {
    "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64,
    "patch_size": 8, "image_size": 32,
}  # fmt: skip


def of_transformers(architecture, pooling, dimension, configuration, **changes):
    def make(folder):
        kind = getattr(transformers, architecture)
        settings = configuration()
        kind(settings).save_pretrained(folder)
        state = golden.filled(load_file(folder / "model.safetensors"))
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        files = ["config.json", "model.safetensors"]
        return TINY | {
            "loader": "transformers", "architecture": architecture, "pooling": pooling,
            "dimension": dimension, "preprocessing": SMALL, "weights": {"files": files}, **changes,
        }, folder  # fmt: skip

    return make


def sam():
    vision = {
        "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "patch_size": 16,
        "output_channels": 16, "window_size": 2, "global_attn_indexes": [0], "mlp_dim": 64,
    }  # fmt: skip
    return transformers.SamConfig(vision_config=transformers.SamVisionConfig(**vision).to_dict())


def of_medclip(folder):
    swin = transformers.SwinModel(transformers.SwinConfig()).state_dict()
    swin = {f"vision_model.model.{name}": each for name, each in swin.items()}
    projection = {"vision_model.projection_head.weight": torch.zeros(512, 768)}
    torch.save(golden.filled(swin | projection), folder / "w.bin")
    return TINY | {
        "loader": "medclip", "architecture": "swin", "pooling": "projection", "dimension": 512,
        "preprocessing": SMALL | {"size": 224, "resize": "black_square"}, "weights": {"file": "w.bin"},
    }, folder / "w.bin"  # fmt: skip


def of_torchxrayvision(architecture, dimension):
    def make(folder):
        model = torchxrayvision_encoder.build(architecture, 18)
        torch.save(golden.filled(model.state_dict()), folder / "w.pt")
        return TINY | {
            "loader": "torchxrayvision", "architecture": architecture, "pooling": "pooled", "dimension": dimension,
            "preprocessing": SMALL | {"size": 64, "resize": "library", "mean": [0.5], "std": [0.0005]},
            "weights": {"file": "w.pt"},
        }, folder / "w.pt"  # fmt: skip

    return make


def of_two_towers(slug):
    def make(folder):
        card = model_card.load_card(ROOT / f"config/models/{slug}.yaml").as_dict()
        files = [
            each["file"] if isinstance(each, dict) else each for each in card["weights"]["files"]
        ]
        card["weights"] = card["weights"] | {"files": files}
        card["preprocessing"] = card["preprocessing"] | {"size": 64}
        two_towers_files.serve(card, folder)
        for path in folder.iterdir():
            if path.suffix == ".pt" or path.name == "pytorch_model.bin":
                torch.save(golden.filled(torch.load(path)), path)
            elif path.suffix == ".safetensors":
                save_file(golden.filled(load_file(path)), path)
        return card, folder

    return make


def of_control(name, dimension):
    card = {"loader": "control", "architecture": name, "dimension": dimension}
    return lambda folder: (card, None)


MINMAX = TINY["preprocessing"] | {"resize": "squash", "range": "minmax"}
NETWORKS = {
    "control thumbnail": of_control("thumbnail", 256),
    "control histogram": of_control("histogram", 64),
    "timm pooled": of_timm("test_resnet", "pooled", 96),
    "timm mean of a map, minmax": of_timm("test_resnet", "mean", 96, preprocessing=MINMAX),
    "timm inside of a map, not square": of_timm(
        "test_resnet", "inside", 96, preprocessing=crops(resize="corner", size=[64, 96])
    ),
    "timm cls, not square": of_timm(
        "test_vit", "cls", 64, {"img_size": [96, 64]}, preprocessing=crops(size=[96, 64])
    ),
    "timm logits": of_timm("test_resnet", "logits", 1000),
    "timm cls": of_timm("test_vit", "cls", 64, preprocessing=TINY["preprocessing"] | {"size": 160}),
    "timm mean of patches": of_timm("test_vit", "mean", 64, preprocessing=TINY["preprocessing"] | {"size": 160}),
    "open_clip projection": of_open_clip,
    "transformers cls": of_transformers("ViTModel", "cls", 32, lambda: transformers.ViTConfig(**VIT)),
    "transformers mean": of_transformers("ViTModel", "mean", 32, lambda: transformers.ViTConfig(**VIT)),
    "transformers pooled": of_transformers("ViTModel", "pooled", 32, lambda: transformers.ViTConfig(**VIT)),
    "transformers masked": of_transformers(
        "ViTMAEModel", "cls", 32, lambda: transformers.ViTMAEConfig(**VIT), options={"mask_ratio": 0.5}
    ),
    "transformers inside": of_transformers(
        "SamModel", "inside", 16, sam, preprocessing=SMALL | {"size": 64, "resize": "corner"}
    ),
    "medclip projection": of_medclip,
    "torchxrayvision densenet121": of_torchxrayvision("densenet121", 1024),
    "torchxrayvision resnet50": of_torchxrayvision("resnet50", 2048),
    "two_towers biovil": of_two_towers("biovil-resnet50"),
    "two_towers biovil-t": of_two_towers("biovil-t-resnet50"),
}  # fmt: skip
"""What is compared -> a function that writes the files of its network; the first word is its loader."""


def of_volumes(loader, architecture, network, pooling, dimension, how, **changes):
    def make(folder):
        save_file(golden.filled(network().state_dict()), folder / "w.safetensors")
        usual = {"orientation": "RAS", "range": {"hounsfield": [-1000, 600]}}
        return {
            **{each: TINY[each] for each in ("name", "precision", "licence")},
            **{"loader": loader, "architecture": architecture, "pooling": pooling, **changes},
            **{"dimension": dimension, "weights": {"file": "w.safetensors"}},
            "preprocessing": usual | how,
        }, folder / "w.safetensors"

    return make


SEGRES = {"init_filters": 4, "blocks_down": [1, 1, 2]}
AREA = {"resize": "area", "crop": "foreground", "size": [32, 32, 16]}
SPACED = {"resize": "pad_or_crop", "spacing": [2.0, 2.0, 3.0], "size": [32, 24, 16]}
MIDDLE = SPACED | {"grid": "middle", "fill": "lowest", "mean": [0.5], "std": [0.5]}
CLIPPED = SPACED | {"clip": "first", "spacing": [0.5, 0.5, 0.75], "size": [256, 128, 64]}
OF_VOLUMES = {
    "i3resnet pooled, area": of_volumes(
        "i3resnet", "i3resnet18", lambda: Inflated("resnet18"), "pooled", 512, AREA
    ),
    "i3resnet pooled, spaced": of_volumes(
        "i3resnet", "i3resnet50", lambda: Inflated("resnet50"), "pooled", 2048, SPACED
    ),
    "monai mean": of_volumes(
        "monai", "SegResEncoder", lambda: SegResEncoder(**SEGRES), "mean", 16,
        {"resize": "keep", "orientation": "SPL"}, options=SEGRES,
    ),
    "primus projection": of_volumes(
        "primus", "primus-tiny", lambda: Primus(tiny_transformers.PRIMUS, 24), "projection", 24, MIDDLE
    ),
    "spectre cls": of_volumes(
        "spectre", "spectre-tiny", lambda: Spectre(tiny_transformers.SPECTRE), "cls", 48, CLIPPED
    ),
}  # fmt: skip
"""The same for encoders of volumes."""

VECTORS: dict[str, tuple] = {
    'control thumbnail': ({"loader": 1}, [[-21.53, -19.3409, 8.10485, -0.787173, 3.89604, 0.724211], [-3.50085, 5.7025, -1.69039, -17.6984, -1.79012, 11.4741], [-17.7913, -18.053, -11.6184, -30.9106, -12.0178, 15.5566], [2.51419, 2.29436, 2.03096, -4.19453, -2.53203, 3.51111]]),
    'control histogram': ({"loader": 1}, [[0.0153961, 0.0204497, 0.0042949, 0.0141412, -0.00475549, -0.00190774], [-5.06169e-05, -0.00161985, 0.00147595, -0.000599141, -0.000342004, 0.000454585], [0.0190444, 0.0240821, 0.00262097, 0.0129106, -0.0235394, -0.00271467], [0.0485376, 0.00321428, -0.0494273, -0.0131957, 0.0325246, 0.0284806]]),
    'timm pooled': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[-6.45371, 2.10616, -1.98979, 2.7488, -4.10306, 0.35293], [-3.92837, 1.44383, -0.972976, 1.61263, -2.94105, -0.030932], [-3.28424, 1.55608, -1.05816, 1.31632, -1.69145, -0.291627], [-2.83983, 4.07642, -2.7797, 1.87908, -3.38473, 0.106894]]),
    'timm mean of a map, minmax': ({"loader": 1, "network": 1, "preprocessing": {"squash": 1}}, [[-6.4867, 2.12249, -2.08839, 2.99255, -4.27971, 0.224055], [-3.9051, 1.18684, -0.858497, 1.93779, -2.80203, 0.062068], [-4.59129, 2.90052, -2.11291, 2.35245, -3.14749, 0.545042], [-4.23403, 1.96693, -1.25912, 2.15953, -2.76621, 0.127074]]),
    'timm logits': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[6.83317, -1.44353, 3.23303, 4.08983, 12.5934, -12.0813], [3.93689, -0.107873, 1.52124, 3.04131, 7.97257, -6.23875], [2.68027, 0.639273, 0.771974, 1.71855, 6.28552, -5.738], [3.0822, -3.51791, 3.09611, 0.242014, 8.80218, -7.38937]]),
    'timm inside of a map, not square': ({"loader": 1, "network": 1, "preprocessing": {"corner": 1}}, [[-3.95847, 1.30936, -1.27002, 1.94497, -1.93287, 0.695861], [-3.67269, 0.655427, -1.27341, 2.73734, -2.14846, 0.728388], [-4.84117, 2.50599, -2.02107, 3.34467, -2.79424, 0.795095], [-2.32919, 3.22689, -2.68639, 2.23986, -2.50581, 0.886108]]),
    'timm cls': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.898143, 0.320502, -0.0242885, -0.232565, -0.0535499, 0.560397], [0.0411265, -0.478527, 0.530981, -0.922647, -0.231554, -0.265361], [0.357145, -0.775117, 0.352554, -0.921289, 0.224833, -0.719459], [0.742239, 0.501293, 0.265155, -0.162663, -0.0964735, -0.258013]]),
    'timm cls, not square': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.72522, -0.388936, -0.75064, -0.833981, -0.480943, 0.372685], [-0.330651, -0.501452, 0.0898538, -1.23687, -0.402222, 0.0304524], [-0.213248, -1.37012, -0.160528, -1.37057, -0.36869, -0.572311], [0.832681, 0.389165, -0.0711364, -0.0601106, -0.0911831, -0.510422]]),
    'timm mean of patches': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.313954, -0.495335, -0.294186, -0.829375, -0.415145, 0.223507], [-0.263878, -0.680136, -0.123321, -1.09832, -0.301158, -0.0641398], [-0.0862754, -0.987915, -0.133148, -0.759941, 0.13333, -0.580918], [0.616091, 0.139194, 0.193791, -0.160913, -0.0951946, -0.340762]]),
    'open_clip projection': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.0724088, -1.37773, 0.124162, 1.68261, 0.899308, 0.91735], [1.21588, -1.15422, -1.10053, 0.993026, -0.303294, 0.791089], [0.0821083, -1.087, 0.397713, 2.64178, 0.111821, 0.382737], [-0.0877724, 0.352364, 0.654226, 1.15404, -0.327045, -0.157763]]),
    'transformers cls': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[1.49346, -0.0140564, 0.277484, -0.130752, -0.388333, -0.118031], [1.12457, 0.529475, 0.768781, 0.668017, -0.389646, -0.262716], [1.00136, 0.483931, 1.80184, -0.127552, -0.891788, 0.0620289], [-0.356157, -0.361923, 0.0426663, -0.254351, 0.0349688, -1.46972]]),
    'transformers mean': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.90834, 0.407112, 0.191793, -0.166115, -0.484944, 0.491449], [0.265948, 0.608935, 0.25841, -0.0380225, -0.450428, 0.131869], [0.145197, 0.522635, -0.0317172, -0.00212621, -0.329076, -0.170401], [-0.341304, -0.191236, -0.0352976, -0.365455, 0.435558, -1.28809]]),
    'transformers pooled': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[-0.361286, -0.622702, 0.408246, -0.278465, 0.22138, 0.589595], [-0.630159, -0.113031, -0.0989148, -0.17715, -0.144799, 0.312987], [0.249232, -0.343049, -0.780883, 0.434901, 0.456516, 0.510764], [0.572998, 0.438179, 0.327229, 0.206846, 0.288439, -0.0154947]]),
    'transformers masked': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1}}, [[0.935599, 0.812399, 0.627709, -0.937548, -0.40278, 0.257096], [1.03007, 0.7317, 0.896583, 0.417114, -0.161933, -0.146512], [0.965288, 0.52503, 1.81301, -0.178022, -0.838778, 0.0988693], [-0.36385, -0.336655, 0.0514811, -0.231877, 0.041284, -1.46703]]),
    'transformers inside': ({"loader": 1, "network": 1, "preprocessing": {"corner": 1}}, [[-0.503703, -0.198722, -0.10323, -0.0614943, 0.112092, 0.098876], [-0.492737, 0.0615903, 0.0168905, 0.00115201, -0.58004, 0.223095], [-0.686708, -0.21259, 0.869033, 0.261966, -0.553891, 0.481422], [-0.834129, 0.671738, 0.767617, 0.673227, -1.23512, -0.0896635]]),
    'medclip projection': ({"loader": 1, "network": 1, "preprocessing": {"black_square": 1}}, [[-1.33374, 0.202068, 2.72167, -0.115631, -0.229745, -0.308533], [-0.915768, 0.54336, 2.48456, -0.646952, 0.169611, -0.32522], [-0.906976, 0.592888, 2.40993, 0.0486958, -0.169485, -0.70088], [-0.774683, 0.593125, 2.19839, 0.0445339, -0.00777687, -0.61777]]),
    'torchxrayvision densenet121': ({"loader": 1, "network": 1, "preprocessing": {"library": 1}}, [[-516.493, 396.928, -166.372, -90.9244, -169.301, -40.4196], [-284.05, 224.953, -83.0593, -117.805, -50.3837, -32.2346], [-221.866, 196.581, -97.6596, -94.1423, -6.18325, -44.725], [-354.675, 358.031, -175.823, 44.2145, 37.9523, -116.078]]),
    'torchxrayvision resnet50': ({"loader": 1, "network": 1, "preprocessing": {"library": 1}}, [[1150.78, -2004.26, -1714.6, 1046.69, -1340.63, -7.54261], [712.372, -589.373, -255.709, 441.895, -46.2252, 833.744], [733.373, -420.002, -653.469, 509.805, 50.2945, 510.963], [754.81, -712.6, -1086.73, 934.205, 248.605, 904.15]]),
    'two_towers biovil': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1, "stretched": 1}}, [[-3.45417, -3.7467, -5.50769, 1.77654, -2.44318, 0.57717], [-2.47658, -2.58649, -4.1548, 1.12342, -1.20973, 0.344289], [-1.70337, -2.77992, -3.54975, 1.76079, -0.569321, 0.191674], [-3.20314, -3.0611, -4.95901, 1.59756, -1.68993, -0.0980259]]),
    'two_towers biovil-t': ({"loader": 1, "network": 1, "preprocessing": {"shortest": 1, "stretched": 1}}, [[-2.8874, -0.650402, -1.34984, -2.08537, -1.95864, 8.92641], [-2.265, 0.050667, -1.31896, -1.85055, -1.62737, 7.04653], [-2.17282, -0.481756, -1.37843, -1.82393, -1.16149, 6.67856], [-2.62884, -0.441016, -1.25105, -2.19979, -1.48683, 9.68019]]),
    'i3resnet pooled, area': ({"loader": 1, "network": 1, "volumes": 1}, [[-0.520522, -0.80095, 1.69307, 2.00156, 0.299847, -2.39307], [-0.810888, -0.0138563, 1.75054, 2.64318, -1.03037, -2.17318]]),
    'i3resnet pooled, spaced': ({"loader": 1, "network": 1, "volumes": 1}, [[29.7972, -16.4117, -31.1463, -29.5243, -20.3438, -5.26837], [34.3863, -8.70423, -30.6339, -27.6052, -10.7071, -13.5595]]),
    'monai mean': ({"loader": 1, "network": 1, "volumes": 1}, [[2.64256, 0.799285, -0.51114, 2.25786, 2.68994, 1.59735], [2.49693, 0.867601, -0.30426, 2.17279, 2.9557, 1.67618]]),
    'primus projection': ({"loader": 1, "network": 1, "volumes": 1}, [[0.0734636, 0.945918, 0.732851, 0.590519, -0.459908, 1.59645], [0.54943, 1.01858, -0.0861127, 0.430646, 0.379392, -0.503414]]),
    'spectre cls': ({"loader": 1, "network": 1, "volumes": 1}, [[-0.827096, -0.289835, -0.370099, -0.0866113, 0.184818, -1.28231], [-0.584718, -0.338679, -0.429764, -0.0109684, -0.0460248, -1.3716]]),
}  # fmt: skip
"""Versions and sums of the vectors of :func:`golden.images`."""


@pytest.mark.parametrize("name", NETWORKS)
def test_vectors_change_together_with_a_version_only(name, tmp_path, monkeypatch):
    two_towers_files.shallow(monkeypatch)
    card, location = NETWORKS[name](tmp_path)
    assert card["loader"] == name.split()[0]
    encoder = load_encoder("tiny", card, location, "cpu")
    vectors = encoder.encode([encoder.preprocess(each) for each in golden.images()])
    assert np.ptp(vectors, axis=0).max() > 0.01 * np.abs(vectors).max(), "images make a difference"
    golden.check(name, vectors, model_card.versions(card), VECTORS.get(name))


@pytest.mark.parametrize("name", OF_VOLUMES)
def test_vectors_of_volumes_change_together_with_a_version_only(name, tmp_path, monkeypatch):
    tiny_transformers.known(monkeypatch)
    card, location = OF_VOLUMES[name](tmp_path)
    assert card["loader"] == name.split()[0]
    encoder = load_encoder("tiny", card, location, "cpu")
    vectors = encoder.encode([encoder.prepare(each) for each in golden.volumes()])
    assert np.ptp(vectors, axis=0).max() > 0.01 * np.abs(vectors).max(), "volumes make a difference"
    golden.check(name, vectors, model_card.versions(card), VECTORS.get(name))


def test_every_loader_has_golden_vectors():
    """Here, or in the test of a loader of its own."""
    here = Path(__file__).parent
    for name, loader in loaders.registry().items():
        own = here / f"test_{name}.py"
        recorded = any(each.split()[0] == name for each in VECTORS)
        assert not loader.module or recorded or "golden.check" in own.read_text(), name


# --- pixels ---


OBLONG = [40, 24]
WAYS = {
    "shortest": [crops(), crops(interpolation="bilinear", crop_start="floor"), crops(size=33, mean=[0.5]), crops(size=OBLONG)],
    "squash": [
        crops(resize="squash"), crops(resize="squash", interpolation="bilinear"), crops(resize="squash", size=OBLONG),
    ],
    "pad": [
        crops(resize="pad"), crops(resize="pad", interpolation="bilinear"), crops(resize="pad", size=OBLONG),
    ],
    "corner": [
        crops(resize="corner"), crops(resize="corner", interpolation="bilinear"), crops(resize="corner", size=OBLONG),
    ],
    "black_square": [
        crops(resize="black_square"), crops(resize="black_square", canvas=80, interpolation="bilinear"),
    ],
    "stretched": [crops(range="stretched")],
    "equalized": [crops(range="equalized")],
    "not smoothed": [
        crops(resize="squash", crop_pct=1.0, antialias=False),
        crops(resize="black_square", canvas=80, crop_pct=1.0, antialias=False, interpolation="bilinear"),
    ],
    "library": [crops(resize="library", mean=[0.5], std=[0.0005])],
    "original values": [
        crops(range={"hounsfield": [20, 180]}), crops(range={"percentiles": [5, 90]}, interpolation="bilinear"),
    ],
    "image's own mean": [crops(mean="image", std="image", channels=1)],
}  # fmt: skip
PIXELS: dict[str, tuple] = {
    'shortest': ({"shortest": 1}, ["b4e81625096beb61", "ecd47ca5cc0c2fbd", "763424e165420510", "c3487a8a1042e398", "e845eb0439783941", "f4c76531e8d7b5cc", "21e5927ec59cfcc6", "2fe2589c36dae449", "02dde275076e6da8", "e9ace4e000454765", "bf6605eb52bdec5b", "e34229b4fd24f4b2", "53d932d527acee66", "9dc8379218687b29", "af6dfc43e5d5895b", "b9b6a424973c23f2"]),
    'squash': ({"squash": 1}, ["462dd7d5379c908b", "02bc9bd07e51f10d", "f31ef50e1c1d95a0", "c3487a8a1042e398", "034f721ff37899eb", "d27bd549f3d4d9f5", "8c9cdcc7ec99a26b", "2fe2589c36dae449", "a339efac32390279", "bdd71a4b7a77287b", "3c01408676059a16", "6d932d36f182906a"]),
    'pad': ({"pad": 1}, ["23dd051dcc8dd6a2", "db5724609723caa0", "42412518a7885a64", "1fd166811e0507d0", "f6df34b084546c35", "4e5107ef4eebf838", "80e4579f718f31f1", "3f47ff5cae1e5dfc", "1accd5cbcc2be20a", "d26deb7351ca8609", "f3142163062f4ace", "26cc0d2caf639aab"]),
    'corner': ({"corner": 1}, ["9db6c6bce5815a08", "d3cead12710fe0c6", "8f58de85ac7a6f3f", "e02e170799948794", "2fe56f32427ab221", "38e511412ca25605", "645279d2409a159d", "4be63f5d9f0882a2", "687133df52823efb", "0a519aaed4c9ea3a", "4400528dea463312", "b9bf8ac9ecf8a5a7"]),
    'black_square': ({"black_square": 1}, ["05f20fe5cde4a6dc", "1596c3eb213a5fdc", "d78a6efff2592fee", "2623c6d3be50566d", "14e042fea5156f75", "6541edd567961cd4", "35a95cfc25319f0f", "125be3492204d485"]),
    'stretched': ({"stretched": 1}, ["b4e81625096beb61", "ecd47ca5cc0c2fbd", "763424e165420510", "545fe386e431236c"]),
    'equalized': ({"equalized": 1}, ["bb4ea481de1c07bb", "07ada31944eb6837", "5a2475e18ef362d5", "8e493c919112518e"]),
    'not smoothed': ({"not smoothed": 1}, [[0.0787504, -34.0419, 39.7739, 10.8378, -15.6632, 105.795], [-171.945, 85.6009, 26.6032, -39.5104, 5.99025, -6.61833], [7.37615, 3.03038, 8.24715, -8.81807, 8.71977, 0.390645], [-6.94759, -2.5954, 19.1215, 11.8891, -8.17251, 2.82145], [-6.33925, 0.0243181, 23.0464, -0.715053, -25.3291, -29.8213], [-79.9289, -10.4945, -2.80053, -5.90464, -0.374355, 4.18581], [11.2641, 3.4824, 2.0406, -36.0193, 0.102118, 0.980732], [0.0633829, -3.02758, 22.8522, 5.18544, -10.9287, 2.31794]]),
    'library': ({"library": 1}, [[-313.738, -193.797, -2.1055, -71.5447, 21.8613, 3.8648], [-833.428, -57.9533, -38.9779, -33.1185, 2.71325, -3.2762], [81.1681, -45.067, 5.80882, 15.8384, -7.27175, -0.671098], [-15.4611, -43.4255, -16.2618, 0.894715, -25.7406, -11.2335]]),
    'original values': ({"original values": 1}, [[-27.2829, 21.3932, 0.687553, -10.2994, 22.3041, 6.72897], [-45.4893, 20.2206, 6.34311, 16.9776, 7.6353, 0.0974602], [9.03433, -0.11747, -14.0382, 5.62373, 2.54005, 5.37544], [-2.35704, 14.5588, -7.73006, 12.9228, 6.53253, 0.921687], [-23.9383, 18.691, 2.89614, -10.7018, 11.9625, 2.26781], [-53.6077, 17.6672, 3.48396, 11.0955, 8.04456, 1.02054], [14.052, 2.07041, -5.97196, 4.36967, 3.5219, 2.57753], [-5.66081, 33.2253, -19.3872, 31.306, 14.351, 1.07425]]),
    "image's own mean": ({"image's own mean": 1}, [[-0.477876, 0.323488, -0.0259392, -0.272487, 0.238459, 0.0688886], [-0.921982, 0.225797, -0.00711732, 0.091256, 0.0484464, -0.0289003], [0.307941, -0.0624502, -0.201475, 0.109824, 0.00691515, -0.010683], [-0.19642, 1.05117, -0.79903, 1.07526, 0.44452, 0.0359264]]),
}  # fmt: skip
"""Versions and, of bytes, a digest of each image; of values between bytes, sums."""


def test_every_way_to_preprocess_is_recorded():
    assert set(WAYS) == set(PREPROCESSING) == set(PIXELS)
    for way, cases in WAYS.items():
        assert all(way in ways_of(each) for each in cases)


@pytest.mark.parametrize("way", WAYS)
def test_pixels_change_together_with_a_version_only(way):
    """Bytes to the byte."""
    encoder = torchxrayvision_encoder.XrayEncoder.__new__(torchxrayvision_encoder.XrayEncoder)
    found = []
    for wanted in WAYS[way]:
        encoder.preprocessing = wanted
        for image in golden.images():
            if way == "library":
                pixels = encoder.preprocess(image)
            elif way == "original values":
                pixels = preprocessing.to_measured(image.convert("F"), wanted)
            elif way == "image's own mean":
                gray = preprocessing.to_bytes(image, wanted).astype(np.float32)
                pixels = standardised(torch.from_numpy(gray)[None])[0].numpy()
            elif way == "not smoothed":
                pixels = preprocessing.to_values(image, wanted)
            else:
                pixels = preprocessing.to_bytes(image, wanted)
                assert pixels.dtype == np.uint8
                whole = str(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()
                found.append(hashlib.sha256(whole).hexdigest()[:16])
                continue
            found.append(golden.sums(pixels[None])[0].tolist())
    golden.check_numbers(way, found, {way: PREPROCESSING[way]}, PIXELS.get(way))


# --- the check itself ---


def test_a_change_without_a_version_is_found_and_a_version_without_a_change():
    vectors = np.random.default_rng(0).normal(size=(3, 40))
    recorded = {"loader": 1}, golden.sums(vectors).round(6).tolist()
    golden.check("net", vectors, {"loader": 1}, recorded)
    golden.check("net", vectors * (1 + 1e-5), {"loader": 1}, recorded)
    for place in (0, 17, 39):
        other = vectors.copy()
        other[1, place] += 0.05
        with pytest.raises(AssertionError, match="the numbers of 'net' changed and no version did"):
            golden.check("net", other, {"loader": 1}, recorded)
        with pytest.raises(
            AssertionError, match=r"as they should. Record\n +'net': \({\"loader\": 2}"
        ):
            golden.check("net", other, {"loader": 2}, recorded)
    with pytest.raises(AssertionError, match="a version of 'net' changed and its numbers did not"):
        golden.check("net", vectors, {"loader": 2}, recorded)
    with pytest.raises(AssertionError, match="nothing is recorded for 'net': record"):
        golden.check("net", vectors, {"loader": 1}, None)
    with pytest.raises(AssertionError, match="changed and no version did"):
        golden.check("net", vectors[:2], {"loader": 1}, recorded)
