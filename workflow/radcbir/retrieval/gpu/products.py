"""Candidates by blocked matrix products and the largest values of each, with torch, on a GPU or the
CPU.
"""

from __future__ import annotations

import mmap

import numpy as np
import torch

from radcbir.core.errors import InputError
from radcbir.core.machine.devices import torch_device
from radcbir.core.vectors import NEAR_TIE
from radcbir.retrieval.gpu.search import HALF_BYTES

LARGEST, SMALLEST = 262_144, 1024
"""How many vectors of the index are in one product: at first, and at least. A product that does not
fit the device's memory is tried again with half as many."""

INDEX_SHARE = 0.6
"""The share of the free memory of a GPU that vectors of the index take at most. The rest is for
products."""


class Products:
    """Vectors of an index on a device. Everything is float32; TF32 is off."""

    def __init__(self, memory: mmap.mmap, device: str, block: int = 0, rows: int = 0):
        """``memory`` is that of :mod:`radcbir.retrieval.gpu.search`, with ``block`` and ``rows``
        as there. ``device`` is ``cuda``, ``auto`` (a GPU as well), or ``torch-cpu``.

        Raises :class:`InputError` where there is no GPU, or its products are less exact than the
        search relies on.
        """
        if device != "torch-cpu" and not torch.cuda.is_available():
            raise InputError("torch sees none")
        torch.set_float32_matmul_precision("highest")
        self.device = torch.device("cpu") if device == "torch-cpu" else torch_device("cuda")
        self.on_gpu = self.device.type == "cuda"
        self.name = torch.cuda.get_device_name(self.device) if self.on_gpu else "the CPU by torch"
        self.memory, self.block, self.most = memory, block or LARGEST, rows
        self.vectors = torch.empty((0, 0))
        self.staging: list[torch.Tensor] = []
        self.copied: list[torch.cuda.Event | None] = [None, None]
        if self.on_gpu:
            self.staging = [torch.empty(HALF_BYTES // 4, pin_memory=True) for _ in range(2)]
        self._check_precision()

    def begin(self, rows: int, dimension: int) -> int:
        """Make room for vectors ``(rows, dimension)``, or for as many of them as fit; how many."""
        self.vectors = torch.empty((0, 0))
        rows = min(rows, self.most or rows)
        if self.on_gpu:
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info(self.device)
            rows = max(1, min(rows, int(INDEX_SHARE * free) // (4 * dimension)))
        while True:
            try:
                self.vectors = torch.empty((rows, dimension), device=self.device)
                return rows
            except torch.OutOfMemoryError:
                if rows <= SMALLEST:
                    raise InputError(f"no memory is left for {rows} vectors") from None
            rows //= 2

    def _check_precision(self) -> None:
        """Compare products of this device with double precision: TF32 would be off by 1e-5 and
        more.
        """
        vectors = torch.randn((4096, 512), generator=torch.Generator().manual_seed(0))
        vectors = torch.nn.functional.normalize(vectors)
        found = vectors[:512].to(self.device) @ vectors.to(self.device).T
        expected = vectors[:512].double() @ vectors.double().T
        if not bool((found.cpu().double() - expected).abs().max() < NEAR_TIE / 2):
            raise InputError("its products are not those of float32")

    def take(self, half: int, start: int, count: int) -> int:
        """Copy ``count`` vectors from a half of the shared memory to the places from ``start``."""
        given = self._half(half, count, self.vectors.shape[1])
        target = self.vectors[start : start + count]
        if self.on_gpu:
            event = self.copied[half]
            if event is not None:
                event.synchronize()
            pinned = self.staging[half][: given.numel()].view(given.shape)
            pinned.copy_(given)
            target.copy_(pinned, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self.copied[half] = event
        else:
            target.copy_(given)
        return count

    def nearest(self, count: int, depth: int) -> int:
        """Find the ``depth`` vectors nearest to ``count`` queries in the first half of the shared
        memory. Their places, int32, and then the last score of each list, float32, go to the second
        half.

        Raises :class:`InputError` where scores are not finite, or the smallest product does not fit
        the memory.
        """
        queries = self._half(0, count, self.vectors.shape[1]).to(self.device)
        values, places = self._of_all(queries, depth)
        if not bool(torch.isfinite(values).all()):
            raise InputError("scores are not finite")
        found = np.frombuffer(self.memory, np.int32, count * depth, HALF_BYTES)
        found[:] = places.to(torch.int32).cpu().numpy().ravel()
        last = np.frombuffer(self.memory, np.float32, count, HALF_BYTES + found.nbytes)
        last[:] = values.amin(dim=1).cpu().numpy()
        return count

    def _of_all(self, queries: torch.Tensor, depth: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The ``depth`` largest products of each query with the vectors, and their places."""
        values = torch.empty((len(queries), 0), device=self.device)
        places = torch.empty((len(queries), 0), dtype=torch.int64, device=self.device)
        start = 0
        while start < len(self.vectors):
            block = self.vectors[start : start + self.block]
            found = self._of_block(queries, block, depth)
            if found is None:
                self._smaller()
                continue
            values = torch.cat([values, found[0]], dim=1)
            places = torch.cat([places, found[1] + start], dim=1)
            if values.shape[1] > depth:
                values, kept = values.topk(depth, dim=1)
                places = places.gather(1, kept)
            start += len(block)
        return values, places

    def _of_block(
        self, queries: torch.Tensor, block: torch.Tensor, depth: int
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The largest products with a block; None where they do not fit the device's memory."""
        try:
            values, places = (queries @ block.T).topk(min(depth, len(block)), dim=1)
        except torch.OutOfMemoryError:
            return None
        return values, places

    def _smaller(self) -> None:
        """Use blocks of half the size from now on."""
        if self.block <= SMALLEST:
            raise InputError(f"no memory is left for products with {self.block} vectors")
        self.block = max(SMALLEST, min(self.block, len(self.vectors)) // 2)
        if self.on_gpu:
            torch.cuda.empty_cache()

    def _half(self, half: int, count: int, dimension: int) -> torch.Tensor:
        """Vectors ``(count, dimension)`` at the beginning of a half of the shared memory."""
        offset = half * HALF_BYTES
        flat = torch.frombuffer(
            self.memory, dtype=torch.float32, count=count * dimension, offset=offset
        )
        return flat.view(count, dimension)
