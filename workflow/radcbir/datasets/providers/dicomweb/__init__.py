"""Images in a PACS: rule ``fetch_dicomweb`` lists and fetches them, then their headers list the
images as those of a folder do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radcbir.core.errors import InputError
from radcbir.core.files import is_file
from radcbir.datasets.providers import Provider
from radcbir.datasets.providers import dicom as folder
from radcbir.datasets.providers.dicomweb import query

OF_SERVER = ("url", "query", "credentials", "ca_bundle", "connections", "most_studies")
"""Keys of `prepare:` that say what is fetched, and how. All others are those of a folder."""


def _files(options: Mapping) -> dict[str, tuple[str, ...]]:
    check_address(options["url"])
    query.check(options["query"])
    if "ca_bundle" in options and not is_file(options["ca_bundle"]):
        raise InputError(
            f"`prepare: ca_bundle:` names {options['ca_bundle']}, which does not exist (looked for "
            f"from {Path.cwd()}): correct it"
        )
    return dict(folder.PROVIDER.files(options))


def check_address(url: str) -> None:
    """Raise :class:`InputError` where the address of a server is none, or holds a password."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    else:
        if parts.username is not None:
            raise InputError(
                "`prepare: url:` has a user name or a password in it: take them out, and give them "
                "as environment variables (docs/data.md, 'A PACS')"
            )
        whole = whole and not (parts.query or parts.fragment)
    if not whole:
        raise InputError(
            "`prepare: url:` is no address of a DICOMweb server: write it as "
            "https://pacs.example.org/dicom-web"
        )


_VALUE: dict[str, Any] = {"type": ["string", "integer"], "minLength": 1}

PROVIDER = Provider(
    name="dicomweb",
    title="a PACS, by DICOMweb",
    page="",
    terms="",
    files=_files,
    fetched=True,
    required=("url", "query"),
    options={
        **folder.PROVIDER.options,
        "url": {
            "description": "The DICOMweb root of the server, such as https://pacs.example.org/dicom-web.",
            "type": "string",
            "minLength": 1,
        },
        "query": {
            "description": "DICOM keyword -> value, or a list of values, that studies, series or images match.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": ["string", "integer", "array"],
                "minLength": 1,
                "minItems": 1,
                "uniqueItems": True,
                "items": _VALUE,
            },
        },
        "credentials": {
            "description": "What the names of the environment variables with user, password or token begin with.",
            "type": "string",
            "pattern": "^[A-Z][A-Z0-9_]*$",
            "default": "RADCBIR_PACS",
        },
        "ca_bundle": {
            "description": "A PEM file with the certificates that sign the server's, where the system does not know them.",
            "type": "string",
            "minLength": 1,
        },
        "connections": {
            "description": "How many images are fetched at a time.",
            "type": "integer",
            "minimum": 1,
            "maximum": 32,
            "default": 4,
        },
        "most_studies": {
            "description": "A query that matches more studies is refused.",
            "type": "integer",
            "minimum": 1,
            "default": 10000,
        },
    },
)


def with_defaults(prepare: Mapping[str, Any]) -> dict[str, Any]:
    """The checked options of `prepare:` as the user wrote them, with those of :data:`OF_SERVER`
    that are left out.
    """
    defaults = {
        name: PROVIDER.options[name]["default"]
        for name in OF_SERVER
        if "default" in PROVIDER.options[name]
    }
    return defaults | dict(prepare)
