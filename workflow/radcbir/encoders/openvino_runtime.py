"""Another runtime for a network on a CPU: OpenVINO (Intel), which takes over the forward pass of an encoder of torch.

The network is traced with its pooling and converted once; what was converted lies beside the weights, in float32 whatever
the card's precision is. Nothing is reported to anybody: the package that would do it is kept from being loaded.
"""

import contextlib
import fcntl
import importlib.util
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from radcbir.cards import WEIGHTS_MEANING, loader_module
from radcbir.code import code_digest
from radcbir.encoders.network import NetworkEncoder
from radcbir.errors import InputError
from radcbir.files import digest_of
from radcbir.logs import logger

TELEMETRY = "openvino_telemetry"
HINTS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}
"""Precision of a card -> OpenVINO's name of it, and that of the processor's ability to compute in it."""
TOLERANCE = 1e-4
"""By how much the converted network may differ from torch in float32, as a share of the largest number of a vector."""


class OpenVinoEncoder:
    """An encoder of torch whose forward pass OpenVINO computes; all before and after it stays as it is."""

    def __init__(self, encoder: NetworkEncoder, compiled, version: str):
        """``compiled`` is OpenVINO's network of the encoder's pooling, or of its feature map for ``pooling: inside``."""
        self.encoder, self.compiled = encoder, compiled
        self.dimension, self.weights_sha256 = encoder.dimension, encoder.weights_sha256
        self.libraries = {**encoder.libraries, "openvino": version}

    def __getattr__(self, name: str) -> object:
        """What is not about the forward pass, the encoder of torch has: preprocessing, batches, texts."""
        return getattr(self.encoder, name)

    def encode(self, inputs: Sequence[object]) -> np.ndarray:
        """Preprocessed images -> embeddings, shape (n, dimension), float32."""
        return self.forward(self.batch(inputs), [np.shape(each)[1:] for each in inputs]).numpy()

    @torch.inference_mode()
    def forward(self, batch: torch.Tensor, shapes: Sequence[tuple[int, int]] | None = None) -> torch.Tensor:
        """A batch -> embeddings, shape (n, dimension), float32; ``shapes`` as for the encoder of torch."""
        found = torch.from_numpy(np.array(self.compiled([batch.contiguous().numpy()])[0], dtype=np.float32))
        if self.encoder.pooling == "inside":
            return self.encoder._mean_inside(found, shapes or [batch.shape[2:]] * len(batch))
        return found


def accelerated(encoder: NetworkEncoder, slug: str, card: Mapping, folder: str | Path) -> OpenVinoEncoder:
    """The encoder with its forward pass by OpenVINO; the converted network is kept in ``folder``.

    Its name is a digest of the weights, of what the card says of the network, of the versions of OpenVINO and torch and of
    the code. Raises :class:`InputError` where OpenVINO is not installed, the device is no CPU, the processor cannot compute
    in the card's precision, or the network does not survive the conversion.
    """
    if encoder.device.type != "cpu":
        raise InputError(
            f"the model '{slug}' has `runtime: openvino`, which is for CPUs, but the device is {encoder.device}: say "
            "`device: cpu`, or `runtime: torch`"
        )
    openvino = _openvino(slug)
    core = openvino.Core()
    hint, ability = HINTS[card["precision"]]
    if ability not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise InputError(
            f"the model '{slug}' has `precision: {card['precision']}`, in which this processor cannot compute, and OpenVINO "
            "would take float32 without a word: say `precision: float32`, or `runtime: torch`"
        )
    names = ("loader", "architecture", "dimension", "pooling", "preprocessing", "options")
    weights = {name: card["weights"][name] for name in WEIGHTS_MEANING if name in card["weights"]}
    versions = [openvino.__version__, torch.__version__, code_digest(__file__, [loader_module(card)])]
    key = digest_of([{name: card.get(name) for name in names}, weights, encoder.weights_sha256, versions])
    path = Path(folder) / key / "network.xml"
    exact, lower = {"INFERENCE_PRECISION_HINT": "f32"}, {"INFERENCE_PRECISION_HINT": hint}
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}

    def compiled(network: object, precision: Mapping) -> OpenVinoEncoder:
        return OpenVinoEncoder(
            encoder, core.compile_model(network, "CPU", {**settings, **precision}), openvino.__version__
        )

    try:
        with _held(path.parent.with_suffix(".lock")):
            if not path.is_file():
                network = _converted(openvino, encoder, slug)
                _compare(encoder, compiled(network, exact), slug)
                _save(openvino, network, path)
        return compiled(str(path), lower)
    except OSError as error:
        logger.warning("%s: the converted network cannot be kept in %s (%s): converting each time", slug, folder, error)
        network = _converted(openvino, encoder, slug)
        _compare(encoder, compiled(network, exact), slug)
        return compiled(network, lower)


