"""What all encoders of torch share: batches, devices, precision, and weights that fit to the last
tensor.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from radcbir.cards.versions import channels_of, size_of
from radcbir.core.errors import InputError
from radcbir.encoders.on_device import OnDevice
from radcbir.encoders.preprocessing import preprocessed


class NetworkEncoder(OnDevice):
    """A network and one of its poolings as the embedding; a loader adds :meth:`pool`."""

    def __init__(self, model: torch.nn.Module, card: Mapping, device: str):
        """``model`` is in evaluation mode with its weights loaded; ``card`` is the card or its
        meaning.
        """
        super().__init__(card, device)
        # Convolutional networks run faster with the channels last, on CPUs and on GPUs.
        convolutional = sum(isinstance(module, torch.nn.Conv2d) for module in model.modules()) > 1
        self.layout = torch.channels_last if convolutional else torch.contiguous_format
        moved: Any = model
        self.model = moved.to(self.device, memory_format=self.layout)
        self.preprocessing = card["preprocessing"]
        self.channels = channels_of(self.preprocessing)
        by_image = self.preprocessing["mean"] == "image"
        self.mean, self.std = (
            torch.tensor(
                [neutral] * self.channels if by_image else self.preprocessing[name],
                device=self.device,
            ).reshape(1, -1, 1, 1)
            * 255
            for name, neutral in (("mean", 0.0), ("std", 1.0))
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return size_of(self.preprocessing)

    def preprocess(self, image: Image.Image) -> np.ndarray:
        """Image -> resized and cropped bytes, shape (3, height, width), or (1, height, width) where
        it is gray.

        With ``antialias: false`` values from 0 to 255 in float32 in place of bytes.
        """
        return preprocessed(image, self.preprocessing)

    def batch(self, inputs: Sequence[np.ndarray]) -> torch.Tensor:
        """Preprocessed images -> one batch on the encoder's device, shape (n, channels, height,
        width), normalised.

        By the card's mean and std, or with ``range: minmax`` from the image's own lowest value to
        its highest before that; with ``mean: image`` by the image's own. An image in the
        corner of the input has zeros beside it.
        """
        values = self.transfer.sent(inputs, self.size)
        channels = values.shape[1]
        if self.preprocessing.get("range") == "minmax":
            low, high = (
                values.amin(dim=(1, 2, 3), keepdim=True),
                values.amax(dim=(1, 2, 3), keepdim=True),
            )
            values = values.float().sub_(low).mul_(255 / (high - low).clamp(min=1))
        if self.preprocessing["mean"] == "image":
            values = 255 * standardised(values.float())
        if (
            values.dtype == torch.uint8 and channels == 1
        ):  # looked up: one pass over the batch, not two
            grays = torch.arange(256, device=self.device).reshape(256, 1)
            normalised = (grays - self.mean.flatten()) / self.std.flatten()
            looked_up = normalised.index_select(0, values.flatten().int())
            batch = looked_up.reshape(len(inputs), *self.size, self.channels).permute(0, 3, 1, 2)
            batch = batch.contiguous(memory_format=self.layout)
        else:
            shape = (len(inputs), self.channels, *self.size)
            batch = torch.empty(shape, device=self.device, memory_format=self.layout)
            torch.sub(values, self.mean, out=batch).div_(self.std)
        for place, each in enumerate(inputs):
            if each.shape[1:] != self.size:
                batch[place, :, each.shape[1] :] = 0
                batch[place, :, :, each.shape[2] :] = 0
        return batch

    @torch.inference_mode()
    def forward(
        self, batch: torch.Tensor, shapes: Sequence[tuple[int, int]] | None = None
    ) -> torch.Tensor:
        """A batch -> embeddings on the device, shape (n, dimension), in the card's precision.

        ``shapes`` are height and width of what each image fills of the input, by default all of
        it.
        """
        with self.in_precision():
            return self.exact(batch, shapes)

    @torch.inference_mode()
    def exact(
        self, batch: torch.Tensor, shapes: Sequence[tuple[int, int]] | None = None
    ) -> torch.Tensor:
        """:meth:`forward` in float32 whatever the card's precision is."""
        if self.pooling == "inside":
            return self.mean_inside(
                self.feature_map(batch), shapes or [(batch.shape[2], batch.shape[3])] * len(batch)
            )
        return self.pool(batch)

    def pool(self, batch: torch.Tensor) -> torch.Tensor:
        """A normalised batch -> what the card's pooling names, shape (n, dimension)."""
        raise NotImplementedError

    def feature_map(self, batch: torch.Tensor) -> torch.Tensor:
        """A normalised batch -> the map that ``pooling: inside`` averages, shape (n, dimension,
        rows, columns).
        """
        raise NotImplementedError

    @property
    def prefix_tokens(self) -> int:
        """How many tokens precede those of the patches: the class token and registers."""
        return getattr(self.model, "num_prefix_tokens", 0)

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Preprocessed images -> embeddings, shape (n, dimension), float32."""
        return self.begin(inputs)()

    def begin(self, inputs: Sequence[np.ndarray]) -> Callable[[], np.ndarray]:
        """Start :meth:`encode` and return what waits for the embeddings.

        A GPU works on them after the call has returned; elsewhere they are ready then. Raises
        :class:`~radcbir.encoders.OutOfMemory` where a smaller batch may fit.
        """
        return self.transfer.begun(
            lambda: self.forward(self.batch(inputs), [each.shape[1:] for each in inputs]),
            len(inputs),
        )

    def mean_inside(
        self, features: torch.Tensor, shapes: Sequence[tuple[int, int]]
    ) -> torch.Tensor:
        """The mean over the cells of a feature map that the image reaches, the filled-up rest left
        out.
        """
        grid = list(zip(features.shape[2:], self.size, strict=True))
        filled = [
            [-(-side * cells // full) for side, (cells, full) in zip(shape, grid, strict=True)]
            for shape in shapes
        ]  # a cell that is cut counts
        return torch.stack(
            [
                each[:, :rows, :columns].mean(dim=(1, 2))
                for each, (rows, columns) in zip(features, filled, strict=True)
            ]
        )


def standardised(values: torch.Tensor) -> torch.Tensor:
    """Images of shape (n, channels, rows, columns) with mean 0 and standard deviation 1 each, over
    all of their values (divided by their number); an image of one value becomes 0.
    """
    centered = values - values.mean(dim=(1, 2, 3), keepdim=True)
    spread = centered.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centered / torch.where(spread > 1e-6, spread, torch.ones_like(spread))


def checked(encoder: NetworkEncoder, slug: str, card: Mapping) -> NetworkEncoder:
    """The encoder, once it has embedded a black image. Raises :class:`InputError` where size or
    dimension is wrong.
    """
    size = card["preprocessing"]["size"]
    try:
        found = encoder.encode([np.zeros((1, *encoder.size), dtype=np.uint8)]).shape
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"the model '{slug}' does not take images of `preprocessing: size: {size}` "
            f"({short(error)}): correct its card"
        ) from None
    if found != (1, card["dimension"]):
        raise InputError(
            f"the model card '{slug}' says `dimension: {card['dimension']}`, but "
            f"{card['architecture']} with "
            f"`pooling: {card['pooling']}` gives {' x '.join(map(str, found[1:]))}: correct the "
            "card"
        )
    return encoder


def folder_of(files: Mapping[str, Path]) -> Path | None:
    """The folder of the model's files."""
    return next((path.parents[len(Path(name).parts) - 1] for name, path in files.items()), None)


