"""Every model card without a hub: its architecture with random weights, saved as the hub serves it,
read offline.

The architectures have their real widths, names of tensors and files, but one or two layers: what a
deeper one adds is more of the same. Preprocessing is held against each model's own published
processor.
"""

import copy
import functools
import json
import re
from pathlib import Path

import numpy as np
import open_clip
import published_names
import pytest
import skimage.transform
import sklearn.datasets
import timm
import tokenizers
import torch
import torchvision
import torchxrayvision
import transformers
import two_towers_files
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from radcbir.cards import model_card
from radcbir.cards.versions import channels_of
from radcbir.core.errors import InputError
from radcbir.encoders import load_encoder
from radcbir.encoders.loaders import open_clip_encoder, torchxrayvision_encoder
from radcbir.encoders.network import NetworkEncoder
from radcbir.encoders.transfer import Transfer

ROOT = Path(__file__).parents[3]
CARDS = {
    path.stem: model_card.load_card(path)
    for path in sorted((ROOT / "config/models").glob("*.yaml"))
}
DEMO = yaml.safe_load((ROOT / "config/config.yaml").read_text())["models"]
OTHERS = [
    slug
    for slug, card in CARDS.items()
    if slug not in DEMO and card.has_network and not card.takes_volumes
]
"""Networks of images. Those of volumes are tried in test_volume_encoders.py."""


def distinct(slugs):
    """The first of the cards that differ in nothing but where their weights come from."""
    first = {}
    for slug in slugs:
        meaning = {
            name: each
            for name, each in model_card.card_meaning(CARDS[slug]).items()
            if name != "weights"
        }
        forms = [Path(name).suffix for name in model_card.weights_files(CARDS[slug])]
        first.setdefault(json.dumps([meaning, sorted(forms)]), slug)
    return list(first.values())


TAKEN_OVER = {
    "biomedclip-vitb16": True,
    "chexzero-vitb32": True,
    "curia-vitb16": True,
    "cxformer-small": True,
    "cxr-clip-resnet50-m": True,
    "dinov3-vitb16": True,
    "eva-x-base": True,
    "eva-x-tiny": True,
    "flexict-2d-vitb8": True,
    "mae-vitb16": True,
    "mammo-clip-b2": True,
    "mae-vitb16-paper": False,
    "medclip-swint": True,
    "medsam-vitb": True,
    "resnet50": True,
    "xrv-densenet121-all": True,
}
"""Cards of each kind, and whether OpenVINO computes what torch does; not so where the patches are
shuffled at random."""
QUICK = {"chexzero-vitb32", "cxr-clip-resnet50-m", "mae-vitb16", "resnet50"}
"""Cards of each loader that take no time in a batch of 32, against which one image alone is
held."""
TEXTS = ["chest x ray", "mri of the brain"]


@pytest.fixture(scope="module")
def pictures():
    """A photograph, the same in gray and upright, and an odd-sized piece of it."""
    palace = Image.fromarray(sklearn.datasets.load_sample_images().images[0])
    return [palace, palace.convert("L").rotate(90, expand=True), palace.crop((11, 7, 350, 276))]


def encode(encoder, images):
    return encoder.encode([encoder.preprocess(each) for each in images])


def in_units(image):
    """An image as a slice of CT of as many pixels: black is air, white is metal."""
    return Image.fromarray(np.asarray(image.convert("L"), dtype=np.float32) * 14 - 1100)


# --- the folders of the hub ---


def save_tokenizer(folder):
    """A tokenizer of a few words in the files that fast tokenizers lie in."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "chest", "x", "ray", "mri", "of", "the", "brain"]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {word: place for place, word in enumerate(words)}, unk_token="[UNK]"
        )
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **special}
        )
    )
    (folder / "vocab.txt").write_text("\n".join(words))


def shallow(original, name, **options):
    """``timm.create_model`` for a network of one layer, whichever way its architecture counts them.

    DaViT is narrower, too, at its 480 pixels; a test of its own has its real shapes.
    """
    options |= {"embed_dims": (32, 64, 128, 256)} if name.startswith("davit") else {}
    for depth in (
        {"depth": 1},
        {"layers": (1,) * 4},
        {"depths": (1,) * 4},
        {},
    ):  # DenseNets' width is their depth
        try:
            return original(name, **options, **depth)
        except TypeError:
            continue
    raise AssertionError(name)


def serve_timm(slug, card, folder):
    if slug.startswith("flexict"):  # 4,096 patches in 16 layers take minutes here
        card = card | {
            "options": card["options"] | {"depth": 1},
            "preprocessing": card["preprocessing"] | {"size": 128},
        }
    options = dict(card.get("options", {}))
    if timm.get_pretrained_cfg(card["architecture"]).fixed_input_size:
        options["img_size"] = card["preprocessing"]["size"]
    classes = {} if "in1k" in card["weights"].get("hub", "") else {"num_classes": 0}
    if slug.startswith("medsam"):
        card = card | {
            "preprocessing": card["preprocessing"] | {"size": 256}
        }  # 1024 pixels take minutes here
        options["img_size"] = 256
    state = timm.create_model(card["architecture"], **options, **classes).state_dict()
    path = folder / model_card.weights_file(card)
    if slug.startswith("medsam"):
        state = as_segment_anything(state)
    if slug.startswith("meddinov3"):
        state = published_names.of_dinov3_training(state)
    if slug.startswith("flexict"):
        state = published_names.of_flexict_training(state)
    if slug.startswith("eva-x"):
        state = published_names.of_eva_training(state)
    if "teacher" in state or "module" in state:
        torch.save(state, path)
    else:
        save_state(state, path)
    return card


def as_segment_anything(state):
    """timm's names -> those of the authors' package, beside the tensors of prompts and masks."""
    found = {
        f"image_encoder.{name.replace('mlp.fc', 'mlp.lin')}": each for name, each in state.items()
    }
    found["prompt_encoder.not_a_point_embed.weight"] = torch.zeros(1, 256)
    return found | {"mask_decoder.iou_token.weight": torch.zeros(1, 256)}


def save_state(state, path):
    state = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def save_biomedbert(folder):
    """The configuration of a BERT and its tokenizer's files, as BiomedBERT's repository has
    them."""
    folder.mkdir()
    bert = transformers.BertConfig(
        vocab_size=64, num_hidden_layers=1, hidden_size=32, num_attention_heads=2
    )
    bert.save_pretrained(folder)
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "chest",
        "x",
        "ray",
        "mri",
        "of",
        "the",
        "brain",
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')


def checkpoint(state):
    """What open_clip's training saves, and forks of it: the learning rate comes from NumPy."""
    state = {f"module.{name}": tensor for name, tensor in state.items()}
    optimizer = {"state": {}, "param_groups": [{"lr": np.float64(1e-4), "params": [0]}]}
    return {"epoch": 10, "name": "ViT", "state_dict": state, "optimizer": optimizer}


