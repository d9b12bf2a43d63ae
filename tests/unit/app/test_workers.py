"""Child processes: how many there are at most, how long they may take, what ends them, what stays."""

import gzip
import io
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
from PIL import Image

from radcbir.app import workers as module
from radcbir.app.workers import Table, Workers
from radcbir.core.errors import InputError
from radcbir.images.intensity import INTENSITY

CONTROL = {"loader": "control", "architecture": "histogram", "dimension": 64}
SETTINGS = {"card": CONTROL, "weights": None, "device": "cpu", "runtime": "torch"}


def upload(width=30, height=20):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), 7, np.uint8)).save(buffer, "PNG")
    return {"name": "x.png", "bytes": buffer.getvalue(), "intensity": INTENSITY}


def volume(shape):
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.eye(4))
    return upload() | {"name": "x.nii.gz", "bytes": gzip.compress(image.to_bytes(), 1)}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The temporary folder of the server and its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    assert list(tmp_path.rglob("*")) == []


@pytest.fixture
def workers(temporary):
    made = Workers(1_000_000)
    yield made
    made.close()
    assert running_workers() == []


class Spawned:
    """Stands for a child that is never short of an answer; counts how many there are at a time."""

    now, most, started, lock = 0, 0, 0, threading.Lock()

    def __init__(self):
        with Spawned.lock:
            Spawned.now, Spawned.started = Spawned.now + 1, Spawned.started + 1
            Spawned.most = max(Spawned.most, Spawned.now)
        self.running, self.connection = True, None

    def alive(self):
        return self.running

    def ask(self, seconds, task, *arguments):
        time.sleep(0.002)
        return {}

    def end(self):
        time.sleep(0.002)  # a process takes a while to end
        with Spawned.lock:
            Spawned.now -= self.running
        self.running = False


@pytest.fixture
def spawned(monkeypatch):
    Spawned.now = Spawned.most = Spawned.started = 0
    monkeypatch.setattr(module, "_spawn", Spawned)
    return Spawned


def running_workers():
    """The children of this process that are workers of the page (a reader of images may have
    others)."""
    return [each for each in psutil.Process().children() if "radcbir.app.worker" in each.cmdline()]


