"""The tensors of a weights file, read without trusting or running its other contents."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from radcbir.core.errors import InputError

NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64")),
    *(
        (np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar")
        for core in ("core", "_core")
    ),
]
"""What numbers of NumPy are read by: training checkpoints have some, such as the optimizer's
learning rate."""


WRAPPERS = ("state_dict", "model", "teacher", "module")
"""Keys under which training code puts the tensors."""


def read_tensors(path: str | Path, slug: str) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name, read without running any code in the file.

    Raises :class:`InputError` where the file is damaged, compressed, or has no tensors by name.
    """
    where = f"the weights file {path} of the model '{slug}'"
    try:
        state = _read_state(path)
    except MemoryError:
        raise InputError(
            f"{where} claims more than fits into memory: it is damaged; delete it, so that it is "
            "fetched again"
        ) from None
    except Exception as error:  # an unpickler raises whatever random bytes lead it to
        raise InputError(
            f"{where} cannot be read as tensors ({type(error).__name__}): export it as safetensors "
            "or as a plain state dict, and correct `weights: sha256:`"
        ) from None
    unwrapped: set[int] = set()
    while not isinstance(state, Mapping) or not any(
        isinstance(each, torch.Tensor) for each in state.values()
    ):
        inside = state if isinstance(state, Mapping) and id(state) not in unwrapped else {}
        unwrapped.add(id(state))
        wrapper = next((name for name in WRAPPERS if name in inside), None)
        if wrapper is None:
            raise InputError(f"{where} holds no tensors by name: is it a state dict?")
        state = inside[wrapper]
    tensors = {
        name.removeprefix("module."): tensor
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and isinstance(name, str)
    }
    if not tensors:
        raise InputError(f"{where} holds tensors without names: export it as a state dict")
    return tensors


def _read_state(path: str | Path) -> object:
    """The contents of a weights file."""
    if Path(path).suffix == ".safetensors" or _starts_as_safetensors(path):
        return load_file(path)
    packed = zipfile.is_zipfile(path)
    if packed:
        with zipfile.ZipFile(path) as archive:
            if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
                raise ValueError("compressed")  # torch writes none, and unpacks without a limit
    with torch.serialization.safe_globals(NUMBERS):
        # Mapped, an optimizer's state beside the weights is never read.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    if isinstance(state, torch.nn.Module):  # a whole network of classes that its loader allows
        for module in state.modules():
            # Files of old releases lack it.
            vars(module).setdefault("_non_persistent_buffers_set", set())
        state = state.state_dict()
    return state


def _starts_as_safetensors(path: str | Path) -> bool:
    """The format by the file's first bytes, the length of a JSON header and that header: some are
    served as ``.pt``.
    """
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"
