"""How a DICOMweb server is spoken to: credentials of the environment, certificates, no other
secrets.
"""

import logging
import os
from collections.abc import Mapping
from typing import Any

from radcbir.core.errors import InputError

for _name in (
    "dicomweb_client",
    "urllib3",
    "retrying",
):  # they log what was asked for, or tracebacks
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def new_session(credentials: str, ca_bundle: str | None) -> Any:
    """A ``requests.Session`` with the credentials of the environment that verifies certificates.

    User and password, or a token, are in the variables that begin with ``credentials``
    (``..._USER``, ``..._PASSWORD``, ``..._TOKEN``). ``~/.netrc`` is not read. Raises
    :class:`InputError` where half of them is missing, or the library is.
    """
    try:
        import dicomweb_client  # noqa: F401
        import requests
    except ModuleNotFoundError as error:
        raise InputError(
            f"the library {error.name} is missing, which `prepare: {{from: dicomweb}}` needs: "
            "run `make setup`, or `pip install '.[pacs]'` in a checkout of radcbir, or use --sdm conda"
        ) from None

    class Session(requests.Session):
        """A session whose own certificates come before those of the environment."""

        def merge_environment_settings(self, *given: Any) -> Any:
            settings = super().merge_environment_settings(*given)
            return settings | ({"verify": ca_bundle} if ca_bundle else {})

    session = Session()
    session.headers["User-Agent"] = "radcbir"
    header = authorization(credentials, os.environ)

    def sign(request: Any) -> Any:
        request.url = with_wildcards(request.url)
        if header:
            request.headers["Authorization"] = header
        return request

    session.auth = sign
    return session


def with_wildcards(url: str) -> str:
    """An address whose query has wildcards and commas as they are, which it may (RFC 3986, 3.4):
    some servers do not decode them (Orthanc 1.10).
    """
    address, mark, asked = url.partition("?")
    for code, letter in (("%2A", "*"), ("%3F", "?"), ("%2C", ",")):
        asked = asked.replace(code, letter)
    return address + mark + asked


def authorization(credentials: str, environment: Mapping[str, str]) -> str:
    """The value of the header Authorization; empty where no variable is set."""
    import base64

    user, password, token = (
        environment.get(f"{credentials}_{each}", "") for each in ("USER", "PASSWORD", "TOKEN")
    )
    if token and (user or password):
        raise InputError(
            f"{credentials}_TOKEN is set beside {credentials}_USER or {credentials}_PASSWORD: "
            "unset one of them"
        )
    if bool(user) != bool(password):
        given, missing = ("USER", "PASSWORD") if user else ("PASSWORD", "USER")
        raise InputError(f"{credentials}_{given} is set without {credentials}_{missing}: set both")
    if token:
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise InputError(
                f"{credentials}_TOKEN has blanks, line breaks or letters that no token has: set it "
                "again"
            )
        return f"Bearer {token}"
    if not user:
        return ""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