def test_a_picture_and_a_vector_come_from_two_processes(workers):
    assert workers.decode("preview", upload())["width"] == 30
    with workers.embedder("h", SETTINGS) as child:
        vector = child.ask(9, "embed_image", "x", workers.decode("image", upload()))
    assert vector[7 // 4] == 1
    assert len(running_workers()) == 2


def test_24_clients_with_7_models_have_4_processes_at_most(spawned):
    table = Table(4)
    asked = [f"model {number % 7}" for number in range(24)] * 8
    used = []

    def ask(key):
        with table.lease(key, {}) as child:
            used.append((key, child))
            child.ask(1, "embed")

    with ThreadPoolExecutor(24) as clients:
        list(clients.map(ask, asked))
    assert sorted(key for key, _ in used) == sorted(asked)
    assert spawned.most == 4
    assert len({id(child) for _, child in used}) <= spawned.started  # a child serves one model
    assert all(len({key for key, each in used if each is child}) == 1 for _, child in used)
    table.close()
    assert spawned.now == 0


def test_the_model_that_was_not_used_for_longest_ends_first(spawned):
    table = Table(2)

    def child(key):
        with table.lease(key, {}) as found:
            return found

    first, second = child("a"), child("b")
    assert child("a") is first
    assert child("c") is not second
    assert not second.alive()
    assert child("a") is first
    assert child("b") is not second


def test_who_waits_longest_comes_first_and_not_for_ever(spawned, monkeypatch):
    table, served = Table(1), []

    def ask(key):
        with table.lease(key, {}):
            served.append(key)

    with table.lease("a", {}):
        threads = []
        for key in ("b", "a", "c"):
            threads.append(threading.Thread(target=ask, args=[key]))
            threads[-1].start()
            while len(table.waiting) < len(threads):
                time.sleep(0.001)
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
        with pytest.raises(InputError, match="too many questions are waiting"):
            ask("d")
    for thread in threads:
        thread.join()
    assert served == ["b", "a", "c"]


def test_a_request_that_waits_at_the_end_starts_nothing(spawned):
    table, errors = Table(1), []

    def ask():
        try:
            with table.lease("b", {}):
                pass
        except InputError as error:
            errors.append(str(error))

    with table.lease("a", {}):
        thread = threading.Thread(target=ask)
        thread.start()
        while not table.waiting:
            time.sleep(0.001)
        table.close()
    thread.join()
    ask()
    assert errors == [module.ENDING] * 2
    assert (spawned.now, spawned.started) == (0, 1)


def test_a_child_that_is_killed_is_replaced_and_says_so_in_a_sentence(workers):
    workers.decode("preview", upload())
    (place,) = workers.decoders.places
    place.child.process.kill()
    place.child.process.wait()
    assert workers.decode("preview", upload())["width"] == 30  # one that died unused
    (place,) = workers.decoders.places

    def kill():
        time.sleep(0.2)
        place.child.process.kill()

    place.child.process.send_signal(signal.SIGSTOP)  # it never answers
    threading.Thread(target=kill).start()
    with pytest.raises(InputError, match=r"ended in the middle .*: try again"):
        workers.decode("preview", upload())
    assert workers.decoders.places == []
    assert workers.decode("preview", upload())["width"] == 30


def test_a_child_that_takes_too_long_is_ended(workers, monkeypatch):
    workers.decode("preview", upload())
    (place,) = workers.decoders.places
    place.child.process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(module, "DECODE_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"took longer than 0.2 seconds and was given up"):
        workers.decode("preview", upload())
    assert not place.child.alive()


def test_a_model_that_cannot_be_loaded_leaves_no_process(workers):
    card = CONTROL | {"architecture": "nonsense"}
    with (
        pytest.raises((InputError, RuntimeError)),
        workers.embedder("x", SETTINGS | {"card": card}),
    ):
        pass
    assert workers.embedders.places == []
    assert running_workers() == []


def test_memory_is_limited(workers):
    workers.decode("preview", upload())
    (place,) = workers.decoders.places
    process = psutil.Process(place.child.process.pid)
    assert process.rlimit(psutil.RLIMIT_AS) == (4 << 30, 4 << 30)
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.memory_info().vms < 2 << 30  # there is room for pictures
    with workers.embedder("h", SETTINGS) as child:
        soft, _ = psutil.Process(child.process.pid).rlimit(psutil.RLIMIT_DATA)
        assert 8 << 30 < soft < 16 << 30


def test_nothing_of_an_upload_is_kept_by_the_child(workers):
    workers.decode("preview", volume((4, 4, 4)))  # libraries are loaded
    (place,) = workers.decoders.places
    process = psutil.Process(place.child.process.pid)
    before, descriptors = process.memory_info().rss, process.num_fds()
    for _ in range(3):
        assert workers.decode("preview", volume((400, 400, 400)))["width"] == 400
    workers.decode("preview", upload())
    assert process.memory_info().rss - before < 64 << 20  # the volume has 128 MB
    assert process.num_fds() == descriptors


PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from radcbir.app.workers import Workers
workers = Workers(1_000_000)
with workers.decoders.lease("", {"pixels": 1}) as child:
    print(child.process.pid, flush=True)
    time.sleep(60)
"""


def test_a_child_ends_with_its_parent_and_not_with_a_thread_of_it(workers, temporary):
    library = str(Path(module.__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", PARENT, library], stdout=subprocess.PIPE, text=True)  # fmt: skip
    child = psutil.Process(int(parent.stdout.readline()))
    child.suspend()  # at work in a decoder, it does not see that the pipe is closed
    parent.kill()
    parent.communicate()
    child.wait(5)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(workers.decode, "preview", upload()).result()
    (place,) = workers.decoders.places
    time.sleep(0.1)
    assert place.child.alive()  # the thread that used it first has ended
