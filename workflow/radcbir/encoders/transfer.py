"""Batches to a device, and vectors back from it: on a GPU without waiting for either.

A batch goes from memory that the GPU reads by itself, on a stream of its own, while the batch before
is computed. What comes back is waited for when it is asked for.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from radcbir.core.errors import InputError
from radcbir.encoders import OutOfMemory


class Transfer:
    """The way to a device and back."""

    def __init__(self, device: torch.device):
        """Of a GPU, a stream is taken that copies beside the one that computes."""
        self.device, self.to_gpu = device, device.type == "cuda"
        if self.to_gpu:
            self.copying = torch.cuda.Stream(device)

    def sent(self, inputs: Sequence[np.ndarray], size: tuple[int, int]) -> torch.Tensor:
        """Preprocessed images as they are, on the device, shape (n, channels, height, width).

        There is one channel where all images are gray. ``size`` is height and width. Images that do
        not fill it have zeros beside them.
        """
        shape = (max(map(len, inputs)), *size)
        kind = torch.from_numpy(np.empty(0, np.result_type(*inputs))).dtype
        values = torch.empty((len(inputs), *shape), dtype=kind, pin_memory=self.to_gpu)
        pixels = values.numpy()
        if all(each.shape == shape for each in inputs):
            np.stack(inputs, out=pixels)
        else:
            pixels[:] = 0
            for place, each in enumerate(inputs):
                pixels[place, :, : each.shape[1], : each.shape[2]] = each
        if not self.to_gpu:
            return values.to(self.device)
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.copying):
            arriving = values.to(self.device, non_blocking=True)
        computing.wait_stream(self.copying)
        arriving.record_stream(computing)
        return arriving

    def begun(
        self, run: Callable[[], torch.Tensor], count: int, things: str = "images"
    ) -> Callable[[], np.ndarray]:
        """Start ``run``, which computes vectors ``(n, d)`` of ``count`` ``things`` on the device,
        and return what waits for them, float32.

        Raises :class:`~radcbir.encoders.OutOfMemory` where fewer may fit, and
        :class:`~radcbir.core.errors.InputError` where the GPU fails.
        """
        with self._mishaps(count, things):
            found = run().float()
            if not self.to_gpu:
                ready = found.cpu().numpy()
                return lambda: ready
            vectors = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
            vectors.copy_(found, non_blocking=True)
            finished = torch.cuda.Event()
            finished.record(torch.cuda.current_stream(self.device))

        def wait() -> np.ndarray:
            with self._mishaps(count, things):
                finished.synchronize()
            return vectors.numpy()

        return wait

    @contextlib.contextmanager
    def _mishaps(self, count: int, things: str) -> Iterator[None]:
        """Say what goes wrong on a GPU in one sentence."""
        try:
            yield
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{count} {things} do not fit into the GPU's memory") from None
        except RuntimeError as error:
            if "CUDA error" not in str(error):
                raise
            reason = str(error).partition("CUDA error:")[2].strip().partition("\n")[0]
            raise InputError(
                f"the GPU {self.device} failed while it computed ({reason[:150]}): run again, what "
                "is embedded is kept; if it fails again, see `nvidia-smi` and the system's log"
            ) from None
