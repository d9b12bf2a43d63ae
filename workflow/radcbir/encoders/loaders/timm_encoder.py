"""Encoders of the timm library (Wightman, PyTorch Image Models, doi:10.5281/zenodo.4414861)."""

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch

from radcbir.core.errors import InputError
from radcbir.encoders.network import NetworkEncoder, checked, load_tensors, selected
from radcbir.encoders.weights_file import read_tensors


class TimmEncoder(NetworkEncoder):
    """A timm network with one of its poolings as the embedding."""

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """Class token, mean of patch tokens or of the feature map, input of the classifier, or
        logits.
        """
        if self.pooling == "logits":
            return self.model(batch)
        features = self.model.forward_features(batch)
        if self.pooling == "pooled":
            return self.model.forward_head(features, pre_logits=True)
        if self.pooling == "cls":
            return features[:, 0]
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features[:, self.prefix_tokens :].mean(dim=1)

    def feature_map(self, batch: torch.Tensor) -> torch.Tensor:
        """The last feature map, shape (n, channels, rows, columns)."""
        return self.model.forward_features(batch)


def load(slug: str, card: Mapping, files: Mapping[str, Path], device: str) -> NetworkEncoder:
    """Build the network of a card and load its weights, every tensor of them.

    Raises :class:`InputError` naming the model where the architecture is unknown to timm, a tensor
    is missing, left over or of another shape, or the vectors do not have the card's dimension.
    """
    model: Any = build(slug, card)
    if files:
        weights = card["weights"]
        tensors = selected(read_tensors(next(iter(files.values())), slug), weights)
        layout = weights.get("layout", "timm")
        if (
            layout == "published"
        ):  # timm knows how the authors of this architecture named its tensors
            tensors = sys.modules[type(model).__module__].checkpoint_filter_fn(tensors, model)
        if card["pooling"] != "logits" and len(tensors) < len(model.state_dict()):
            model.reset_classifier(
                0
            )  # the file may end before the classifier, which no embedding but the logits needs
        load_tensors(model, tensors, slug, ordered=layout == "ordered")
    if card["pooling"] == "cls" and not getattr(model, "num_prefix_tokens", 0):
        raise InputError(
            f"the model card '{slug}' says `pooling: cls`, but {card['architecture']} has no class "
            "token"
        )
    return checked(TimmEncoder(model, card, device), slug, card)


def build(slug: str, card: Mapping) -> torch.nn.Module:
    """The card's architecture in evaluation mode, its weights drawn from the card's random seed."""
    if not timm.is_model(card["architecture"]):
        near = difflib.get_close_matches(card["architecture"], timm.list_models(), 3)
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}', which timm "
            f"{timm.__version__} does "
            "not "
            f"know{': did you mean ' + ', '.join(near) + '?' if near else ': see timm.list_models()'}"
        )
    # Architectures with position embeddings are built for one input size, the others take any; with
    # `dynamic_img_size` they keep the size they were trained for, and interpolate for ours.
    configured = timm.get_pretrained_cfg(card["architecture"])
    options = dict(card.get("options", {}))
    if (
        configured is not None
        and configured.fixed_input_size
        and not options.get("dynamic_img_size")
    ):
        options["img_size"] = card["preprocessing"]["size"]
    torch.manual_seed(card["weights"].get("random_seed", 0))
    return timm.create_model(card["architecture"], pretrained=False, **options).eval()