UNICL_NAMES = {
    r"^text\.text_projection": "lang_projection", r"^text\.(transformer\.)?": "lang_encoder.",
    r"^visual\.head\.proj\.weight": "image_projection", r"^visual\.trunk\.head\.norm": "image_encoder.norms",
    r"^visual\.trunk\.stem\.": "image_encoder.convs.0.",
    r"^visual\.trunk\.stages\.(.)\.downsample": r"image_encoder.convs.\1",
    r"^visual\.trunk\.stages\.(.)\.blocks": r"image_encoder.blocks.\1",
    r"(convs\..)\.conv": r"\1.proj", r"cpe(.)\.proj": r"conv\1.fn.dw",
    r"spatial_block\.norm1": "spatial_block.window_attn.norm", r"spatial_block\.attn": "spatial_block.window_attn.fn",
    r"channel_block\.norm1": "channel_block.channel_attn.norm", r"channel_block\.attn": "channel_block.channel_attn.fn",
    r"block\.norm2": "block.ffn.norm", r"block\.mlp": "block.ffn.fn.net",
}  # fmt: skip
"""open_clip's names -> those of UniCLModel and its encoders in MedImageInsight's published code."""


def as_unicl(state):
    found = {}
    for name, tensor in state.items():
        for here, there in UNICL_NAMES.items():
            name = re.sub(here, there, name)
        found[name] = tensor.T if name == "image_projection" else tensor
    return found


def serve_open_clip(slug, card, folder):
    configuration = (open_clip.get_model_config(card["architecture"]) or {}) | copy.deepcopy(
        card.get("options", {})
    )
    configuration["text_cfg"] |= {"width": 32, "heads": 2, "layers": 1}
    if slug.startswith("biomedclip"):
        vision = {"timm_model_name": "vit_base_patch16_224", "timm_model_pretrained": False, "timm_pool": "",
                  "timm_proj": "linear", "image_size": 224}  # fmt: skip
        text = {"hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract", "hf_proj_type": "mlp",
                "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
                "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 256}  # fmt: skip
        configuration = {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}
    text = configuration["text_cfg"]
    if "hf_model_name" in text:
        save_biomedbert(folder / "text")
    if text.get("hf_tokenizer_name"):
        save_tokenizer(folder)
        text["vocab_size"] = 64
    if "timm_model_name" not in configuration["vision_cfg"]:
        configuration["vision_cfg"] |= {"layers": 1}
    settings = json.loads(json.dumps(configuration))
    if "hf_model_name" in settings["text_cfg"]:
        settings["text_cfg"] |= {
            "hf_model_name": str(folder / "text"),
            "hf_model_pretrained": False,
        }
    settings["text_cfg"].pop("use_pad_mask", None)
    custom = settings.pop("custom_text", False) or "hf_model_name" in settings["text_cfg"]
    state = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**settings).state_dict()
    names = list(model_card.weights_files(card))
    name = next(each for each in names if Path(each).suffix in (".bin", ".safetensors", ".pt"))
    if slug.startswith(("unimedclip", "bmcclip")):
        if slug.startswith("unimedclip"):
            state = {
                re.sub("^text[.]", "text_encoder.", each): tensor for each, tensor in state.items()
            }
            state["text_encoder.transformer.embeddings.position_ids"] = torch.arange(512)[None]
        torch.save(checkpoint(state), folder / name)
    elif card["weights"].get("layout") == "unicl":
        save_file(
            {each: tensor.contiguous() for each, tensor in as_unicl(state).items()}, folder / name
        )
    else:
        save_state(state, folder / name)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))
    for path in folder.rglob("*.*"):
        if str(path.relative_to(folder)) not in names:
            path.unlink()  # the card has to list whatever its model needs
    if "open_clip_config.json" in names:
        return card
    shallow_towers = {each: configuration[each] for each in ("vision_cfg", "text_cfg")}
    return card | {"options": card.get("options", {}) | shallow_towers}


def serve_transformers(slug, card, folder):
    size, layers = card["preprocessing"]["size"], {"num_hidden_layers": 1}
    tower = {"image_size": size, **layers}
    text = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 64,
            "max_position_embeddings": 16, **layers}  # fmt: skip
    if slug.startswith(("dinov2", "rad-dino", "xraydinov2")):
        pixels = 224 if slug.startswith("xraydinov2") else 518
        model = transformers.Dinov2Model(
            transformers.Dinov2Config(image_size=pixels, patch_size=14, **layers)
        )
    elif slug.startswith("curia"):
        model = transformers.Dinov2Model(
            transformers.Dinov2Config(
                patch_size=16, num_channels=1, use_swiglu_ffn=True, use_mask_token=True, **tower
            )
        )
    elif slug.startswith("cxformer"):
        width = {"hidden_size": card["dimension"], "num_attention_heads": card["dimension"] // 64}
        model = transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(
                patch_size=14, num_register_tokens=4, **width, **tower
            )
        )
    elif slug.startswith("vit"):
        model = transformers.ViTModel(transformers.ViTConfig(**tower))
    elif slug.startswith("mae"):
        model = transformers.ViTMAEForPreTraining(
            transformers.ViTMAEConfig(decoder_num_hidden_layers=1, **tower)
        )
    elif slug.startswith("resnet"):
        model = transformers.ResNetForImageClassification(
            transformers.ResNetConfig(depths=[1] * 4, num_labels=1000)
        )
    elif "sam" in slug:
        card = card | {
            "preprocessing": card["preprocessing"] | {"size": 256}
        }  # 1024 pixels take minutes here
        vision = transformers.SamVisionConfig(
            image_size=256, global_attn_indexes=[0], initializer_range=0.02, **layers
        )
        model = transformers.SamModel(transformers.SamConfig(vision_config=vision.to_dict()))
    elif slug.startswith("medsiglip"):
        vision = {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_attention_heads": 16,
            "patch_size": 14,
            **tower,
        }
        text |= {"projection_size": 1152}
        model = transformers.SiglipModel(
            transformers.SiglipConfig(vision_config=vision, text_config=text)
        )
    else:
        text |= {"bos_token_id": 2, "eos_token_id": 3}
        vision = {"patch_size": 32, **tower}
        model = transformers.CLIPModel(
            transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=512)
        )
    model.eval().save_pretrained(folder)
    if "pytorch_model.bin" in model_card.weights_files(card):
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    if model_card.has_text(card):
        save_tokenizer(folder)
        (folder / "vocab.json").write_text("{}")
        (folder / "merges.txt").write_text("")
    return card