def _openvino(slug: str):
    """The module openvino, imported without its telemetry."""
    if importlib.util.find_spec("openvino") is None:
        raise InputError(
            f"the model '{slug}' has `runtime: openvino`, but the package openvino is not installed here: install it, or say "
            "`runtime: torch`"
        )
    sys.modules.setdefault(TELEMETRY, None)  # an import of it fails, and OpenVINO then has a stand-in that does nothing
    import openvino

    return openvino


class _Traced(torch.nn.Module):
    """An encoder's way from a batch to what it pools, as one module."""

    def __init__(self, encoder: NetworkEncoder):
        super().__init__()
        self.model = encoder.model
        self.run = encoder.feature_map if encoder.pooling == "inside" else encoder.pool

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.run(batch)


def _example(encoder: NetworkEncoder, images: int) -> torch.Tensor:
    """A batch of noise as the encoder's network takes it, the same each time."""
    size = encoder.preprocessing["size"]
    values = torch.randn((images, encoder.channels, size, size), generator=torch.Generator().manual_seed(0))
    return values.contiguous(memory_format=encoder.layout)


def _converted(openvino, encoder: NetworkEncoder, slug: str):
    """OpenVINO's form of the network, for batches of any size."""
    logger.info("%s: converting the network for OpenVINO, once", slug)
    batch = _example(encoder, 2)
    shape = openvino.PartialShape([-1, *batch.shape[1:]])
    with _quiet(), torch.no_grad():
        try:
            return openvino.convert_model(_Traced(encoder), example_input=batch, input=[shape])
        except Exception as error:
            reason = " ".join(str(error).split())[:150]
            raise InputError(
                f"OpenVINO cannot convert the network of the model '{slug}' ({type(error).__name__}: {reason}): say "
                "`runtime: torch` for it"
            ) from None


def _compare(encoder: NetworkEncoder, converted: OpenVinoEncoder, slug: str) -> None:
    """Raise :class:`InputError` where the converted network gives other vectors than torch, both in float32."""
    batch = _example(encoder, 3)
    with torch.inference_mode():
        expected = encoder.pool(batch) if encoder.pooling != "inside" else None
        if expected is None:
            expected = encoder._mean_inside(encoder.feature_map(batch), [batch.shape[2:]] * len(batch))
    found = converted.forward(batch)
    if found.shape != expected.shape or not (found - expected).abs().max() <= TOLERANCE * expected.abs().max():
        raise InputError(
            f"OpenVINO computes other vectors than torch for the model '{slug}' after converting its network: say "
            "`runtime: torch` for it"
        )


def _save(openvino, network: object, path: Path) -> None:
    """Write the network (two files) as a folder that appears at once."""
    part = path.parent.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed: nobody else writes while the lock is held
    part.mkdir()
    openvino.save_model(network, part / path.name, compress_to_fp16=False)
    os.replace(part, path.parent)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for it: jobs of several shards start at once, and one of them converts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of tracing, which the comparison that follows makes needless."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
