"""Pseudonyms for paths, patients and studies: keyed digests in everything under `results/`, the
mapping apart from it.

Images are found through links: the image root of a pseudonymised dataset is a folder of links named
by digest. So nothing that comes after - catalog, ledger, embeddings, galleries - ever holds, or
could hand on, an original name.
"""

import hashlib
import hmac
from pathlib import Path

import pandas as pd

from radcbir.core.errors import InputError
from radcbir.core.files import atomic_folder
from radcbir.datasets.catalog import checked_paths, read_csv
from radcbir.images.address import join_address, split_address

SHORTEST_KEY = 32
"""Characters; a shorter key could be guessed by whoever knows how names of files and patients
look."""

MAPPING_COLUMNS = ["kind", "original", "pseudonym"]

KINDS = {
    "patient_id": "patient",
    "study_id": "study",
    "series_id": "series",
    "source": "source",
}
"""Columns with names -> what they name."""


def read_key(path: str | Path) -> bytes:
    """The key in a file, blanks around it left out. Raises :class:`InputError` where it is too
    short to be one.
    """
    key = Path(path).read_bytes().strip()
    if len(key) < SHORTEST_KEY:
        raise InputError(
            f"the key in {path} has {len(key)} characters and needs {SHORTEST_KEY}: make one, for "
            "instance with "
            "`openssl rand -hex 32`, and keep it where only you can read it"
        )
    return key


def pseudonym(key: bytes, kind: str, original: str) -> str:
    """The first 16 hexadecimal digits of the HMAC-SHA-256 of what it is and its name: the same in
    every dataset.
    """
    return hmac.new(key, f"{kind}\0{original}".encode(), hashlib.sha256).hexdigest()[:16]


def pseudonymise(csv: str | Path, key: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A dataset CSV with digests for `filepath`, `patient_id`, `study_id`, `series_id` and `source`,
    and the mapping (:data:`MAPPING_COLUMNS`).

    A path becomes ``ab/abcdef0123456789.dcm``: two digits as a folder, the suffix that tells its
    format, and the frame or slice as it was. Columns of the user's own (``x_...``) are left out.
    Raises :class:`InputError` as :func:`radcbir.datasets.catalog.read_csv` does, and where two
    names share a digest.
    """
    table = read_csv(csv)
    table = table.drop(columns=[name for name in table.columns if name.startswith("x_")])
    addresses = [split_address(path) for path in checked_paths(table["filepath"], csv)]
    files = {file: _link(key, file) for file in dict.fromkeys(file for file, _ in addresses)}
    table["filepath"] = [join_address(files[file], selectors) for file, selectors in addresses]
    mapping = [
        pd.DataFrame({"kind": "path", "original": list(files), "pseudonym": list(files.values())})
    ]
    for column, kind in KINDS.items():
        if column in table:
            names = {
                name: pseudonym(key, kind, name) for name in sorted(table[column].dropna().unique())
            }
            table[column] = table[column].map(names)
            mapping.append(
                pd.DataFrame(
                    {"kind": kind, "original": list(names), "pseudonym": list(names.values())}
                )
            )
    joined = pd.concat(mapping, ignore_index=True)
    if joined.duplicated(["kind", "pseudonym"]).any():
        raise InputError(f"two names of {csv} have the same pseudonym: take another key")
    return table.sort_values("filepath", kind="stable", ignore_index=True), joined[MAPPING_COLUMNS]


def write_links(mapping: pd.DataFrame, images: str | Path, folder: str | Path) -> None:
    """Make ``folder`` a tree of links, one per path of the mapping, to the files below the image
    root ``images``.
    """
    root = Path(images).resolve()
    paths = mapping[mapping["kind"] == "path"]
    with atomic_folder(folder) as temporary:
        for name in sorted({link.split("/")[0] for link in paths["pseudonym"]}):
            (temporary / name).mkdir()
        for original, link in zip(paths["original"], paths["pseudonym"], strict=True):
            (temporary / link).symlink_to(root / original)


def _link(key: bytes, file: str) -> str:
    name = pseudonym(key, "path", file)
    suffix = Path(file).suffix.lower()
    if file.lower().endswith(".nii.gz"):
        suffix = ".nii.gz"
    known = suffix[1:].replace(".", "").isalnum() and len(suffix) <= 7 and not suffix[1:].isdigit()
    return f"{name[:2]}/{name}{suffix if known else ''}"
