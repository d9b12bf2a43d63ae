"""Another runtime for a network: torch.compile, which makes one program of its operations, for the
device at hand.

torch keeps what it has compiled in a cache of its own, by user and machine
(``TORCHINDUCTOR_CACHE_DIR``).
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from radcbir.core.logs import logger
from radcbir.encoders.network import NetworkEncoder, short
from radcbir.encoders.runtimes.agreement import Refused, compare, example


def accelerated(
    encoder: NetworkEncoder, slug: str, card: Mapping, folder: str | Path
) -> NetworkEncoder:
    """The encoder with its pooling, and all of the network before it, compiled for batches of any
    size.

    Nothing is kept in ``folder``. Raises :class:`~radcbir.core.errors.InputError` where torch
    cannot compile here (a C++ compiler is missing, or Triton on a GPU), or what it compiled
    computes other vectors in float32.
    """
    logger.info("%s: compiling the network for %s", slug, encoder.device)
    name = "feature_map" if encoder.pooling == "inside" else "pool"
    batch = example(encoder, 3)
    expected = encoder.exact(batch)
    setattr(encoder, name, _compiled(getattr(encoder, name)))
    try:
        compare(encoder.exact(batch), expected, slug, "torch.compile")
    except Refused:
        raise
    except Exception as error:
        raise Refused(
            f"torch cannot compile the network of the model '{slug}' ({type(error).__name__}: "
            f"{short(error)}): it takes a C++ "
            "compiler, on a GPU Triton; else say `runtime: torch` for it"
        ) from None
    return encoder


def _compiled(function: Callable) -> Callable:
    """A function of a batch, compiled once for every number of images but one."""
    compiled = torch.compile(function)

    @functools.wraps(function)
    def run(batch: torch.Tensor) -> torch.Tensor:
        torch._dynamo.maybe_mark_dynamic(batch, 0)
        return compiled(batch)

    return run
