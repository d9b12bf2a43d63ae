"""Models of radiographs, mammograms and reports that no library builds: an image tower and a BERT with
projections into one space.

BioViL (Boecking et al., ECCV 2022), BioViL-T (Bannur et al., CVPR 2023), CXR-CLIP (You et al.,
MICCAI 2023) and Mammo-CLIP (Ghosh et al., MICCAI 2024), put together from torchvision's ResNet-50,
timm's EfficientNet and transformers' Swin and BERT under the names of tensors that the published
files have.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
import transformers
from torch import nn

from radcbir.core.errors import InputError
from radcbir.encoders.loaders import efficientnet
from radcbir.encoders.loaders.transformers_encoder import loaded
from radcbir.encoders.network import (
    NetworkEncoder,
    checked,
    folder_of,
    load_tensors,
    not_fitting,
    selected,
)
from radcbir.encoders.weights_file import read_tensors

CONFIGURATION, VOCABULARY = "config.json", "vocab.txt"
"""The files of the BERT beside the weights."""

COMPUTED = ("relative_position_index", "position_ids")
"""Ends of the names of tensors that older releases of transformers saved, though nothing in them
was learned."""

SETTINGS = (
    "omegaconf.listconfig.ListConfig",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
)
"""Classes of the settings that CXR-CLIP's and Mammo-CLIP's files have beside the tensors. They are read as empty
objects and discarded."""


class BioVil(nn.Module):
    """BioViL's towers: every cell of the last feature map projected and then averaged; the
    projected class token of BERT.

    With ``temporal`` those of BioViL-T, without a prior image: half of a cell's features are then
    one learned vector.
    """

    bert: nn.Module
    longest_text = None
    """Tokens of a text that count; None for as many as the BERT has positions."""

    def __init__(self, temporal: bool):
        super().__init__()
        self.parts = {
            "bert": "bert."
        }  # those of transformers, and how the names of their tensors start
        self.encoder: Any = nn.Module()
        self.encoder.encoder = _resnet50()
        if temporal:
            self.encoder.backbone_to_vit = nn.Conv2d(2048, 256, kernel_size=1, bias=False)
            self.encoder.missing_previous_emb = nn.Parameter(torch.zeros(1, 256, 1, 1))
        self.projector: Any = nn.Module()
        self.projector.model = nn.Sequential(
            nn.Conv2d(512 if temporal else 2048, 128, kernel_size=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 128, kernel_size=1),
        )
        self.cls_projection_head = nn.Sequential(
            OrderedDict(
                dense_to_hidden=nn.Linear(768, 128),
                activation=nn.GELU(),
                LayerNorm=nn.LayerNorm(128, eps=1e-12),
                dense_to_output=nn.Linear(128, 128),
            )
        )

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        """Gray images -> projected cells, shape (n, 128, rows, columns)."""
        cells = _last_map(self.encoder.encoder, images.expand(-1, 3, -1, -1))
        if hasattr(self.encoder, "backbone_to_vit"):
            cells = self.encoder.backbone_to_vit(cells)
            cells = torch.cat(
                [cells, self.encoder.missing_previous_emb.to(cells.dtype).expand_as(cells)], dim=1
            )
        return self.projector.model(cells)

    def images(self, images: torch.Tensor) -> torch.Tensor:
        """Gray images, shape (n, 1, height, width) -> vectors, shape (n, 128)."""
        return self.feature_map(images).mean(dim=(2, 3))

    def texts(self, tokens: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Tokens -> vectors, shape (n, 128)."""
        return self.cls_projection_head(self.bert(**tokens).last_hidden_state[:, 0])

    @staticmethod
    def cleaned(text: str) -> str:
        """A text as the tokenizer gets it: BioViL's own code takes the marks off its end."""
        return text.rstrip("!?.")


