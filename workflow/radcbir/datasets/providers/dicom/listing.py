"""Whether anything below a folder of DICOM files has changed."""

import hashlib
from pathlib import Path

from radcbir.datasets.providers.folder.listing import files_below


def status_digest(root: str | Path) -> str:
    """The digest of names, sizes and dates below a folder: another header is a change, too."""
    from radcbir.datasets.changes import look

    digest = hashlib.sha256()
    for file, status in look(root, files_below(root)).items():
        line = f"{file}\0{status.bytes}\0{status.modified}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
