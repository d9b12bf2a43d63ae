"""Encoders of the timm library (Wightman, PyTorch Image Models, doi:10.5281/zenodo.4414861)."""

import ctypes
import difflib
import math
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

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


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
        if device.type == "cpu":
            keep_freed_memory()
        # Convolutional networks run faster with the channels last, on CPUs and on GPUs.
        convolutional = sum(isinstance(module, torch.nn.Conv2d) for module in model.modules()) > 1
        self.layout = torch.channels_last if convolutional else torch.contiguous_format
        self.model = model.to(device, memory_format=self.layout)
        self.preprocessing = card["preprocessing"]
        self.mean, self.std = (
            torch.tensor(self.preprocessing[name], device=device).reshape(1, 3, 1, 1) * 255 for name in ("mean", "std")
        )

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """Image -> resized and cropped bytes, shape (3, size, size), or (1, size, size) where it is gray."""
        pixels = np.asarray(resized_and_cropped(image, self.preprocessing))
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def batch(self, inputs: Sequence[np.ndarray]) -> torch.Tensor:
        """Bytes -> one batch on the encoder's device, shape (n, 3, size, size), normalised by the card's mean and std."""
        batch = torch.from_numpy(np.stack([np.broadcast_to(each, (3, *each.shape[1:])) for each in inputs]))
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        batch = batch.to(self.device, non_blocking=True).float().sub_(self.mean).div_(self.std)
        return batch.contiguous(memory_format=self.layout)

    @torch.inference_mode()
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch -> embeddings on the device, shape (n, dimension), in the card's precision."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            return self._pool(batch)

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Bytes -> embeddings, shape (n, dimension), float32."""
        try:
            return self.forward(self.batch(inputs)).float().cpu().numpy()
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
    found = encoder.encode([np.zeros((1, size, size), dtype=np.uint8)]).shape[1]
    if found != card["dimension"]:
        raise InputError(
            f"the model card '{slug}' says `dimension: {card['dimension']}`, but {card['architecture']} with "
            f"`pooling: {card['pooling']}` gives {found}: correct the card"
        )
    return encoder


def resized_and_cropped(image: Image.Image, preprocessing: Mapping) -> Image.Image:
    """The image as a card's ``preprocessing`` wants it, ``size`` pixels wide and high, in the image's own mode.

    To the pixel what ``timm.data.create_transform`` makes, without its detours per image; gray images stay gray, at a
    third of the work. With ``resize: pad`` the border has the color of ``mean``, and the result is RGB.
    """
    size, target = preprocessing["size"], math.floor(preprocessing["size"] / preprocessing["crop_pct"])
    if preprocessing["resize"] == "squash":
        scaled = target, target
    else:
        side, whole = (min, int) if preprocessing["resize"] == "shortest" else (max, round)
        scaled = tuple(max(1, whole(target * each / side(image.size))) for each in image.size)
    image = image.resize(scaled, FILTERS[preprocessing["interpolation"]])
    left, top = (round((each - size) / 2) for each in (max(scaled[0], size), max(scaled[1], size)))
    if min(scaled) < size:
        canvas = Image.new("RGB", (max(scaled[0], size), max(scaled[1], size)), _color(preprocessing["mean"]))
        canvas.paste(image, tuple((full - each) // 2 for full, each in zip(canvas.size, scaled, strict=True)))
        image = canvas
    return image.crop((left, top, left + size, top + size))


def _color(mean: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(255 * each) for each in mean)


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for its next allocation.

    By default glibc gives each large block back to the system at once, and every activation of every forward pass is
    mapped and cleared anew: that takes longer than the arithmetic of a small network. Elsewhere this does nothing.
    """
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # the numbers of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 << 20)


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