class CxrClip(nn.Module):
    """CXR-CLIP's towers: the mean over ResNet-50's last map, or Swin's first token; BERT's last
    token, which ends the text.
    """

    bert: nn.Module
    swin: nn.Module
    image_encoder: Any
    longest_text = 256

    def __init__(self, swin: bool):
        super().__init__()
        self.parts = {"bert": "text_encoder.text_encoder."} | (
            {"swin": "image_encoder.image_encoder."} if swin else {}
        )
        if not swin:
            self.image_encoder = nn.Module()
            self.image_encoder.resnet = _resnet50()
        self.image_projection: Any = nn.Module()
        self.text_projection: Any = nn.Module()
        self.image_projection.projection = nn.Linear(768 if swin else 2048, 512)
        self.text_projection.projection = nn.Linear(768, 512)

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        """Images -> the last map of ResNet-50, shape (n, 2048, rows, columns), or Swin's tokens,
        shape (n, tokens, 768).
        """
        if "swin" in self.parts:
            return self.swin(pixel_values=images).last_hidden_state
        return _last_map(self.image_encoder.resnet, images)

    def images(self, images: torch.Tensor) -> torch.Tensor:
        """Images, shape (n, 3, height, width) -> vectors, shape (n, 512)."""
        features = self.feature_map(images)
        return self.image_projection.projection(
            features[:, 0] if features.ndim == 3 else features.mean(dim=(2, 3))
        )

    def texts(self, tokens: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Tokens -> vectors, shape (n, 512)."""
        states, ends = (
            self.bert(**tokens).last_hidden_state,
            tokens["attention_mask"].sum(dim=1) - 1,
        )
        return self.text_projection.projection(
            states[torch.arange(len(states), device=states.device), ends]
        )

    @staticmethod
    def cleaned(text: str) -> str:
        """A text as the tokenizer gets it: as it is."""
        return text


class MammoClip(CxrClip):
    """Mammo-CLIP's towers: the mean over EfficientNet's last map; the text tower of CXR-CLIP."""

    def __init__(self, kind: str):
        super(CxrClip, self).__init__()
        self.parts = {"bert": "text_encoder.text_encoder."}
        self.image_encoder = efficientnet.build(kind)
        self.image_projection: Any = nn.Module()
        self.text_projection: Any = nn.Module()
        width = self.image_encoder.num_features
        self.image_projection.projection = nn.Linear(width, 512)
        self.text_projection.projection = nn.Linear(768, 512)

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        """Images -> the last map of EfficientNet, shape (n, channels, rows, columns)."""
        return self.image_encoder.forward_features(images)

    def renamed(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors with the published names -> the same with those of the module."""
        return efficientnet.under_names_of_timm(tensors, self.image_encoder, "image_encoder.")


ARCHITECTURES: dict[str, Callable[[], BioVil | CxrClip]] = {
    "biovil-resnet50": partial(BioVil, temporal=False),
    "biovil-t-resnet50": partial(BioVil, temporal=True),
    "cxr-clip-resnet50": partial(CxrClip, swin=False),
    "cxr-clip-swin-tiny": partial(CxrClip, swin=True),
    "mammo-clip-efficientnet-b2": partial(MammoClip, "b2"),
    "mammo-clip-efficientnet-b5": partial(MammoClip, "b5"),
}


class TwoTowerEncoder(NetworkEncoder):
    """Images and texts of one of :data:`ARCHITECTURES` as vectors of one space."""

    folder: Path

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """The image tower's projected output."""
        return self.model.images(batch)

    def feature_map(self, batch: torch.Tensor) -> torch.Tensor:
        """The last cells of the image tower, shape (n, channels, rows, columns) or (n, tokens,
        channels).
        """
        return self.model.feature_map(batch)

    @cached_property
    def tokenizer(self):
        """Texts -> tokens, by the vocabulary beside the weights; in small letters where no file
        says otherwise.
        """
        return transformers.BertTokenizer.from_pretrained(self.folder, local_files_only=True)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts (n of them) -> vectors of the images' space, shape (n, dimension), float32, not
        normalised.
        """
        longest = self.model.longest_text or self.model.bert.config.max_position_embeddings
        cleaned = [self.model.cleaned(each) for each in texts]
        tokens = self.tokenizer(
            cleaned, padding="longest", truncation=True, max_length=longest, return_tensors="pt"
        )
        known = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask")}
        with self.in_precision():
            return self.model.texts(known).float().cpu().numpy()


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> NetworkEncoder:
    """Build both towers of a card and load their weights, every tensor of all of its files of
    weights.

    Raises :class:`InputError` naming the model where the architecture is unknown, a file or a
    tensor is missing, a tensor is left over (but for those that the card calls ``unused``) or of
    another shape, or the vectors do not have the card's dimension.
    """
    if card["architecture"] not in ARCHITECTURES:
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}': those of "
            "two towers are "
            f"{', '.join(ARCHITECTURES)}"
        )
    missing = {CONFIGURATION, VOCABULARY} - files.keys()
    if missing:
        raise InputError(
            f"the model card '{slug}' lacks {', '.join(sorted(missing))} among `weights: files:`"
        )
    tensors: dict[str, torch.Tensor] = {}
    with torch.serialization.safe_globals(_settings()):
        for name, path in files.items():
            if Path(name).suffix in (".pt", ".bin", ".safetensors", ".tar"):
                tensors |= read_tensors(path, slug)
    tensors = {
        name: each
        for name, each in selected(tensors, card["weights"]).items()
        if not name.endswith(COMPUTED)
    }
    model = ARCHITECTURES[card["architecture"]]()
    if isinstance(model, MammoClip):
        tensors = model.renamed(tensors)
    of_parts = {
        part: {
            name.removeprefix(prefix): tensors.pop(name)
            for name in list(tensors)
            if name.startswith(prefix)
        }
        for part, prefix in model.parts.items()
    }
    load_tensors(model, tensors, slug)
    for part, state in of_parts.items():
        setattr(model, part, _of_transformers(part, state, slug, card, files[CONFIGURATION]))
    encoder = TwoTowerEncoder(model.eval(), card, device)
    folder = folder_of(files)
    assert folder is not None  # the configuration is among the files
    encoder.folder = folder
    return checked(encoder, slug, card)


def _of_transformers(
    part: str, state: Mapping[str, torch.Tensor], slug: str, card: Mapping, configuration: Path
) -> nn.Module:
    """Swin-T, whose configuration is the library's own, or the BERT of a configuration, with its
    tensors.
    """
    kind: type = transformers.SwinModel
    settings: transformers.PretrainedConfig = transformers.SwinConfig()
    if part == "bert":
        try:
            written = json.loads(configuration.read_text(encoding="utf-8"))
            kind, settings = transformers.BertModel, transformers.BertConfig(**written)
        except (ValueError, TypeError):
            raise not_fitting(slug, f"{configuration} is no configuration of a BERT") from None
    options = {"config": settings, "state_dict": state, "add_pooling_layer": False}
    return loaded(slug, card, kind, None, options)


def _resnet50() -> nn.Module:
    """The ResNet-50 of torchvision without its classifier."""
    resnet = torchvision.models.resnet50(weights=None)
    resnet.fc = nn.Identity()
    return resnet


def _last_map(resnet: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Images -> the last feature map, shape (n, 2048, rows, columns)."""
    return nn.Sequential(*list(resnet.children())[:-2])(images)


def _settings() -> list:
    """Harmless classes for what the weights' reader meets in :data:`SETTINGS`, whose library need
    not be there.
    """
    shells = [(type(name.rpartition(".")[2], (), {}), name) for name in SETTINGS]
    plain: tuple[Callable[..., Any], str] = (
        lambda kind: {},
        "collections.defaultdict",
    )  # the reader fills no other mapping than a plain one
    return [*shells, plain, Any, dict, list, int]