def selected(tensors: Mapping[str, torch.Tensor], weights: Mapping) -> dict[str, torch.Tensor]:
    """The tensors that a card's ``weights`` takes: those below ``prefix``, without it, less what
    ``unused`` starts, with the starts of their names ``renamed``. A tensor whose new name is
    another's keeps its own: nothing is lost unseen.
    """
    prefix, unused = weights.get("prefix", ""), tuple(weights.get("unused", ()))
    below = {
        name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)
    }
    kept = (
        {name: each for name, each in below.items() if not name.startswith(unused)}
        if unused
        else below
    )
    starts, found = weights.get("renamed", {}), {}
    for name, each in kept.items():
        new = next(
            (
                f"{starts[start]}{name.removeprefix(start)}"
                for start in starts
                if name.startswith(start)
            ),
            name,
        )
        found[name if new in found or new in kept else new] = each
    return found


def load_tensors(
    model: torch.nn.Module, tensors: dict[str, torch.Tensor], slug: str, ordered: bool = False
) -> None:
    """Load every tensor into the model; ``ordered`` by place instead of by name, shapes compared
    one by one.

    Raises :class:`InputError` naming the model where a tensor is missing, left over, or of another
    shape.
    """
    wanted = model.state_dict()
    if ordered:
        wrong = next(
            (
                f"tensor {place} is {name} {tuple(tensor.shape)} where {own} "
                f"{tuple(wanted[own].shape)} is expected"
                for place, ((name, tensor), own) in enumerate(
                    zip(tensors.items(), wanted, strict=False)
                )
                if tensor.shape != wanted[own].shape
            ),
            None
            if len(tensors) == len(wanted)
            else f"{len(tensors)} tensors where {len(wanted)} are expected",
        )
        tensors = dict(zip(wanted, tensors.values(), strict=False))
    else:
        # Older files have the positions 0, 1, 2, ... as a tensor, which was not learned.
        tensors = {
            name: each
            for name, each in tensors.items()
            if name in wanted or not name.endswith("position_ids")
        }
        shapes = {
            name: (tuple(tensor.shape), tuple(wanted[name].shape))
            for name, tensor in tensors.items()
            if name in wanted and tensor.shape != wanted[name].shape
        }
        wrong = misfit(wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys(), shapes)
    if wrong:
        raise not_fitting(slug, wrong)
    model.load_state_dict(tensors, strict=True)


def misfit(missing: set[str], left_over: set[str], shapes: Mapping[str, tuple]) -> str | None:
    """What is wrong with weights in a few words, None where nothing is; ``shapes`` gives found and
    expected shapes.
    """
    if missing:
        return f"{len(missing)} tensors are missing ({', '.join(sorted(missing)[:3])})"
    if left_over:
        return f"{len(left_over)} tensors are left over ({', '.join(sorted(left_over)[:3])})"
    return next(
        (
            f"{name} is {found} where {expected} is expected"
            for name, (found, expected) in shapes.items()
        ),
        None,
    )


def not_fitting(slug: str, wrong: str) -> InputError:
    """The error of weights that do not fit the architecture."""
    return InputError(
        f"the weights of the model '{slug}' do not fit its architecture: {wrong}; correct "
        "`architecture:`, "
        "`preprocessing: size:` or `weights:` in its card"
    )


def short(error: Exception) -> str:
    """An error's message in one line of at most 150 characters, its kind where it has none."""
    return " ".join(str(error).split())[:150] or type(error).__name__
