"""Encoders of the timm library (Wightman, PyTorch Image Models, doi:10.5281/zenodo.4414861)."""

import difflib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from radcbir.encoders import OutOfMemory
from radcbir.errors import InputError
from radcbir.weights import verify

CROP_MODES = {"shortest": "center", "squash": "squash", "pad": "border"}


class TimmEncoder:
    """A timm network with one of its poolings as the embedding."""

    def __init__(self, model: torch.nn.Module, card: Mapping, device: torch.device):
        """``model`` is in evaluation mode with its weights loaded; ``card`` is the card or its meaning."""
        self.dimension = card["dimension"]
        self.libraries = {
            "torch": torch.__version__,
            "timm": timm.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        }
        self.pooling = card["pooling"]
        self.precision = getattr(torch, card["precision"])
        self.device = device
        # Convolutional networks run faster with the channels last, on CPUs and on GPUs.
        convolutional = sum(isinstance(module, torch.nn.Conv2d) for module in model.modules()) > 1
        self.layout = torch.channels_last if convolutional else torch.contiguous_format
        self.model = model.to(device, memory_format=self.layout)
        wanted = card["preprocessing"]
        self.transform = timm.data.create_transform(
            input_size=(3, wanted["size"], wanted["size"]),
            crop_pct=wanted["crop_pct"],
            crop_mode=CROP_MODES[wanted["resize"]],
            interpolation=wanted["interpolation"],
            mean=tuple(wanted["mean"]),
            std=tuple(wanted["std"]),
            is_training=False,
        )

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """RGB image -> tensor, shape (3, size, size), float32, normalised by the card's mean and std."""
        return self.transform(image)

    @torch.inference_mode()
    def encode(self, inputs: Sequence[torch.Tensor]) -> np.ndarray:
        """Tensors -> embeddings, shape (n, dimension), float32."""
        try:
            batch = torch.stack(list(inputs))
            if self.device.type == "cuda":
                batch = batch.pin_memory()
            batch = batch.to(self.device, non_blocking=True, memory_format=self.layout)
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                vectors = self._pool(batch)
            return vectors.float().cpu().numpy()
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{len(inputs)} images do not fit into the GPU's memory") from None

    def _pool(self, batch: torch.Tensor) -> torch.Tensor:
        if self.pooling == "logits":
            return self.model(batch)
        features = self.model.forward_features(batch)
        if self.pooling == "pooled":
            return self.model.forward_head(features, pre_logits=True)
        if self.pooling == "cls":
            return features[:, 0]
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        return features[:, getattr(self.model, "num_prefix_tokens", 0) :].mean(dim=1)


def load(slug: str, card: Mapping, weights: str | Path | None, device: str) -> TimmEncoder:
    """Build the network of a card and load its weights, every tensor of them.

    Raises :class:`InputError` naming the model where the architecture is unknown to timm, the weights' digest is not the
    card's, a tensor is missing, left over or of another shape, or the vectors do not have the card's dimension.
    """
    if not timm.is_model(card["architecture"]):
        near = difflib.get_close_matches(card["architecture"], timm.list_models(), 3)
        raise InputError(
            f"the model card '{slug}' names the architecture '{card['architecture']}', which timm {timm.__version__} does "
            f"not know{': did you mean ' + ', '.join(near) + '?' if near else ': see timm.list_models()'}"
        )
    size = card["preprocessing"]["size"]
    # Architectures with position embeddings are built for one input size, the others take any.
    configured = timm.get_pretrained_cfg(card["architecture"])
    options = {"img_size": size} if configured is not None and configured.fixed_input_size else {}
    torch.manual_seed(card["weights"].get("random_seed", 0))
    model = timm.create_model(card["architecture"], pretrained=False, **options).eval()
    if "sha256" in card["weights"]:
        verify(weights, card["weights"]["sha256"], slug)
        tensors = _read_tensors(weights, slug)
        if card["pooling"] != "logits" and len(tensors) < len(model.state_dict()):
            model.reset_classifier(0)  # the file may end before the classifier, which no embedding but the logits needs
        _load_weights(model, tensors, card["weights"].get("layout", "timm"), slug)
    if card["pooling"] == "cls" and not getattr(model, "num_prefix_tokens", 0):
        raise InputError(f"the model card '{slug}' says `pooling: cls`, but {card['architecture']} has no class token")
    encoder = TimmEncoder(model, card, _device(device))
    found = encoder.encode([torch.zeros(3, size, size)]).shape[1]
    if found != card["dimension"]:
        raise InputError(
            f"the model card '{slug}' says `dimension: {card['dimension']}`, but {card['architecture']} with "
            f"`pooling: {card['pooling']}` gives {found}: correct the card"
        )
    return encoder


def _device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"`device: {device}` is configured, but torch sees no GPU: use `device: auto` or mend the driver"
        )
    return torch.device(device)


def _read_tensors(path: str | Path, slug: str) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name, read without running any code that the file may hold."""
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(
            f"the weights file {path} of the model '{slug}' cannot be read as tensors ({type(error).__name__}): export it "
            "as safetensors or as a plain state dict, and correct `weights: sha256:`"
        ) from None
    while not isinstance(state, Mapping) or not any(isinstance(each, torch.Tensor) for each in state.values()):
        wrappers = [name for name in ("state_dict", "model", "teacher") if isinstance(state, Mapping) and name in state]
        if not wrappers:
            raise InputError(
                f"the weights file {path} of the model '{slug}' holds no tensors by name: is it a state dict?"
            )
        state = state[wrappers[0]]
    return {name.removeprefix("module."): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def _load_weights(model: torch.nn.Module, tensors: dict[str, torch.Tensor], layout: str, slug: str) -> None:
    """Load every tensor into the model; with ``ordered`` by place instead of by name, shapes compared one by one."""
    wanted = model.state_dict()
    if layout == "ordered":
        wrong = next(
            (
                f"tensor {place} is {name} {tuple(tensor.shape)} where {own} {tuple(wanted[own].shape)} is expected"
                for place, ((name, tensor), own) in enumerate(zip(tensors.items(), wanted, strict=False))
                if tensor.shape != wanted[own].shape
            ),
            None if len(tensors) == len(wanted) else f"{len(tensors)} tensors where {len(wanted)} are expected",
        )
        tensors = dict(zip(wanted, tensors.values(), strict=False))
    else:
        missing, left_over = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
        wrong = f"{len(missing)} tensors are missing ({', '.join(missing[:3])})" if missing else None
        wrong = wrong or (f"{len(left_over)} tensors are left over ({', '.join(left_over[:3])})" if left_over else None)
        wrong = wrong or next(
            (
                f"{name} is {tuple(tensor.shape)} where {tuple(wanted[name].shape)} is expected"
                for name, tensor in tensors.items()
                if tensor.shape != wanted[name].shape
            ),
            None,
        )
    if wrong:
        raise InputError(
            f"the weights of the model '{slug}' do not fit its architecture: {wrong}; correct `architecture:`, "
            "`preprocessing: size:` or `weights:` in its card"
        )
    model.load_state_dict(tensors, strict=True)
