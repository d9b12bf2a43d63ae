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
            "configuration, or mount the disk that it lies on"
        )


def check_rejected(
    rejected: Sequence[tuple[str, str]], listed: int, max_rejected: float, where: str
) -> None:
    """Raise :class:`InputError` if all, or more than the share ``max_rejected``, of ``listed``
    images are rejected.

    ``rejected`` holds (path, reason) of each; the first three are named.
    """
    if not rejected or (len(rejected) <= max_rejected * listed and len(rejected) < listed):
        return
    named = "; ".join(f"{path} ({reason})" for path, reason in rejected[:3])
    share = f"all {listed}" if len(rejected) == listed else f"{len(rejected)} of {listed}"
    raise InputError(
        f"{share} images of {where} are rejected, more than `max_rejected: {max_rejected:g}` "
        f"allows: {named}"
        f"{' ...' if len(rejected) > 3 else ''}; mend the files or the paths, or raise "
        "`max_rejected:` for this dataset"
    )
