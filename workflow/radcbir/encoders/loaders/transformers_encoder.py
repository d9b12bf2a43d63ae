"""Encoders of the transformers library (Wolf et al., EMNLP 2020 demos): one pooling by name for
many architectures.

Images are preprocessed by the card and Pillow: the library's own processors changed their resampler
between releases.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from radcbir.core.errors import InputError
from radcbir.encoders.network import (
    NetworkEncoder,
    checked,
    folder_of,
    misfit,
    not_fitting,
    selected,
)
from radcbir.encoders.weights_file import read_tensors

transformers.logging.set_verbosity_error()  # what does not fit is an error here, in one sentence


transformers.logging.disable_progress_bar()


class TransformersEncoder(NetworkEncoder):
    """A model of the transformers library with one of its outputs as the embedding."""

    folder: Path | None

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """Class token, mean of patch tokens or of the feature map, pooler, projection into the
        space of texts, or logits.
        """
        if self.pooling == "projection":
            return _vectors(self.model.get_image_features(pixel_values=batch))
        if self.pooling == "logits":
            return self._tower(**self._inputs(batch)).logits
        if self.pooling == "pooled":
            return self._tower(**self._inputs(batch)).pooler_output.flatten(1)
        features = self.feature_map(batch)
        if self.pooling == "cls":
            return features[:, 0]
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features[:, self.prefix_tokens :].mean(dim=1)

    def feature_map(self, batch: torch.Tensor) -> torch.Tensor:
        """The last feature map, shape (n, channels, rows, columns), or tokens, shape (n, tokens,
        channels).
        """
        if hasattr(self.model, "get_image_embeddings"):
            return self.model.get_image_embeddings(batch)
        return self._tower(**self._inputs(batch)).last_hidden_state

    def _inputs(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the model takes: a masked autoencoder also the order in which patches are masked,
        for all images the same.

        Left to itself it draws that order anew for every image, and two passes over an image
        differ.
        """
        config = self._tower.config
        if getattr(config, "mask_ratio", None) is None:
            return {"pixel_values": batch}
        patches = math.prod(side // config.patch_size for side in self.size)
        order = torch.rand(patches, generator=torch.Generator().manual_seed(0)).to(self.device)
        return {"pixel_values": batch, "noise": order.expand(len(batch), -1)}

    @property
    def _tower(self) -> Any:
        return getattr(self.model, "vision_model", self.model)

    @cached_property
    def prefix_tokens(self) -> int:
        """How many tokens precede those of the patches: the class token and registers."""
        embeddings = self._tower.embeddings
        return (
            int(hasattr(embeddings, "cls_token"))
            + int(hasattr(embeddings, "class_embedding"))
            + (getattr(self._tower.config, "num_register_tokens", None) or 0)
        )

    @cached_property
    def tokenizer(self):
        """Texts -> tokens, from the tokenizer's files beside the weights."""
        return transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts (n of them) -> vectors of the images' space, shape (n, dimension), float32, not
        normalised.
        """
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=length,
            return_tensors="pt",
        ).to(self.device)
        known = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}
        with self.in_precision():
            return _vectors(self.model.get_text_features(**known)).float().cpu().numpy()


class MedClip(torch.nn.Module):
    """MedCLIP's image tower (Wang et al., EMNLP 2022): Swin-T, its pooled output, a linear
    projection.
    """

    def __init__(self, swin: torch.nn.Module, projection: torch.Tensor):
        super().__init__()
        self.swin, self.projection = swin, torch.nn.Parameter(projection, requires_grad=False)

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Images -> projected vectors, shape (n, 512)."""
        return torch.nn.functional.linear(
            self.swin(pixel_values=pixel_values).pooler_output, self.projection
        )


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> NetworkEncoder:
    """Load the model of a card from its folder, every tensor of it.

    Raises :class:`InputError` naming the model where the architecture is unknown, the configuration
    is missing, a tensor is missing, left over (but for those that the card calls ``unused``) or of
    another shape, the model has not what the card's pooling names, or the vectors do not have the
    card's dimension.
    """
    model: torch.nn.Module
    if card["loader"] == "medclip":
        model = _medclip(slug, card, files)
    else:
        name = card["architecture"]
        if not isinstance(getattr(transformers, name, None), type):
            known = {
                each.lower(): each
                for each in dir(transformers)
                if each.endswith(("Model", "Classification"))
            }
            near = [known[each] for each in difflib.get_close_matches(name.lower(), known, 3)]
            raise InputError(
                f"the model card '{slug}' names the architecture '{name}', which transformers "
                f"{transformers.__version__} does not "
                f"know{': did you mean ' + ', '.join(near) + '?' if near else ''}"
            )
        model = loaded(
            slug, card, getattr(transformers, name), folder_of(files), card.get("options", {})
        )
    encoder = TransformersEncoder(model.eval(), card, device)
    encoder.folder = folder_of(files)
    try:
        return checked(encoder, slug, card)
    except (AttributeError, TypeError):
        raise InputError(
            f"the model card '{slug}' says `pooling: {card['pooling']}`, but "
            f"{card['architecture']} has none: correct it"
        ) from None


def loaded(
    slug: str, card: Mapping, kind: Any, source: Path | None, options: Mapping
) -> torch.nn.Module:
    """A model of the library with its tensors, from a folder or from ``state_dict`` in the
    options.
    """
    try:
        model, info = kind.from_pretrained(
            source, local_files_only=True, output_loading_info=True, dtype=torch.float32, **options
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise not_fitting(slug, " ".join(str(error).split())[:200]) from None
    unused = tuple(card["weights"].get("unused", ()))
    left_over = {
        name for name in info["unexpected_keys"] if not (unused and name.startswith(unused))
    }
    shapes = {
        name: (tuple(found), tuple(expected)) for name, found, expected in info["mismatched_keys"]
    }
    wrong = misfit(set(info["missing_keys"]), left_over, shapes)
    if wrong:
        raise not_fitting(slug, wrong)
    return model


def _medclip(slug: str, card: Mapping, files: Mapping[str, Path]) -> MedClip:
    tensors = selected(read_tensors(next(iter(files.values())), slug), {"prefix": "vision_model."})
    projection = tensors.pop("projection_head.weight", None)
    if projection is None or projection.shape != (card["dimension"], 768):
        raise not_fitting(
            slug, f"vision_model.projection_head.weight is not ({card['dimension']}, 768)"
        )
    # Positions of pairs in a window, which older releases saved: computed, not learned.
    swin = {
        name.removeprefix("model."): each
        for name, each in tensors.items()
        if not name.endswith("relative_position_index")
    }
    options = {"config": transformers.SwinConfig(), "state_dict": swin}
    return MedClip(loaded(slug, card, transformers.SwinModel, None, options), projection)


def _vectors(output: Any) -> torch.Tensor:
    """Projected vectors, which releases of the library return as they are or as an output's pooled
    part.
    """
    return output if isinstance(output, torch.Tensor) else output.pooler_output