def serve_medclip(slug, card, folder):
    swin = transformers.SwinModel(transformers.SwinConfig())
    swin.save_pretrained(folder / "swin")
    state = {
        f"vision_model.model.{name}": each
        for name, each in load_file(folder / "swin/model.safetensors").items()
    }
    state["vision_model.model.encoder.layers.0.blocks.0.attention.self.relative_position_index"] = (
        torch.zeros(49, 49)
    )
    state["vision_model.projection_head.weight"] = torch.randn(512, 768)
    state["text_model.model.embeddings.position_ids"] = torch.arange(512)[None]
    state["logit_scale"] = torch.zeros(())
    save_state(state, folder / "pytorch_model.bin")
    return card


def serve_torchxrayvision(slug, card, folder):
    model = torchxrayvision_encoder.build(card["architecture"], 18)
    # The library's DenseNets are files of whole objects, its ResNet a plain state dict.
    path = folder / model_card.weights_file(card)
    torch.save(model if card["architecture"] == "densenet121" else model.state_dict(), path)
    return card


def serve_two_towers(slug, card, folder):
    if slug.startswith("mammo-clip"):  # 1520 x 912 pixels take half a minute here
        card = card | {"preprocessing": card["preprocessing"] | {"size": [190, 114]}}
    two_towers_files.serve(card, folder)
    return card


@pytest.mark.parametrize(
    "slug", [slug for slug in distinct(OTHERS) if not slug.startswith("radimagenet-")]
)
def test_every_card_reads_the_files_of_its_hub_and_embeds(slug, tmp_path, monkeypatch, pictures):
    folder = tmp_path / "weights" / slug
    folder.mkdir(parents=True)
    monkeypatch.setattr(timm, "create_model", functools.partial(shallow, timm.create_model))
    two_towers_files.shallow(monkeypatch)
    torch.manual_seed(1)
    card = globals()[f"serve_{CARDS[slug]['loader']}"](slug, CARDS[slug], folder)
    card = json.loads(json.dumps(dict(card)))
    for each in card["weights"].get("files", [card["weights"]]):
        if isinstance(each, dict):
            each.pop("sha256", None)  # of the real weights
    location = folder if "files" in card["weights"] else folder / model_card.weights_file(card)
    encoder = load_encoder(slug, model_card.card_meaning(card), location, "cpu")
    if model_card.takes_original(CARDS[slug]):
        pictures = [in_units(each) for each in pictures]
    batch = pictures[:2] * (16 if slug in QUICK else 1)
    together = encode(encoder, batch)
    assert (together.shape, together.dtype) == ((len(batch), card["dimension"]), np.float32)
    assert np.isfinite(together).all()
    assert np.ptp(together, axis=0).max() > 0
    assert (encode(encoder, batch) == together).all()
    largest = np.abs(together).max()
    np.testing.assert_allclose(
        encode(encoder, pictures[1:2])[0], together[1], atol=2e-5 * largest, rtol=1e-3
    )
    if slug in TAKEN_OVER:
        faster = load_encoder(slug, model_card.card_meaning(card), location, "cpu", "auto")
        assert ("openvino" in faster.libraries) == TAKEN_OVER[slug]
        np.testing.assert_allclose(encode(faster, batch), together, atol=1e-5 * largest)
    if model_card.has_text(card):
        words = encoder.encode_text(TEXTS)
        assert (words.shape, words.dtype) == ((2, card["dimension"]), np.float32)
        np.testing.assert_allclose(encoder.encode_text(TEXTS[:1])[0], words[0], atol=1e-5)
        assert np.ptp(words, axis=0).max() > 0


# --- preprocessing, against the processors that the models were published with ---

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
OPENAI = {
    "image_mean": list(open_clip.OPENAI_DATASET_MEAN),
    "image_std": list(open_clip.OPENAI_DATASET_STD),
}
RAD_DINO = {"image_mean": [0.5307] * 3, "image_std": [0.2583] * 3}


def published(kind, **settings):
    """A processor of transformers with the settings of a model's preprocessor_config.json, as an
    image -> array."""
    return lambda image: kind(**settings)(image.convert("RGB"), return_tensors="np")[
        "pixel_values"
    ][0]


def of_open_clip(size, mode="shortest", interpolation="bicubic", **normalisation):
    transform = open_clip.image_transform(
        size, is_train=False, mean=normalisation["image_mean"], std=normalisation["image_std"], resize_mode=mode,
        interpolation=interpolation,
    )  # fmt: skip
    return lambda image: transform(image).numpy()


def of_unimed(size):
    """The transform of UniMed-CLIP's fork of open_clip for evaluation."""
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(
                size, interpolation=torchvision.transforms.InterpolationMode.BICUBIC
            ),
            torchvision.transforms.CenterCrop(size),
            torchvision.transforms.Lambda(lambda image: image.convert("RGB")),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize(
                open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
            ),
        ]
    )
    return lambda image: transform(image).numpy()


def of_timm(name):
    configured = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()
    )
    transform = timm.data.create_transform(**configured)
    return lambda image: transform(image.convert("RGB")).numpy()


def of_medclip(image):
    """MedCLIP's pad_img in NumPy, then the resizing, rescaling and normalising of its processor."""
    gray = np.asarray(image.convert("L"))
    height, width = gray.shape
    side = max(224, height, width)
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = int((side - height) / 2), int((side - width) / 2)
    square[top : top + height, left : left + width] = gray
    resized = np.asarray(Image.fromarray(square).resize((224, 224), Image.Resampling.BICUBIC)) / 255
    return np.broadcast_to((resized - 0.5862785803043838) / 0.27950088968644304, (3, 224, 224))


def of_torchvision(size, *crop, interpolation, **normalisation):
    """The transforms that an author's example composes of torchvision: resized, perhaps cropped,
    normalised."""
    steps = torchvision.transforms
    transform = steps.Compose([
        steps.Resize(size, interpolation=steps.InterpolationMode(interpolation)), *map(steps.CenterCrop, crop),
        steps.ToTensor(), steps.Normalize(normalisation["image_mean"], normalisation["image_std"]),
    ])  # fmt: skip
    return lambda image: transform(image.convert("RGB")).numpy()


def of_curia(image):
    """CuriaImageProcessor's steps by the same calls of torch, for a slice given as a tensor."""
    values = torch.from_numpy(np.array(image))[None, None]
    values = torch.nn.functional.interpolate(
        values, size=(512, 512), mode="bicubic", align_corners=False, antialias=True
    ).clamp_min(-1000)
    return ((values - values.mean()) / values.std())[0].numpy()


def of_mammo_clip(image):
    """ImageTextDataset's steps for an image of the network's size, which that dataset expects."""
    values = np.array(image.convert("RGB").resize((912, 1520), Image.Resampling.BILINEAR))
    values = values.astype("float32")
    values -= values.min()
    values /= values.max()
    return ((values - 0.3089279) / 0.25053555408335154).transpose(2, 0, 1)


