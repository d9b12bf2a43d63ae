"""Checks that several stages make on what the user gave."""

from collections.abc import Sequence
from pathlib import Path

from radcbir.core.errors import InputError


def check_image_root(root: str | Path, dataset: str) -> None:
    """Raise :class:`InputError` where the image root of a dataset is not a folder."""
    if not Path(root).is_dir():
        raise InputError(
            f"the image root {root} of dataset '{dataset}' is not a folder: correct `datasets: "
            f"{dataset}: images:` in the "
            "configuration, or mount the disk that contains it"
        )


def too_many(rejected: int, listed: int, max_rejected: float) -> bool:
    """Whether all, or more than the share ``max_rejected``, of ``listed`` images are rejected."""
    return rejected > max_rejected * listed or 0 < listed == rejected


def check_rejected(
    rejected: Sequence[tuple[str, str]],
    listed: int,
    max_rejected: float,
    where: str,
    of: int | None = None,
    things: str = "images",
) -> None:
    """Raise :class:`InputError` if all of ``listed`` ``things`` are rejected, or more than the
    share ``max_rejected`` of ``of`` of them (by default of ``listed``).

    ``rejected`` holds (path, reason) of each; the first three are named.
    """
    whole = of or listed
    allowed = not too_many(len(rejected), whole, max_rejected)
    if not rejected or (allowed and len(rejected) < listed):
        return
    named = "; ".join(f"{path} ({reason})" for path, reason in rejected[:3])
    share = f"all {listed}" if len(rejected) == listed else f"{len(rejected)} of {listed}"
    base = f" of {whole} {things} of the dataset" if whole != listed else ""
    raise InputError(
        f"{share} {things} of {where} are rejected, more than `max_rejected: {max_rejected:g}` "
        f"allows{base}: {named}"
        f"{' ...' if len(rejected) > 3 else ''}; mend the files or the paths, or raise "
        "`max_rejected:` for this dataset"
    )
