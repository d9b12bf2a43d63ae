"""Addresses of files on the network: what a message may show of them, and how they are requested."""

import base64
import netrc
import re
import urllib.request
from urllib.parse import SplitResult, unquote, urlsplit


def shown(url: str) -> str:
    """An address without user name, password, query and fragment, which may contain secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that is none"
    rest = "?..." if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{host}{parts.path}{rest}"


def without_secrets(text: str) -> str:
    """A message in one line, its addresses as :func:`shown` gives them."""
    line = " ".join(text.split())
    return re.sub(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+", lambda found: shown(found[0]), line)


def request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """A request for an address; its user name and password, or those in ``~/.netrc`` for its host,
    go into a header that no redirection takes along to another host.

    Raises :class:`ValueError` where the address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise ValueError(f"unknown kind of address '{parts.scheme}'")
    user, password = _credentials(parts)
    if parts.username is not None:
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    made = urllib.request.Request(parts.geturl(), headers=headers)
    if user is not None and parts.scheme != "file":
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        made.add_unredirected_header("Authorization", f"Basic {token}")
    return made


def _credentials(parts: SplitResult) -> tuple[str | None, str]:
    if parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    try:
        known = netrc.netrc().authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None, ""
    return (known[0], known[2] or "") if known else (None, "")
