"""Notes of images that could not be read for a reason that may pass: the next run tries again."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from radcbir.core import layout
from radcbir.core.files import write_text
from radcbir.images.address import split_address
from radcbir.images.raster import AGAIN


def note_passing(dataset: str, name: str, rejected: Iterable[tuple[str, str]]) -> None:
    """Note which of the rejected images (path, reason) the next run has to try again.

    ``name`` is that of the job; what the same job noted before is replaced.
    """
    files = {split_address(path)[0] for path, reason in rejected if reason.endswith(AGAIN)}
    place = Path(layout.PASSING.format(dataset=dataset), f"{name}.txt")
    if files or place.exists():
        write_note(place, sorted(files))


def notes(dataset: str) -> dict[Path, list[str]]:
    """The notes of a dataset's jobs, and the files that each names."""
    places = sorted(Path(layout.PASSING.format(dataset=dataset)).glob("[!.]*.txt"))
    return {place: place.read_text(encoding="utf-8").splitlines() for place in places}


def write_note(place: Path, files: Sequence[str]) -> None:
    """Name these files in a note; without any there is none."""
    if files:
        write_text(place, "".join(f"{file}\n" for file in files))
    else:
        place.unlink(missing_ok=True)
