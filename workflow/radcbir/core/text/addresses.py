"""Addresses on the network without the secrets that they may hold."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from radcbir.core.files import digest


def shown(url: str) -> str:
    """An address without user name, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that is none"
    rest = "?..." if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{host}{parts.path}{rest}"


def hidden(value: Any) -> Any:
    """Settings with every address in them as :func:`shown` gives it.

    Snakemake prints parameters and writes them into its report. Where a query is left out, a digest
    makes another address another setting; user name and password are in no digest.
    """
    if isinstance(value, Mapping):
        return {key: hidden(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(each) for each in value]
    if not isinstance(value, str) or "://" not in value:
        return value
    address = re.sub(r"(://)[^/@\s]*@", r"\1", value)
    visible = without_secrets(value)
    return visible if visible == address else f"{visible} ({digest(address.encode())})"


def without_secrets(text: str) -> str:
    """A message in one line, its addresses as :func:`shown` gives them."""
    line = " ".join(text.split())
    return re.sub(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+", lambda found: shown(found[0]), line)