def of_cxformer(image):
    """CXformer's read_xray_image and make_classification_eval_transform; equalizeHist of OpenCV
    anew, level by level."""
    gray = np.asarray(image.convert("L"))
    lowest = gray.min()
    above = np.float32((gray > lowest).sum())
    equal = np.zeros_like(gray)
    for level in range(int(lowest) + 1, 256):
        share = np.float32(((gray > lowest) & (gray <= level)).sum()) * (np.float32(255) / above)
        equal[gray == level] = np.rint(share)
    return of_torchvision(518, 518, interpolation="bicubic", **IMAGENET)(Image.fromarray(equal))


def of_radimagenet(image):
    """The Dataset of the authors' example: normalised, then cv2.resize, anew in NumPy to 1e-13, but
    RGB and not BGR."""
    pixels = (np.asarray(image.convert("RGB")) - 127.5) * 2 / 255
    for axis in (0, 1):
        length = pixels.shape[axis]
        places = np.clip((np.arange(224) + 0.5) * length / 224 - 0.5, 0, length - 1)
        before = places.astype(int)
        share = np.expand_dims(places - before, [1 - axis, 2])
        after = np.minimum(before + 1, length - 1)
        pixels = pixels.take(before, axis) * (1 - share) + pixels.take(after, axis) * share
    return pixels.transpose(2, 0, 1)


