"""The child process that proposes candidates with torch: the same bytes as with FAISS, whatever it
is given, and what happens where it fails. It runs on the CPU here; `make gpu-check` runs it on a GPU.
"""

import logging
import multiprocessing
import os
import re
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.retrieval import exact, index_file
from radcbir.retrieval import neighbor_table as table_file
from radcbir.retrieval.gpu import search as gpu
from radcbir.retrieval.neighbor_table import Queries


@pytest.fixture(scope="module")
def apart():
    """Run a function in a process that holds FAISS alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def awkward(seed, images=900, dimension=24):
    """Vectors and queries: random ones, copies, copies that differ in the last bits, a few values
    only (so that many scores tie), and opposite ones."""
    rng = np.random.default_rng(seed)
    random = unit(rng.standard_normal((images, dimension)))
    coarse = unit(rng.integers(-1, 2, (images // 3, dimension)) + np.eye(dimension)[0])
    near = np.nextafter(random[:50], np.float32(2))
    vectors = np.concatenate([random, coarse, random[:90], near, -random[:20]])
    vectors = np.concatenate([vectors, np.repeat(vectors[7:8], 60, axis=0)])
    vectors = vectors[rng.permutation(len(vectors))]
    queries = np.concatenate([vectors[::9], unit(rng.standard_normal((50, dimension)))])
    return np.ascontiguousarray(vectors), np.ascontiguousarray(queries)


class Messages(logging.Handler):
    """What is logged inside a block."""

    def __enter__(self):
        self.all = []
        self.level_before = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        return self

    def emit(self, record):
        self.all.append(record.getMessage())

    def __exit__(self, *_):
        logger.removeHandler(self)
        logger.setLevel(self.level_before)


def with_child(child, work):
    """What `work` gives where `child` proposes the candidates, and what is logged."""
    gpu._current = child
    try:
        with Messages() as said:
            return work(), said.all
    finally:
        gpu._current = None
        child.close()


def same_searches(seed, block, rows, device="torch-cpu"):
    """Search by FAISS and by the child, at many depths, and compare the bytes."""
    vectors, queries = awkward(seed)
    images = len(vectors)
    ks = [1, 5, 59, 130, images - 9, images - 1, images, images + 5]
    nearest = exact.exact_searcher(vectors)
    expected = [nearest(queries, k) for k in ks]
    nearest, child = exact.exact_searcher(vectors), gpu.GpuSearch(device, block, rows)
    found, said = with_child(child, lambda: [nearest(queries, k) for k in ks])
    same = [
        ours.tobytes() == theirs.tobytes()
        for pair in zip(found, expected, strict=True)
        for ours, theirs in zip(*pair, strict=True)
    ]
    return same, said, [each.shape[1] for each, _ in found]


@pytest.mark.parametrize(
    ("block", "rows"), [(0, 0), (7, 501), (333, 1000)], ids=["whole", "odd", "parts"]
)
def test_neighbors_have_the_same_bytes_as_with_faiss(apart, block, rows):
    """Ties across rank k, an index in parts and in odd blocks, lists of nearly the whole index."""
    same, said, depths = apart(same_searches, rows, block, rows)
    assert same == [True] * 16
    assert said == ["candidates are found on the CPU by torch"], "the child did it all"
    assert depths == [1, 5, 59, 130, 1411, 1419, 1420, 1420]


@pytest.mark.gpu
def test_a_gpu_gives_the_bytes_of_faiss(apart):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    for block, rows in ((0, 0), (333, 1000)):
        same, said, _ = apart(same_searches, 4, block, rows, "cuda")
        assert same == [True] * 16
        assert said == [f"candidates are found on {torch.cuda.get_device_name()}"]


def files_of(folder, memories, child_rows):
    """The bytes of neighbor tables from an index file: by FAISS, and by the child."""
    vectors, queries = awkward(5)
    ids = np.random.default_rng(1).permutation(10 * len(vectors))[: len(vectors)]
    path = folder / "train.faiss"
    index_file.build_index(path, [(ids, vectors)], vectors.shape[1])
    patients = pd.Series([f"p{each % 40}" for each in range(len(ids))], index=ids)
    asked = Queries(
        np.arange(len(queries)),
        queries,
        20,
        np.array([f"p{each % 50}" for each in range(len(queries))], dtype=object),
        patients,
    )

    def written(memory):
        table_file.write_neighbors(
            folder / "test.parquet", exact.neighbor_tables(path, asked, memory)
        )
        return (folder / "test.parquet").read_bytes()

    tables = [written(1 << 30)]
    for memory, rows in zip(memories, child_rows, strict=True):
        child = gpu.GpuSearch("torch-cpu", block=100, rows=rows)
        content, said = with_child(child, lambda m=memory: written(m))
        assert "candidates are found on the CPU by torch" in said
        tables.append(content)
    return tables


def test_neighbor_tables_have_the_same_bytes_with_an_index_in_parts(apart, tmp_path):
    """Of the file (by the memory), of the device (by its rows), and of both."""
    first, *others = apart(files_of, tmp_path, [1 << 30, 40_000], [300, 37])
    assert len(first) > 10_000
    assert [each == first for each in others] == [True] * 2


def searched_while(harm, device="torch-cpu"):
    """Neighbors by FAISS and by a child that is harmed after its first answer, and the messages."""
    vectors, queries = awkward(3)
    expected = exact.exact_searcher(vectors)(queries, 30)
    child = gpu.GpuSearch(device)
    nearest = exact.exact_searcher(vectors)

    def work():
        first = nearest(queries[:20], 30)
        harm(child)
        rest = nearest(queries[20:], 30)
        return [np.concatenate(each) for each in zip(first, rest, strict=True)]

    patience = gpu.ANSWER_SECONDS
    found, said = with_child(child, work)
    gpu.ANSWER_SECONDS = patience
    same = [
        ours.tobytes() == theirs.tobytes() for ours, theirs in zip(found, expected, strict=True)
    ]
    return same, said, child.process


def kill(child):
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()


def stop(child):
    gpu.ANSWER_SECONDS = 0.2
    os.kill(child.process.pid, signal.SIGSTOP)


def confuse(child):
    child.connection.send(("begin", 3, 5))
    child.connection.recv()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (kill, "its process has ended|it has ended"),
        (stop, "it has not answered for 0.2 s"),
        (confuse, "ValueError: .*"),
    ],
)
def test_a_search_that_fails_in_the_middle_goes_on_with_faiss(apart, harm, reason):
    same, said, process = apart(searched_while, harm)
    assert same == [True, True]
    assert said[0] == "candidates are found on the CPU by torch"
    (warning,) = said[1:]
    end = "it goes on with FAISS on the CPU, with the same result"
    assert re.fullmatch(rf"the search on the GPU failed \(({reason})\): {end}", warning)
    assert process is None, "nothing is left of the child"


def no_gpu(device, products):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    vectors, queries = awkward(0)
    gpu.AUTO_PRODUCTS = products
    with Messages() as said, gpu.search_device(device):
        found = exact.exact_searcher(vectors)(queries, 5)[0].shape
    return found, said.all


def test_cuda_that_is_missing_is_one_sentence(apart):
    with pytest.raises(InputError) as error:
        apart(no_gpu, "cuda", 0)
    assert str(error.value) == (
        "`search: {device: cuda}` is configured, but no GPU can be used (torch sees none): use "
        "`search: {device: cpu}` or mend the driver"
    )


def test_auto_without_a_gpu_is_faiss_and_a_small_search_does_not_look_for_one(apart):
    shape, said = apart(no_gpu, "auto", 0)
    assert (shape[1], said) == (5, ["candidates are found without a GPU: this machine has none"])
    assert apart(no_gpu, "auto", 1e12) == (shape, [])
    assert apart(no_gpu, "cpu", 0) == (shape, [])


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda", ["waiting for a GPU: torch is loading, or other jobs use all that there are"] * 2),
        ("auto", ["candidates are found without a GPU: it has not answered for 0.2 s"]),
    ],
)
def test_cuda_waits_for_a_gpu_that_other_jobs_use_and_auto_does_not(
    monkeypatch, tmp_path, device, expected
):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(gpu, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu, "START_SECONDS", 0.2)
    child = gpu.GpuSearch(device)
    child.products = gpu.AUTO_PRODUCTS
    child.connection, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(child, "_spawn", lambda: None)
    answer = threading.Timer(0.5, theirs.send, [("ok", "a GPU")])
    answer.start()
    with Messages() as said:
        used = child.takes(1.0)
    answer.join()
    assert used is (device == "cuda")
    assert said.all == expected + ["candidates are found on a GPU"] * used


# --- the products alone


def made(block=0, rows=0):
    from radcbir.retrieval.gpu.products import Products

    return Products(bytearray(2 * gpu.HALF_BYTES), "torch-cpu", block, rows)


def test_products_that_do_not_fit_are_halved_until_they_do(monkeypatch):
    import torch

    from radcbir.retrieval.gpu import products

    monkeypatch.setattr(products, "SMALLEST", 50)
    rng = np.random.default_rng(2)
    vectors, queries = (torch.tensor(unit(rng.standard_normal((n, 8)))) for n in (1000, 6))
    tried, matmul = [], torch.Tensor.__matmul__

    def small_memory(left, right):
        tried.append(right.shape[1])
        if right.shape[1] > 130:
            raise torch.OutOfMemoryError("out of memory")
        return matmul(left, right)

    search = made()
    assert search.begin(*vectors.shape) == 1000
    search.vectors[:] = vectors
    monkeypatch.setattr(torch.Tensor, "__matmul__", small_memory)
    values, places = search._of_all(queries, 10)
    monkeypatch.undo()
    assert tried == [1000, 500, 250, *[125] * 8]
    best = (queries @ vectors.T).topk(10, dim=1)
    assert (values.sort(descending=True).values - best.values).abs().max() < 1e-6
    assert [set(each) for each in places.tolist()] == [set(each) for each in best.indices.tolist()]


def test_a_device_without_memory_says_so(monkeypatch):
    import torch

    def full(*_, **__):
        raise torch.OutOfMemoryError("out of memory")

    search = made()
    search.begin(2000, 4)
    monkeypatch.setattr(torch.Tensor, "__matmul__", full)
    with pytest.raises(InputError, match="no memory is left for products with 1024 vectors"):
        search._of_all(torch.zeros(1, 4), 1)
    monkeypatch.setattr(torch, "empty", lambda shape, **_: full() if shape[0] else torch.zeros(0))
    with pytest.raises(InputError, match="no memory is left for 750 vectors"):
        search.begin(3000, 4)


@pytest.mark.parametrize("bits", [10, 7], ids=["tf32", "bfloat16"])
def test_a_device_that_shortens_numbers_is_refused(monkeypatch, bits):
    import torch

    matmul, dropped = torch.Tensor.__matmul__, 23 - bits

    def shortened(numbers):
        if numbers.dtype != torch.float32:
            return numbers
        whole = numbers.contiguous().view(torch.int32) + (1 << (dropped - 1))
        return (whole >> dropped << dropped).view(torch.float32)

    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda left, right: matmul(shortened(left), shortened(right))
    )
    with pytest.raises(InputError, match="its products are not those of float32"):
        made()


def test_scores_that_are_not_finite_are_refused():
    search = made()
    search.begin(3, 2)
    search.vectors[:] = float("nan")
    with pytest.raises(InputError, match="scores are not finite"):
        search.nearest(1, 2)


@pytest.mark.parametrize(
    ("visible", "devices", "seen"),
    [
        (None, ["nvidia0"], True),
        (None, ["nvidiactl", "null"], False),
        ("0,1", ["nvidia0"], True),
        ("", ["nvidia0"], False),
        ("-1", ["nvidia0"], False),
        (None, ["kfd"], True),
        ("1", ["nvidia0", "nvidia1"], True),
    ],
)
def test_gpus_are_seen_without_torch(monkeypatch, tmp_path, visible, devices, seen):
    for each in devices:
        (tmp_path / each).touch()
    monkeypatch.setattr(gpu, "DEVICES", tmp_path)
    monkeypatch.setattr(
        gpu,
        "os",
        SimpleNamespace(environ={} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}),
    )
    assert gpu.has_gpu() is seen
