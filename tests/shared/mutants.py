"""Damaged copies of files, alike in every run, and what a reader makes of them."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FUZZ = int(os.environ.get("FUZZ", "1"))
"""So many times the usual number of copies: `make fuzz`."""

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


def mutants(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """``count`` damaged copies: flipped bits, extreme bytes and numbers, parts that are cut off, left
    out, repeated, moved or overwritten, some of these at once.
    """
    draw = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
            _damage(mutant, draw)
        yield bytes(mutant)


def _damage(mutant: bytearray, draw: random.Random) -> None:
    size = len(mutant)
    if not size:
        return
    # Headers lie at the start and tables of contents at the end: most of the damage is done there.
    place = min(size - 1, int(draw.choice((size, min(size, 512), min(size, 4096))) * draw.random()))
    if draw.random() < 0.2:
        place = size - 1 - place
    length = draw.choice((1, 2, 4, 8, 64, 512))
    match draw.randrange(8):
        case 0:
            mutant[place] ^= 1 << draw.randrange(8)
        case 1:
            mutant[place] = draw.choice(EXTREMES)
        case 2:
            width = draw.choice((2, 4, 8))
            mutant[place : place + width] = bytes([draw.choice((0xFF, 0x7F, 0))]) * width
        case 3:
            del mutant[place:]
        case 4:
            del mutant[place : place + length]
        case 5:
            mutant[place:place] = mutant[place : place + length]
        case 6:
            mutant[place : place + length] = draw.randbytes(length)
        case _:
            other = draw.randrange(size)
            mutant[place : place + length] = mutant[other : other + length]


def outcomes(setup: str, files: list[Path], seconds: float = 60, memory: int = 2 << 30) -> Counter:
    """What the function ``read(path)`` that ``setup`` defines makes of each file, counted.

    An outcome is "read", "refused" (an InputError of one sentence that names the file), "ended" (the
    process died, or took more than three seconds of processor time), or the kind and text of
    anything else. All files are read in one process with a limit on its memory; it is started
    again behind a file that ends it. Raises :class:`subprocess.TimeoutExpired` after ``seconds``.
    """
    found: Counter = Counter()
    waiting = [str(path) for path in files]
    limit = time.monotonic() + seconds * FUZZ
    while waiting:
        code = f"import sys\nsys.path[:0] = {sys.path!r}\nMEMORY = {memory}\n{setup}\n{LOOP}"
        result = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(waiting),
            capture_output=True,
            text=True,
            timeout=max(1.0, limit - time.monotonic()),
            check=False,
        )
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]
        found.update(outcome for (outcome,) in lines)
        waiting = waiting[len(lines) :]
        if waiting and result.returncode >= 0:
            raise RuntimeError(result.stderr)
        if waiting:
            found["ended"] += 1
            del waiting[0]
    return found


LOOP = """
import json, os, resource
from radcbir.core.errors import InputError

def limit(kind, value):
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))

with open("/proc/self/statm") as handle:
    limit(resource.RLIMIT_AS, int(handle.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + MEMORY)
limit(resource.RLIMIT_CORE, 0)
for path in json.load(sys.stdin):
    limit(resource.RLIMIT_CPU, int(sum(os.times()[:2])) + 4)
    try:
        read(path)
        outcome = "read"
    except InputError as error:
        fine = "\\n" not in str(error) and os.path.basename(path) in str(error)
        outcome = "refused" if fine else f"no good sentence: {error}"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]} ({os.path.basename(path)})"
    print(json.dumps([outcome]), flush=True)
"""


def written(folder: Path, whole: Path, count: int, seed: int = 0) -> list[Path]:
    """Damaged copies of a file as files of the same suffix."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, mutant in enumerate(mutants(whole.read_bytes(), count * FUZZ, seed)):
        paths.append(folder / f"mutant{number}{whole.suffix}")
        paths[-1].write_bytes(mutant)
    return paths
