"""Encoders of the open_clip library (Ilharco et al., OpenCLIP, doi:10.5281/zenodo.5143773): images
and texts.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.tokenizer import HFTokenizer

from radcbir.core.errors import InputError
from radcbir.encoders.network import (
    NetworkEncoder,
    checked,
    folder_of,
    load_tensors,
    selected,
    short,
)
from radcbir.encoders.weights_file import read_tensors

CONFIGURATION = "open_clip_config.json"

TEXT_FOLDER = "text"
"""The folder for the files of a text tower that comes from another repository, beside the model's
own files."""

PADDING_MASK = "use_pad_mask"
"""An argument of open_clip's text transformer that its configurations lack: padding beside a
text is not attended to."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model")


class OpenClipEncoder(NetworkEncoder):
    """The two towers of a contrastive model: images and texts become vectors of one space."""

    folder: Path | None = None
    configuration: Mapping = {}

    @property
    def _masks_padding(self) -> bool:
        return self.configuration["text_cfg"].get(PADDING_MASK, False)

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """The image tower's projected output."""
        return self.model.encode_image(batch)

    @cached_property
    def tokenizer(self):
        """Texts -> tokens, as the model was trained with them."""
        text = self.configuration["text_cfg"]
        length, options = text.get("context_length", 77), text.get("tokenizer_kwargs", {})
        if not text.get("hf_tokenizer_name"):
            return open_clip.SimpleTokenizer(context_length=length, **options)
        folders = [self.folder, self.folder / TEXT_FOLDER] if self.folder else []
        for folder in folders:
            if any((folder / name).is_file() for name in TOKENIZER_FILES):
                mode = text.get("tokenizer_mode")
                return HFTokenizer(
                    str(folder), context_length=length, tokenizer_mode=mode, **options
                )
        raise InputError(
            f"the model's text tower needs a tokenizer, but {self.folder} has none of "
            f"{', '.join(TOKENIZER_FILES)}: name "
            "the tokenizer's files under `weights: files:` in its card"
        )

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts (n of them) -> vectors of the images' space, shape (n, dimension), float32, not
        normalised.
        """
        tokens = self.tokenizer(list(texts)).to(self.device)
        batches = [tokens]
        if (
            self._masks_padding
        ):  # each text without any: its own length ends with the highest number, the end of text
            batches = [each[None, : each.argmax() + 1] for each in tokens]
        with self.in_precision():
            return (
                torch.cat([self.model.encode_text(each) for each in batches]).float().cpu().numpy()
            )


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> NetworkEncoder:
    """Build both towers of a card and load their weights, every tensor of them.

    The configuration is the model's own ``open_clip_config.json`` where its files have one, else
    open_clip's of the card's architecture, with the card's ``options`` in place of its parts, such
    as another ``text_cfg``; of a model that open_clip does not know, the ``options`` alone. A text
    tower of the transformers library has its ``config.json`` in the folder ``text``.

    Raises :class:`InputError` naming the model where the architecture is unknown, its configuration
    is none, a file or a tensor is missing, a tensor is left over or of another shape, or the
    vectors do not have the card's dimension.
    """
    configuration = configuration_of(slug, card, files)
    torch.manual_seed(card["weights"].get("random_seed", 0))
    try:
        model = build(configuration, files)
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"the configuration of the model '{slug}' is none that open_clip "
            f"{open_clip.__version__} can build "
            f"({short(error)}): correct `options:` in its card"
        ) from None
    if files:
        names = [
            name for name in files if Path(name).suffix in (".safetensors", ".bin", ".pt", ".pth")
        ]
        if len(names) != 1:
            raise InputError(
                f"the model card '{slug}' names {len(names)} files of weights: open_clip reads one"
            )
        tensors = selected(read_tensors(files[names[0]], slug), card["weights"])
        if card["weights"].get("layout") == "unicl":
            tensors = from_unicl(tensors)
        tensors = convert_state_dict(model, tensors)
        if "positional_embedding" in tensors and not hasattr(model, "positional_embedding"):
            tensors = convert_to_custom_text_state_dict(tensors)
        wanted = model.state_dict()
        for name in ("logit_scale", "logit_bias"):
            if name in tensors and name in wanted and tensors[name].numel() == 1:
                tensors[name] = tensors[name].reshape(wanted[name].shape)
        load_tensors(model, tensors, slug)
    encoder = OpenClipEncoder(model, card, device)
    encoder.configuration = configuration
    encoder.folder = folder_of(files)
    return checked(encoder, slug, card)


def configuration_of(slug: str, card: Mapping, files: Mapping[str, Path]) -> dict:
    """The model's configuration in open_clip's form: ``embed_dim``, ``vision_cfg``, ``text_cfg``,
    ...
    """
    if CONFIGURATION in files:
        try:
            configuration = json.loads(files[CONFIGURATION].read_text(encoding="utf-8"))[
                "model_cfg"
            ]
            return configuration | card.get("options", {})
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"the file {files[CONFIGURATION]} of the model '{slug}' is no configuration of "
                "open_clip"
            ) from None
    configuration = (open_clip.get_model_config(card["architecture"]) or {}) | card.get(
        "options", {}
    )
    if not configuration:
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}', which "
            "open_clip "
            f"{open_clip.__version__} does not know, and no file {CONFIGURATION} or `options:`: "
            "see open_clip.list_models()"
        )
    return configuration


def build(configuration: Mapping, files: Mapping[str, Path]) -> torch.nn.Module:
    """Both towers in evaluation mode with random weights; nothing is looked up anywhere but in the
    model's folder.
    """
    settings = copy.deepcopy(dict(configuration))
    text = settings["text_cfg"]
    custom = text.pop(PADDING_MASK, False) | settings.pop("custom_text", False)
    settings["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        custom = True
        text["hf_model_pretrained"] = False
        folder = folder_of(files) or Path()
        text["hf_model_name"] = str(
            folder / TEXT_FOLDER if (folder / TEXT_FOLDER).is_dir() else folder
        )
    return (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**settings).eval()


def from_unicl(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of UniCL (Yang et al., CVPR 2022) with the DaViT under timm's names, the image
    projection transposed.

    DaViT's blocks have the names of Florence-2, which timm knows under that model's prefix. The
    rest of the names is the card's to say (``renamed``).
    """
    blocks = {name: each for name, each in tensors.items() if name.startswith("image_encoder.")}
    found = {name: each for name, each in tensors.items() if name not in blocks}
    if "image_projection" in found:
        found["visual.head.proj.weight"] = found.pop("image_projection").T
    florence = {
        name.replace("image_encoder.", "vision_tower.", 1): each for name, each in blocks.items()
    }
    trunk = timm.models.davit.checkpoint_filter_fn(florence, None)
    return found | {f"visual.trunk.{name}": tensor for name, tensor in trunk.items()}