def of_chexzero(image):
    """CheXzero's steps: `preprocess` (data_process.py), three channels and `transformations`
    (zero_shot.py).

    Its torchvision 0.11 resized tensors without antialiasing; here in float64, in which positions
    are exact.
    """
    scale = 320 / max(image.size)
    small = image.convert("RGB").resize(
        tuple(int(each * scale) for each in image.size), Image.Resampling.LANCZOS
    )
    square = Image.new("L", (320, 320))
    square.paste(small.convert("L"), tuple((320 - each) // 2 for each in small.size))
    steps = torchvision.transforms
    transform = steps.Compose([
        steps.Normalize((101.48761,) * 3, (83.43944,) * 3),
        steps.Resize(224, interpolation=steps.InterpolationMode.BICUBIC, antialias=False),
    ])  # fmt: skip
    return transform(
        torch.from_numpy(np.repeat(np.asarray(square, dtype=np.float64)[None], 3, axis=0))
    ).numpy()


def of_biovil(crop):
    """hi-ml-multimodal's remap_to_uint8 and its transform for inference (0.2.2), by the same calls
    of torchvision."""
    steps = torchvision.transforms
    transform = steps.Compose([steps.Resize(512), steps.CenterCrop(crop), steps.ToTensor()])

    def apply(image):
        values = np.asarray(image).astype(float)
        values -= values.min()
        values = (values / values.max() * 255).astype(np.uint8)
        return transform(Image.fromarray(values).convert("L")).numpy()

    return apply


DINOV2 = published(
    BitImageProcessorPil,
    size={"shortest_edge": 256},
    crop_size={"height": 224, "width": 224},
    resample=3,
    **IMAGENET,
)
RAD = published(
    BitImageProcessorPil,
    size={"shortest_edge": 518},
    crop_size={"height": 518, "width": 518},
    resample=3,
    **RAD_DINO,
)
RESNET = published(
    ConvNextImageProcessorPil, size={"shortest_edge": 224}, crop_pct=0.875, resample=3, **IMAGENET
)
SAM = published(
    SamImageProcessorPil,
    size={"longest_edge": 1024},
    pad_size={"height": 1024, "width": 1024},
    resample=2,
    **IMAGENET,
)
MEDCLIP_CROP = published(
    CLIPImageProcessorPil, size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, resample=3,
    image_mean=[0.5862785803043838] * 3, image_std=[0.27950088968644304] * 3,
)  # fmt: skip
CLIP = published(
    CLIPImageProcessorPil,
    size={"shortest_edge": 224},
    crop_size={"height": 224, "width": 224},
    resample=3,
    **OPENAI,
)
RADIO_DINO = of_torchvision((224, 224), interpolation="bilinear", **IMAGENET)
EVA_X = of_torchvision(
    256, 224, interpolation="bicubic", image_mean=[0.49185243] * 3, image_std=[0.28509309] * 3
)
PROCESSORS = {
    "vit-b16-in21k": published(
        ViTImageProcessorPil, size={"height": 224, "width": 224}, resample=2, **HALF
    ),
    "mae-vitb16-paper": published(
        ViTImageProcessorPil, size={"height": 224, "width": 224}, resample=2, **IMAGENET
    ),
    "dinov2-vitb14": DINOV2,
    "rad-dino": RAD,
    "rad-dino-maira-2": RAD,
    "resnet50": RESNET,
    "resnet50-paper": RESNET,
    "sam-vitb": SAM,
    "sam-vitb-paper": SAM,
    "medsam-vitb-paper": SAM,
    "medclip-swint-paper": MEDCLIP_CROP,
    "medclip-swint": of_medclip,
    "pubmedclip-vitb32": CLIP,
    "medsiglip-448": published(
        SiglipImageProcessorPil, size={"height": 448, "width": 448}, resample=2, **HALF
    ),
    "clip-vitl14-openai": of_open_clip(224, **OPENAI),
    "biomedclip-vitb16": of_open_clip(224, **OPENAI),
    "bmcclip-vitl14": of_open_clip(224, **OPENAI),
    "medpmcclip-vitl14": of_open_clip(224, **OPENAI),
    "unimedclip-vitb16": of_unimed(224),
    "unimedclip-vitl14-336": of_unimed(336),
    "openclip-vith14": of_open_clip(224, **OPENAI),
    "siglip2-so400m-384": of_open_clip(384, "squash", **HALF),
    "siglip2-vitb16": of_open_clip(224, "squash", **HALF),
    "medimageinsight": of_torchvision((480, 480), interpolation="bicubic", **IMAGENET),
    "pe-core-vitl14-336": of_open_clip(336, "squash", "bilinear", **HALF),
    "xraydinov2-vitb14": published(
        BlipImageProcessorPil, size={"height": 224, "width": 224}, resample=3, **IMAGENET
    ),
    "curia-vitb16": of_curia,
    "curia-2-vitb16": of_curia,
    "cxformer-base": of_cxformer,
    "cxformer-small": of_cxformer,
    "eva-x-base": EVA_X,
    "eva-x-small": EVA_X,
    "eva-x-tiny": EVA_X,
    "radiodino-b16": RADIO_DINO,
    "radiodino-s16": RADIO_DINO,
    "radiodino-s8": RADIO_DINO,
    "mae-vitb16": of_torchvision(256, 224, interpolation="bicubic", **IMAGENET),
    "radimagenet-densenet121": of_radimagenet,
    "radimagenet-inceptionv3": of_radimagenet,
    "radimagenet-resnet50": of_radimagenet,
    "chexzero-vitb32": of_chexzero,
    "dinov2-vitb14-reg-518": of_timm("vit_base_patch14_reg4_dinov2.lvd142m"),
    "dinov3-vitb16": of_timm("vit_base_patch16_dinov3.lvd1689m"),
    "dinov3-vitl16": of_timm("vit_large_patch16_dinov3.lvd1689m"),
    "dinov3-convnext-base": of_timm("convnext_base.dinov3_lvd1689m"),
    "eva02-vitl14-448": of_timm("eva02_large_patch14_448.mim_m38m_ft_in22k_in1k"),
    "biovil-resnet50": of_biovil(480),
    "biovil-t-resnet50": of_biovil(448),
    "cxr-clip-resnet50-m": of_torchvision(224, 224, interpolation="bilinear", **IMAGENET),
    "cxr-clip-resnet50-mcc": of_torchvision(224, 224, interpolation="bilinear", **IMAGENET),
    "cxr-clip-swint-m": of_torchvision(224, 224, interpolation="bilinear", **HALF),
    "cxr-clip-swint-mcc": of_torchvision(224, 224, interpolation="bilinear", **HALF),
    "mammo-clip-b2": of_mammo_clip,
    "mammo-clip-b5": of_mammo_clip,
}
"""Card -> its published processor: transformers' Pillow processors with the settings of the model's
repository on the hub, the transforms of open_clip and timm with the settings that these libraries
hold, UniMed-CLIP's of its fork of open_clip, MedImageInsight's by torchvision with those of its
config.yaml, MedCLIP's steps anew in NumPy. Steps of published code: RadioDINO's are those of its
README and examples (Snarci/Radio-DINO), MAE's those of util/datasets.py (facebookresearch/mae),
RadImageNet's those of pytorch_example.ipynb (BMEII-AI/RadImageNet), EVA-X's those of
classification/utils/datasets.py (hustvl/EVA-X), CXformer's those of cxr_data/datasets.py and
data/transforms.py (m42-health/CXformer), Curia's those of curia_image_processor.py (raidium/curia),
CheXzero's those of
data_process.py and zero_shot.py (rajpurkarlab/CheXzero), BioViL's those of hi-ml-multimodal,
CXR-CLIP's those of configs/transform/default.yaml and data_utils.py (kakaobrain/cxr-clip),
Mammo-CLIP's those of breastclip/data/datasets/imagetext.py (batmanlab/Mammo-CLIP)."""


def preprocessed(card, image):
    """What the encoder's network gets of an image, by the encoder's own two steps, without its
    network."""
    encoder = object.__new__(NetworkEncoder)
    encoder.preprocessing, encoder.device = card["preprocessing"], torch.device("cpu")
    encoder.transfer = Transfer(encoder.device)
    encoder.channels, encoder.layout = channels_of(card["preprocessing"]), torch.contiguous_format
    own = card["preprocessing"]["mean"] == "image"
    encoder.mean, encoder.std = (
        torch.tensor([neutral] if own else card["preprocessing"][name]).reshape(1, -1, 1, 1) * 255
        for name, neutral in (("mean", 0.0), ("std", 1.0))
    )
    return encoder.batch([encoder.preprocess(image)])[0].numpy()


@pytest.mark.parametrize("slug", PROCESSORS)
def test_a_card_preprocesses_as_its_model_was_published(slug, pictures):
    units = model_card.takes_original(CARDS[slug])
    for image in map(in_units, pictures) if units else pictures:
        found, expected = preprocessed(CARDS[slug], image), PROCESSORS[slug](image)
        # Values up to 2,500 in float32, resized by another library, divided by their spread.
        np.testing.assert_allclose(
            found, expected, atol=2e-5 if units else 1e-6,
            err_msg=f"{slug}, {image.mode} {image.size}",
        )  # fmt: skip


def test_every_card_is_held_against_what_was_published():
    """But for MedSAM's, MedDINOv3's and FlexiCT's, which differ on purpose, and the libraries' own,
    below; the demo's are in test_encoders."""
    apart = {
        "medsam-vitb",
        "flexict-2d-vitb8",
        "meddinov3-vitb16",
        *(slug for slug in OTHERS if CARDS[slug]["loader"] == "torchxrayvision"),
    }
    assert set(OTHERS) - {*PROCESSORS} == apart


def test_medsam_is_resampled_by_pillow_and_not_far_from_its_script(pictures):
    """MedSAM_Inference.py (bowang-lab/MedSAM): cubic splines of scikit-image, cut off to bytes,
    then from 0 to 1."""
    for image in pictures:
        found = preprocessed(CARDS["medsam-vitb"], image)
        pixels = np.asarray(image.convert("RGB"))
        # Channel by channel, which gives the same bytes as all three at once, sooner.
        script, ours = (
            (each - each.min()) / (each.max() - each.min())
            for each in (
                np.stack([
                    skimage.transform.resize(each, (1024, 1024), order=3, preserve_range=True, anti_aliasing=True)
                    for each in pixels.transpose(2, 0, 1)
                ]).astype(np.uint8).astype(float),
                np.float64(image.convert("RGB").resize((1024, 1024), Image.Resampling.BICUBIC)).transpose(2, 0, 1),
            )
        )  # fmt: skip
        np.testing.assert_allclose(found, ours, atol=1e-6)
        assert 0 < np.abs(found - script).mean() < 2 / 255


def of_meddinov3(image):
    """The steps of demo.ipynb (ricklisz/MedDINOv3)."""
    values = torch.from_numpy(np.array(image))[None].clamp(-1000, 1000)
    values = ((values - 65.1084213256836) / 178.01663208007812).repeat(3, 1, 1)
    return torchvision.transforms.Resize((512, 512), antialias=True)(values).numpy()


def of_flexict(image):
    """The steps of 2d_classify/extract_features_for_sweep.py (ricklisz/FlexiCT)."""
    return of_curia(Image.fromarray(np.clip(np.asarray(image), -1000, 1000)))


@pytest.mark.parametrize(
    ("slug", "of_demo"), [("meddinov3-vitb16", of_meddinov3), ("flexict-2d-vitb8", of_flexict)]
)
def test_slices_of_the_networks_size_are_seen_as_in_the_published_example(slug, of_demo, pictures):
    """These examples clip before they resize. Here it is the other way round, which makes no
    difference for values within the range."""
    card, whole = CARDS[slug], in_units(pictures[1])
    exact = whole.resize((512, 512))
    within = whole.point(lambda value: value * 0.3)
    for image in (exact, within):
        np.testing.assert_allclose(preprocessed(card, image), of_demo(image), atol=2e-5)
    assert exact.getextrema()[1] > 1000 > max(map(abs, within.getextrema()))
    assert 0 < np.abs(preprocessed(card, whole) - of_demo(whole)).mean() < 0.1


def test_biovil_sees_the_whole_range_of_an_image_before_it_is_resized(pictures):
    narrow = pictures[1].point(lambda value: 40 + value // 3)
    for image in (
        narrow,
        Image.merge("RGB", [narrow, narrow.point(lambda value: value // 2), narrow]),
    ):
        found = preprocessed(CARDS["biovil-t-resnet50"], image)
        np.testing.assert_allclose(found, of_biovil(448)(image), atol=1e-6)
        assert np.ptp(found) > 0.5
    assert (preprocessed(CARDS["biovil-t-resnet50"], Image.new("L", (9, 9), 70)) == 0).all()


def test_medsam_sees_the_whole_range_of_an_image(pictures):
    found = preprocessed(CARDS["medsam-vitb"], Image.fromarray(np.uint8([[50, 50], [50, 150]])))
    assert (found.shape, found.min(), found.max()) == ((3, 1024, 1024), 0, 1)
    assert (preprocessed(CARDS["medsam-vitb"], Image.new("L", (9, 9), 70)) == 0).all()


@pytest.mark.parametrize(
    "slug", distinct(slug for slug in OTHERS if CARDS[slug]["loader"] == "torchxrayvision")
)
def test_torchxrayvision_sees_gray_images_as_its_readme_prepares_them(slug, pictures):
    encoder = object.__new__(torchxrayvision_encoder.XrayEncoder)
    encoder.preprocessing = CARDS[slug]["preprocessing"]
    transform = torchvision.transforms.Compose(
        [
            torchxrayvision.datasets.XRayCenterCrop(),
            torchxrayvision.datasets.XRayResizer(encoder.preprocessing["size"]),
        ]
    )
    for image in (each.convert("L") for each in pictures):
        pixels = torchxrayvision.datasets.normalize(np.asarray(image.convert("RGB")), 255)
        expected = transform(pixels.mean(2)[None, ...])
        np.testing.assert_allclose(encoder.preprocess(image) / 1024, expected / 1024, atol=1e-6)


def test_radiographs_of_torchxrayvision_reach_from_minus_1024_to_1024():
    encoder = object.__new__(torchxrayvision_encoder.XrayEncoder)
    encoder.preprocessing = CARDS["xrv-densenet121-all"]["preprocessing"]
    gray = np.zeros((224, 300), dtype=np.uint8)
    gray[:, 150:] = 255
    found = encoder.preprocess(Image.fromarray(gray))
    assert found.shape == (1, 224, 224)
    assert (found[0, :, :112] == -1024).all() and (found[0, :, 112:] == 1024).all()


# --- RadImageNet: the layers of torchvision in a row, as its authors keep them ---


@pytest.mark.parametrize(
    ("slug", "name", "tensor", "count"),
    [
        ("radimagenet-resnet50", "resnet50", "backbone.7.2.conv3.weight", 318),
        (
            "radimagenet-densenet121",
            "densenet121",
            "backbone.0.denseblock4.denselayer16.conv2.weight",
            725,
        ),
        ("radimagenet-inceptionv3", "inception_v3", "backbone.17.branch_pool.bn.running_var", 564),
    ],
)
def test_radimagenet_is_torchvisions_network_up_to_its_classifier(
    tmp_path, pictures, slug, name, tensor, count
):
    """All children but the classifier, under numbers; Inception without the auxiliary
    classifier."""
    options = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    torch.manual_seed(4)
    model = getattr(torchvision.models, name)(weights=None, **options).eval()
    for each in model.modules():
        if isinstance(each, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(
                each.weight, nonlinearity="relu"
            )  # or images would end up alike
        if isinstance(
            each, torch.nn.BatchNorm2d
        ):  # no two of them alike, or a swap would go unseen
            for values in (each.weight.data, each.running_var):
                values.uniform_(0.5, 1.5)
            for values in (each.bias.data, each.running_mean):
                values.normal_(0, 0.1)
    backbone = torch.nn.Module()
    backbone.backbone = torch.nn.Sequential(*list(model.children())[:-1])
    state = backbone.state_dict()
    assert tensor in state and len(state) == count
    path = tmp_path / model_card.weights_file(CARDS[slug])
    torch.save(state, path)
    encoder = load_encoder(slug, model_card.card_meaning(CARDS[slug]), path, "cpu")
    found = encode(encoder, pictures)
    setattr(model, "classifier" if name == "densenet121" else "fc", torch.nn.Identity())
    with torch.inference_mode():
        expected = model(encoder.batch([encoder.preprocess(each) for each in pictures])).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(
        encode(encoder, pictures[1:2])[0], found[1], atol=1e-5 * np.abs(expected).max()
    )
    assert (encode(encoder, pictures) == found).all()


def test_an_auxiliary_classifier_would_be_left_over(tmp_path):
    """torchvision's Inception has one before its last layers unless told otherwise; RadImageNet's
    file has not."""
    slug = "radimagenet-inceptionv3"
    layers = list(torchvision.models.inception_v3(weights=None, init_weights=False).children())[:-1]
    state = torch.nn.Sequential(*layers).state_dict(prefix="backbone.")
    torch.save(state, tmp_path / "InceptionV3.pt")
    with pytest.raises(
        InputError,
        match=f"'{slug}' do not fit its architecture: tensor 420 is backbone.15.conv0.conv.",
    ):
        load_encoder(slug, model_card.card_meaning(CARDS[slug]), tmp_path / "InceptionV3.pt", "cpu")


# --- one architecture in two libraries: the same weights, the same embedding ---

TINY = {
    "precision": "float32", "dimension": 32, "pooling": "cls", "name": "tiny", "licence": "none",
    "preprocessing": {"size": 32, "resize": "squash", "crop_pct": 1.0, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.25] * 3},
}  # fmt: skip
SMALL = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8}
SMALL_THERE = {
    "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 128, "patch_size": 8,
    "image_size": 32, "layer_norm_eps": 1e-6,
}  # fmt: skip
VIT_NAMES = {
    "patch_embed.proj": "embeddings.patch_embeddings.projection", "pos_embed": "embeddings.position_embeddings",
    "cls_token": "embeddings.cls_token", "blocks.": "encoder.layer.", "attn.proj": "attention.output.dense",
    "norm1": "layernorm_before", "norm2": "layernorm_after", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
}  # fmt: skip
DINOV2_NAMES = {
    **{name: each for name, each in VIT_NAMES.items() if not name.startswith(("norm", "mlp"))},
    "ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1",
}  # fmt: skip
SAM_NAMES = {
    "patch_embed.proj": "patch_embed.projection", "blocks.": "layers.", "norm1": "layer_norm1", "norm2": "layer_norm2",
    "mlp.fc": "mlp.lin", "neck.0": "neck.conv1", "neck.1": "neck.layer_norm1", "neck.2": "neck.conv2",
    "neck.3": "neck.layer_norm2",
}  # fmt: skip


def renamed(state, names):
    """timm's tensors under the names that the hub has for transformers; queries, keys and values
    apart."""
    found = {}
    for name, tensor in state.items():
        for here, there in names.items():
            name = name.replace(here, there)
        name = f"layernorm{name[4:]}" if name.startswith("norm.") else name
        if "attn.qkv" in name and "layers" not in name:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[name.replace("attn.qkv", f"attention.attention.{part}")] = piece.contiguous()
        else:
            found[name] = tensor.contiguous()
    return found


def both(
    tmp_path,
    there,
    configuration,
    here,
    options,
    names,
    there_options=None,
    pooling="cls",
    dimension=32,
    extra=None,
    prefix="",
):
    """The encoders of timm and of transformers with the same random weights."""
    torch.manual_seed(3)
    size = TINY["preprocessing"]["size"]
    model = timm.create_model(here, num_classes=0, img_size=size, **options)
    state = {name: torch.randn_like(tensor) * 0.1 for name, tensor in model.state_dict().items()}
    folders = [tmp_path / name for name in ("timm", "transformers")]
    for folder in folders:
        folder.mkdir()
    save_file(state, folders[0] / "model.safetensors")
    configuration.architectures = [there]
    configuration.save_pretrained(folders[1])
    there_state = {f"{prefix}{name}": each for name, each in renamed(state, names).items()}
    save_file(there_state | (extra or {}), folders[1] / "model.safetensors")
    common = TINY | {"pooling": pooling, "dimension": dimension}
    cards_ = [
        {
            "loader": "timm",
            "architecture": here,
            "options": options,
            "weights": {"file": "model.safetensors"},
        },
        {
            "loader": "transformers",
            "architecture": there,
            "weights": {"files": ["config.json", "model.safetensors"]},
        },
    ]
    cards_[1] |= {"options": there_options} if there_options else {}
    places = [folders[0] / "model.safetensors", folders[1]]
    return [
        load_encoder("tiny", common | card, place, "cpu")
        for card, place in zip(cards_, places, strict=True)
    ]


def assert_alike(encoders, pictures):
    first, second = (encode(each, pictures) for each in encoders)
    assert np.ptp(first, axis=0).max() > 1e-3
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_vit_in_both_libraries(tmp_path, pictures):
    configuration = transformers.ViTConfig(**SMALL_THERE)
    options = {"add_pooling_layer": False}
    assert_alike(
        both(
            tmp_path, "ViTModel", configuration, "vit_tiny_patch16_224", SMALL, VIT_NAMES, options
        ),
        pictures,
    )


def test_dinov2_in_both_libraries(tmp_path, pictures):
    configuration = transformers.Dinov2Config(**SMALL_THERE)
    extra = {"embeddings.mask_token": torch.zeros(1, 32)}
    encoders = both(
        tmp_path,
        "Dinov2Model",
        configuration,
        "vit_small_patch14_dinov2",
        SMALL,
        DINOV2_NAMES,
        pooling="mean",
        extra=extra,
    )
    assert_alike(encoders, pictures)


def test_an_autoencoder_without_masking_in_both_libraries(tmp_path, pictures):
    configuration = transformers.ViTMAEConfig(**SMALL_THERE)
    encoders = both(
        tmp_path,
        "ViTMAEModel",
        configuration,
        "vit_base_patch16_224.mae",
        SMALL,
        VIT_NAMES,
        {"mask_ratio": 0.0},
    )
    assert_alike(encoders, pictures)


def test_sam_in_both_libraries(tmp_path, pictures):
    vision = transformers.SamVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8, output_channels=16,
        window_size=2, global_attn_indexes=[1], mlp_dim=128,
    )  # fmt: skip
    configuration = transformers.SamConfig(vision_config=vision.to_dict())
    whole = {
        name: tensor.contiguous().clone()
        for name, tensor in transformers.SamModel(configuration).state_dict().items()
        if not name.startswith("vision_encoder.")
    }
    options = SMALL | {"window_size": 2, "global_attn_indexes": (1,), "neck_chans": 16}
    encoders = both(
        tmp_path, "SamModel", configuration, "samvit_base_patch16", options, SAM_NAMES, pooling="mean", dimension=16,
        extra=whole, prefix="vision_encoder.",
    )  # fmt: skip
    assert_alike(encoders, pictures)


FLORENCE_NAMES = {
    r"(convs\..)\.conv": r"\1.proj", r"_block\.conv(.)": r"_block.conv\1.fn.dw",
    r"spatial_block\.norm1": "spatial_block.window_attn.norm", r"channel_block\.norm1": "channel_block.channel_attn.norm",
    r"attn\.(qkv|proj)": r"attn.fn.\1", r"norm2": "ffn.norm", r"ffn\.fc": "ffn.fn.net.fc",
}  # fmt: skip
TORCH_NAMES = {"self_attn": "attn", "linear1": "mlp.c_fc", "linear2": "mlp.c_proj", "norm": "ln_"}


def quick_gelu(values):
    return values * torch.sigmoid(1.702 * values)


def test_medimageinsight_in_other_libraries(tmp_path, monkeypatch, pictures):
    """The image tower as that of Florence-2 in transformers, the text tower as torch's own
    transformer."""
    small = {"depths": (1, 1, 2, 1), "num_heads": (1, 2, 3, 4)}
    widths = (8, 16, 24, 32)
    monkeypatch.setattr(
        timm, "create_model", functools.partial(timm.create_model, embed_dims=widths, **small)
    )
    configuration = transformers.Florence2VisionConfig(
        embed_dim=widths, num_groups=small["num_heads"], **small
    )
    torch.manual_seed(2)
    images = transformers.Florence2VisionBackbone(configuration)
    layer = torch.nn.TransformerEncoderLayer(
        16, 2, 64, 0, quick_gelu, 1e-12, batch_first=True, norm_first=True
    )
    end = torch.nn.LayerNorm(16, eps=1e-12)
    texts = torch.nn.TransformerEncoder(layer, 2, end, enable_nested_tensor=False)
    rest = {
        "image_projection": torch.empty(32, 24), "image_encoder.norms.weight": torch.empty(32),
        "image_encoder.norms.bias": torch.empty(32), "lang_projection": torch.empty(16, 24), "logit_scale": torch.empty(()),
        "lang_encoder.positional_embedding": torch.empty(77, 16), "lang_encoder.token_embedding.weight": torch.empty(49408, 16),
    }  # fmt: skip
    with torch.no_grad():
        for each in [*images.parameters(), *texts.parameters(), *rest.values()]:
            each.normal_(std=0.5)
    state = dict(rest)
    for name, tensor in images.state_dict().items():
        for there, published_ in FLORENCE_NAMES.items():
            name = re.sub(there, published_, name)
        state[f"image_encoder.{name}"] = tensor
    for name, tensor in texts.state_dict().items():
        for there, published_ in TORCH_NAMES.items():
            name = name.replace(there, published_)
        state[
            "lang_encoder." + name.replace("layers", "resblocks").replace("ln_.", "ln_final.")
        ] = tensor
    path = tmp_path / model_card.weights_file(CARDS["medimageinsight"])
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    card = json.loads(json.dumps(CARDS["medimageinsight"].as_dict())) | {"dimension": 24}
    card["preprocessing"]["size"] = 96
    card["options"]["embed_dim"] = 24
    card["options"]["text_cfg"] |= {"width": 16, "heads": 2, "layers": 2}
    del card["weights"]["sha256"]
    encoder = load_encoder("medimageinsight", card, path, "cpu")

    images.eval(), texts.eval()
    sentences = [*TEXTS, "x-ray (PA), 5-mm nodule!? No effusion.", "opacity " * 99]
    tokens = open_clip.tokenize(sentences)
    ends = tokens.argmax(dim=1)
    with torch.inference_mode():
        features = images(
            encoder.batch([encoder.preprocess(each) for each in pictures])
        ).last_hidden_state
        norms = rest["image_encoder.norms.weight"], rest["image_encoder.norms.bias"]
        seen = (
            torch.nn.functional.layer_norm(features.mean(dim=(2, 3)), (32,), *norms)
            @ rest["image_projection"]
        )
        words = (
            rest["lang_encoder.token_embedding.weight"][tokens]
            + rest["lang_encoder.positional_embedding"]
        )
        read = texts(words, src_key_padding_mask=torch.arange(77) > ends[:, None])
        read = read[torch.arange(len(tokens)), ends] @ rest["lang_projection"]
    assert np.ptp(seen.numpy(), axis=0).max() > 0.05 < np.ptp(read.numpy(), axis=0).max()
    np.testing.assert_allclose(encode(encoder, pictures), seen, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_text(sentences), read, atol=1e-5)


def test_the_tensors_of_medimageinsight_make_the_published_file_to_the_byte():
    """Names, shapes and order of safetensors: a header of JSON, filled up to 8 bytes, then the
    numbers."""
    with torch.device("meta"):
        model = open_clip_encoder.build(CARDS["medimageinsight"]["options"], {})
    header, size = {}, 0
    state = as_unicl(model.state_dict())
    for name in sorted(state):
        end = size + 4 * state[name].numel()
        header[name] = {
            "dtype": "F32",
            "shape": list(state[name].shape),
            "data_offsets": [size, end],
        }
        size = end
    text = json.dumps(header, separators=(",", ":"))
    assert (len(state), 8 + -(-len(text) // 8) * 8 + size) == (601, 2_464_060_700)


# --- a card that does not fit its model ---


@pytest.mark.parametrize(
    ("changes", "dropped", "message"),
    [
        (
            {"dimension": 33},
            (),
            "card 'tiny' says `dimension: 33`, but ViTModel with `pooling: cls` gives 32",
        ),
        (
            {"pooling": "projection"},
            (),
            "card 'tiny' says `pooling: projection`, but ViTModel has none",
        ),
        ({"pooling": "logits"}, (), "card 'tiny' says `pooling: logits`, but ViTModel has none"),
        (
            {"architecture": "VitModel"},
            (),
            "the architecture 'VitModel', which transformers .* did you mean ViTModel",
        ),
        (
            {"preprocessing": TINY["preprocessing"] | {"size": 48}},
            (),
            "'tiny' does not take images of `preprocessing: size: 48`",
        ),
        (
            {},
            ("layernorm.weight",),
            r"'tiny' do not fit its architecture: 1 tensors are missing \(layernorm.weight\)",
        ),
        (
            {"architecture": "Dinov2Model"},
            (),
            "the weights of the model 'tiny' do not fit its architecture",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_named(tmp_path, changes, dropped, message):
    folder = tmp_path / "tiny"
    transformers.ViTModel(transformers.ViTConfig(**SMALL_THERE)).save_pretrained(folder)
    state = {
        name: each
        for name, each in load_file(folder / "model.safetensors").items()
        if name not in dropped
    }
    save_file(state, folder / "model.safetensors")
    card = {
        "loader": "transformers",
        "architecture": "ViTModel",
        "weights": {"files": ["config.json", "model.safetensors"]},
    }
    with pytest.raises(InputError, match=message):
        load_encoder("tiny", TINY | card | changes, folder, "cpu")


def test_tensors_that_are_left_over_have_to_be_named(tmp_path):
    folder = tmp_path / "tiny"
    transformers.ViTForImageClassification(transformers.ViTConfig(**SMALL_THERE)).save_pretrained(
        folder
    )
    card = TINY | {
        "loader": "transformers",
        "architecture": "ViTModel",
        "options": {"add_pooling_layer": False},
    }
    weights = {"files": ["config.json", "model.safetensors"]}
    with pytest.raises(
        InputError, match=r"2 tensors are left over \(classifier.bias, classifier.weight\)"
    ):
        load_encoder("tiny", card | {"weights": weights}, folder, "cpu")
    assert (
        load_encoder(
            "tiny", card | {"weights": weights | {"unused": ["classifier."]}}, folder, "cpu"
        ).dimension
        == 32
    )


def test_what_the_padding_holds_does_not_count_inside(tmp_path, pictures):
    """A wide image in the corner of the square: the mean inside is that of the map's upper rows."""
    vision = transformers.SamVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16, output_channels=16,
        window_size=2, global_attn_indexes=[0], mlp_dim=64, initializer_range=0.2,
    )  # fmt: skip
    folder = tmp_path / "tiny"
    torch.manual_seed(0)
    transformers.SamModel(transformers.SamConfig(vision_config=vision.to_dict())).save_pretrained(
        folder
    )
    card = TINY | {
        "loader": "transformers", "architecture": "SamModel", "pooling": "inside", "dimension": 16,
        "weights": {"files": ["config.json", "model.safetensors"]},
        "preprocessing": TINY["preprocessing"] | {"size": 64, "resize": "corner"},
    }  # fmt: skip
    encoder = load_encoder("tiny", card, folder, "cpu")
    wide = pictures[0].resize((120, 45))  # becomes 64 x 24 pixels: one row of cells whole, one cut
    pixels = encoder.preprocess(wide)
    assert pixels.shape == (3, 24, 64)
    with torch.inference_mode():
        features = encoder.feature_map(encoder.batch([pixels]))[0].numpy()
    np.testing.assert_allclose(
        encoder.encode([pixels])[0], features[:, :2].mean(axis=(1, 2)), atol=1e-6
    )
    assert np.abs(features[:, :2].mean(axis=(1, 2)) - features.mean(axis=(1, 2))).max() > 1e-4
