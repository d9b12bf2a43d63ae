"""The device that torch computes on, by the name that the configuration gives it."""

import torch

from radcbir.core.errors import InputError
from radcbir.core.machine import gpu_locks


def torch_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU if there is one. Of several GPUs, it is one that
    no other job uses.

    Raises :class:`InputError` where a GPU is named and none is seen.
    """
    if name == "auto":
        name = (
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"`device: {name}` is configured, but torch sees no GPU: use `device: auto` or mend "
            "the driver"
        )
    chosen = torch.device(gpu_locks.choose(name, torch.cuda.device_count()))
    if chosen.index is not None:
        torch.cuda.set_device(chosen)  # or pinned memory would open a context on the first GPU
    return chosen
