"""What all networks of torch share, of images and of volumes: the device, the precision, and the
way to the device and back.
"""

import ctypes
import importlib
from collections.abc import Mapping

import numpy as np
import PIL
import torch

from radcbir.cards.loaders import loader_of
from radcbir.core.logs import logger
from radcbir.core.machine.devices import torch_device
from radcbir.encoders.transfer import Transfer

NATIVE = {"bfloat16": ("avx512_bf16", "amx_bf16"), "float16": ("avx512_fp16", "amx_fp16")}
"""Precision -> the abilities of an x86 processor, by torch's names, one of which computes in it."""


class OnDevice:
    """The device that a network computes on, and what its vectors depend on there."""

    weights_sha256 = ""

    def __init__(self, card: Mapping, device: str):
        """``card`` is the card or its meaning."""
        libraries = loader_of(card).libraries
        self.dimension = card["dimension"]
        self.libraries: dict[str, str] = {"torch": torch.__version__}
        self.libraries |= {name: importlib.import_module(name).__version__ for name in libraries}
        self.libraries |= {"numpy": np.__version__, "pillow": PIL.__version__}
        self.pooling = card["pooling"]
        self.precision = getattr(torch, card["precision"])
        self.device = torch_device(device)
        # By default GPUs round the inputs of convolutions to 10 bits and call it float32.
        torch.backends.cudnn.allow_tf32 = False
        if self.device.type == "cpu":
            keep_freed_memory()
        if imitated(card["precision"], self.device.type):
            logger.warning(
                "this device does not compute in %s: torch imitates it, slower than float32",
                card["precision"],
            )
        self.transfer = Transfer(self.device)

    def in_precision(self) -> torch.autocast:
        """The context of a forward pass in the card's precision."""
        return torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        )

    @property
    def on_gpu(self) -> bool:
        """Whether larger batches may be faster."""
        return self.transfer.to_gpu


def imitated(precision: str, device: str = "cpu") -> bool:
    """Whether torch has to make up for what an x86 processor or a GPU of NVIDIA cannot compute in;
    of other devices nothing is said.
    """
    if device == "cuda":
        return precision == "bfloat16" and not torch.cuda.is_bf16_supported(
            including_emulation=False
        )
    able = torch.cpu.get_capabilities()
    wanted = NATIVE.get(precision)
    return (
        device == "cpu"
        and able.get("architecture") == "x86_64"
        and wanted is not None
        and not any(able.get(each) for each in wanted)
    )


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for its next allocation.

    By default glibc gives each large block back to the system at once, and every activation of
    every forward pass is mapped and cleared anew: that takes longer than the arithmetic of a small
    network. Elsewhere this does nothing.
    """
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # the numbers of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 << 20)
