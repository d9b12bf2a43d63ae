"""Another runtime for a network on a CPU: OpenVINO (Intel), which takes over the forward pass of an
encoder of torch.

The network is traced with its pooling and converted once. The converted network is beside the
weights, in float32 for every precision of the card. Nothing is reported to anybody: the package
that would do it is not loaded.
"""

import contextlib
import fcntl
import importlib.util
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radcbir.cards.model_card import loader_module
from radcbir.cards.weights import WEIGHTS_MEANING
from radcbir.core.code_digest import code_digest
from radcbir.core.errors import InputError
from radcbir.core.files import digest_of
from radcbir.core.logs import logger
from radcbir.encoders.network import NetworkEncoder, short
from radcbir.encoders.runtimes.agreement import Refused, compare, example

TELEMETRY = "openvino_telemetry"

REFUSED = "refused.txt"
"""In place of a converted network: why there is none, so that no other job tries."""

HINTS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}
"""Precision of a card -> OpenVINO's name of it, and that of the processor's ability to compute in
it."""


class OpenVinoEncoder:
    """An encoder of torch whose forward pass OpenVINO computes; all before and after it stays as it
    is.
    """

    def __init__(self, encoder: NetworkEncoder, compiled, version: str):
        """``compiled`` is OpenVINO's network of the encoder's pooling, or of its feature map for
        ``pooling: inside``.
        """
        self.encoder, self.compiled = encoder, compiled
        self.dimension, self.weights_sha256 = encoder.dimension, encoder.weights_sha256
        self.libraries = {**encoder.libraries, "openvino": version}

    def __getattr__(self, name: str) -> Any:
        """What is not about the forward pass, the encoder of torch has: preprocessing, batches,
        texts.
        """
        return getattr(self.encoder, name)

    def encode(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Preprocessed images -> embeddings, shape (n, dimension), float32."""
        return self.begin(inputs)()

    def begin(self, inputs: Sequence[np.ndarray]) -> Callable[[], np.ndarray]:
        """The embeddings of :meth:`encode`, which are ready when this returns."""
        found = self.forward(self.batch(inputs), [np.shape(each)[1:] for each in inputs])
        return found.numpy

    @torch.inference_mode()
    def forward(
        self, batch: torch.Tensor, shapes: Sequence[tuple[int, int]] | None = None
    ) -> torch.Tensor:
        """A batch -> embeddings, shape (n, dimension), float32; ``shapes`` as for the encoder of
        torch.
        """
        found = torch.from_numpy(
            np.array(self.compiled([batch.contiguous().numpy()])[0], dtype=np.float32)
        )
        if self.encoder.pooling == "inside":
            return self.encoder.mean_inside(
                found, shapes or [(batch.shape[2], batch.shape[3])] * len(batch)
            )
        return found


def automatic(
    encoder: NetworkEncoder, slug: str, card: Mapping, folder: str | Path
) -> NetworkEncoder | OpenVinoEncoder:
    """:func:`accelerated` on a CPU where OpenVINO is installed and takes the network over; else the
    encoder as it is.
    """
    if encoder.device.type != "cpu" or not _installed():
        return encoder
    try:
        return accelerated(encoder, slug, card, folder)
    except Refused as error:
        logger.info("%s: by torch itself, since %s", slug, error)
        return encoder


def accelerated(
    encoder: NetworkEncoder, slug: str, card: Mapping, folder: str | Path
) -> OpenVinoEncoder:
    """The encoder with its forward pass by OpenVINO; the converted network is kept in ``folder``.

    Its name is a digest of the weights, of what the card says of the network, of the versions of
    OpenVINO and torch and of the code. Raises :class:`InputError` where OpenVINO is not installed,
    the device is no CPU, the processor cannot compute in the card's precision, or the network does
    not survive the conversion.
    """
    if encoder.device.type != "cpu":
        raise InputError(
            f"the model '{slug}' has `runtime: openvino`, which is for CPUs, but the device is "
            f"{encoder.device}: say "
            "`device: cpu`, or `runtime: torch`"
        )
    openvino = _openvino(slug)
    core = openvino.Core()
    if HINTS[card["precision"]][1] not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise InputError(
            f"the model '{slug}' has `precision: {card['precision']}`, in which this processor "
            "cannot compute, and OpenVINO "
            "would take float32 without a word: say `precision: float32`, or `runtime: torch`"
        )
    names = ("loader", "architecture", "dimension", "pooling", "preprocessing", "options")
    weights = {name: card["weights"][name] for name in WEIGHTS_MEANING if name in card["weights"]}
    versions = [
        openvino.__version__,
        torch.__version__,
        code_digest(__file__, [loader_module(card)]),
    ]
    key = digest_of(
        [{name: card.get(name) for name in names}, weights, encoder.weights_sha256, versions]
    )
    path = Path(folder) / key / "network.xml"
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}

    def compiled(network: object, precision: str) -> OpenVinoEncoder:
        hint = {"INFERENCE_PRECISION_HINT": HINTS[precision][0]}
        return OpenVinoEncoder(
            encoder, core.compile_model(network, "CPU", settings | hint), openvino.__version__
        )

    def converted() -> object:
        logger.info("%s: converting the network for OpenVINO, once", slug)
        try:
            network = _converted(openvino, encoder)
            batch = example(encoder, 3)
            compare(
                compiled(network, "float32").forward(batch), encoder.exact(batch), slug, "OpenVINO"
            )
        except (Refused, MemoryError):  # of these, the latter is no fault of the network
            raise
        except Exception as error:
            raise Refused(
                f"OpenVINO cannot take over the network of the model '{slug}' ({_reason(error)}): "
                "say "
                "`runtime: torch` for it"
            ) from None
        return network

    try:
        with _held(path.parent.with_suffix(".lock")):
            if not path.parent.is_dir():
                _keep(path, converted, openvino.save_model)
        if not path.is_file():
            reason = path.with_name(REFUSED).read_text(encoding="utf-8")
            raise Refused(f"{reason} (to have it tried again, remove {path.parent})")
        return compiled(str(path), card["precision"])
    except OSError as error:
        logger.warning(
            "%s: the converted network cannot be kept in %s (%s): converting each time",
            slug,
            folder,
            error,
        )
        return compiled(converted(), card["precision"])


def _installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _openvino(slug: str):
    """The module openvino, imported without its telemetry."""
    if not _installed():
        raise InputError(
            f"the model '{slug}' has `runtime: openvino`, but the package openvino is not "
            "installed here: install it, or say "
            "`runtime: torch`"
        )
    sys.modules.setdefault(
        TELEMETRY,
        None,  # type: ignore[arg-type]  # None is how an import is refused
    )  # an import of it fails, and OpenVINO then has a stand-in that does nothing
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


def _converted(openvino, encoder: NetworkEncoder):
    """OpenVINO's form of the network, for batches of any size."""
    batch = example(encoder, 2)
    shape = openvino.PartialShape([-1, *batch.shape[1:]])
    with _quiet(), torch.no_grad():
        return openvino.convert_model(_Traced(encoder), example_input=batch, input=[shape])


def _reason(error: Exception) -> str:
    """What OpenVINO complains of, without the places in its own code."""
    text = re.sub(r"Check .*? failed at \S+|FrontEnd API failed with \w+:", "", str(error))
    return f"{type(error).__name__}: {short(Exception(text))}"


def _keep(path: Path, converted: Callable, save: Callable) -> None:
    """Write a network (two files), or why there is none, as a folder that appears at once."""
    part = path.parent.with_suffix(".part")
    shutil.rmtree(
        part, ignore_errors=True
    )  # of a process that was killed: nobody else writes while the lock is held
    part.mkdir()
    try:
        save(converted(), part / path.name, compress_to_fp16=False)
    except Refused as error:
        (part / REFUSED).write_text(str(error), encoding="utf-8")
    os.replace(part, path.parent)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for it: jobs of several shards start at once, and one of them
    converts.
    """
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
