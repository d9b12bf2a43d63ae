"""The program of a child process: proposes the candidates of an exact search with torch, apart from
FAISS.

Started by :mod:`radcbir.retrieval.gpu.search` as ``python -m radcbir.retrieval.gpu.worker PIPE
MEMORY PARENT``, the first two being file descriptors. It answers one request at a time: ``("ok",
number)``, or ``("failed", one sentence)``. It ends with its parent and writes no file.
"""

from __future__ import annotations

import mmap
import sys
from multiprocessing.connection import Connection
from typing import Any

from radcbir.core.errors import InputError
from radcbir.core.machine.processes import begin_child


def main(descriptor: int, memory: int, parent: int) -> None:
    """Answer requests that come through the pipe until its other end is closed."""
    begin_child(parent)
    connection = Connection(descriptor)
    products: Any = None
    while True:
        try:
            task, *given = connection.recv()
        except EOFError:
            return
        try:
            if task == "start":
                from radcbir.retrieval.gpu.products import Products

                products = Products(mmap.mmap(memory, 0), *given)
                answer: tuple = ("ok", products.name)
            else:
                answer = ("ok", getattr(products, task)(*given))
        except InputError as error:
            answer = ("failed", str(error))
        except Exception as error:
            answer = ("failed", " ".join(f"{type(error).__name__}: {error}".split())[:300])
        connection.send(answer)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
