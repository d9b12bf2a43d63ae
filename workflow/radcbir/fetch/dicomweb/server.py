"""A DICOMweb server: what it lists and delivers, and what its failures mean.

No message holds an address with a query, an identifier, or what the server said.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import Message
from typing import Any, TypeVar
from urllib.parse import urlsplit

from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.text.addresses import shown
from radcbir.datasets.providers.dicomweb.query import contradicts
from radcbir.fetch.dicomweb.session import new_session

TIMEOUT = (10.0, 120.0)
"""Seconds until a connection is there, and between two parts of an answer."""

PAGE = 500
"""So many results are asked for at a time."""

BLOCK = 1 << 18
"""Bytes of an answer that are read at a time where somebody watches."""

AGAIN = "run again when the server is back; what was fetched is kept"

_PASSING = (408, 429, 500, 502, 503, 504)
_HERE = {"localhost", "127.0.0.1", "::1"}

Row = Mapping[str, Mapping[str, Any]]
Result = TypeVar("Result")


class Undelivered(Exception):
    """One request brought nothing; the message says why in a few words."""


class Gone(Undelivered):
    """What was asked for is no longer there."""


class Server:
    """A server that several threads may ask at the same time.

    A request that fails for a reason that may pass is sent ``tries`` times in all, after ``pause``
    seconds, then after twice as long, and so on.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        tries: int = 4,
        pause: float = 1.0,
        timeout: tuple[float, float] = TIMEOUT,
        again: str = AGAIN,
    ):
        """``options`` are those of `prepare:`: `url`, `credentials`, perhaps `ca_bundle`;
        ``timeout`` is like :data:`TIMEOUT`, and ``again`` what is to be done where the server is
        gone.
        """
        self.url = options["url"].rstrip("/")
        self.name = shown(self.url)
        self.credentials = options["credentials"]
        self.ca_bundle = options.get("ca_bundle")
        self.tries, self.pause, self.timeout, self.again = tries, pause, timeout, again
        self._of_thread = threading.local()
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in _HERE:
            logger.warning("%s is not encrypted: prefer https", self.name)

    @property
    def session(self) -> Any:
        """The session of this thread."""
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = new_session(self.credentials, self.ca_bundle)
        return self._of_thread.session

    def search(
        self, within: Mapping[str, str], keys: Mapping[str, str], wanted: Sequence[str]
    ) -> Iterator[list[str]]:
        """The values of the attributes ``wanted`` of each study, or of each series or image of a
        study; the first is the identifier.

        ``within`` has `study_instance_uid`, and perhaps `series_instance_uid`; without it studies
        are listed. Series are, where ``wanted`` begins with SeriesInstanceUID. Raises
        :class:`Gone` for a study that is not there, and :class:`InputError` where the server
        cannot be asked at all, or ignores one of the ``keys``.
        """
        session = self.session
        from dicomweb_client import DICOMwebClient
        from pydicom import datadict

        client = DICOMwebClient(self.url, session, timeout=self.timeout, permissive_uid=True)
        client.set_http_retry_params(retry=False)
        kind = {"StudyInstanceUID": "studies", "SeriesInstanceUID": "series"}
        search = getattr(client, f"search_for_{kind.get(wanted[0], 'instances')}")
        asked: dict[str, Any] = {"search_filters": dict(keys)} if keys else {}
        asked |= {"fields": [*wanted, *keys], "limit": PAGE, **within}
        tags = {name: f"{datadict.tag_for_keyword(name):08X}" for name in (*wanted, *keys)}
        seen: set[str] = set()
        while True:
            page = functools.partial(search, offset=len(seen), **asked)
            rows = self._patiently(page, listing=True)
            fresh = 0
            for row in self._rows(rows):
                for name, value in keys.items():
                    values = _values(row, tags[name])
                    if contradicts(datadict.dictionary_VR(name), value, values):
                        raise InputError(
                            f"{self.name} ignores the key {name} of `query:`, since it lists what "
                            "does not match it: take the key out, or another one"
                        )
                found = [str(next(iter(_values(row, tags[name])), "")) for name in wanted]
                if found[0] and found[0] not in seen:
                    seen.add(found[0])
                    fresh += 1
                    yield found
            if not fresh:
                return

    def instance(
        self, study: str, series: str, sop: str, go_on: Callable[[int], None] | None = None
    ) -> memoryview:
        """The bytes of the DICOM file of an instance, in the transfer syntax that the server has.

        ``go_on`` is given the bytes that came so far, again and again, and may raise. Raises
        :class:`Undelivered`, or :class:`InputError` where the server is gone.
        """
        address = f"{self.url}/studies/{study}/series/{series}/instances/{sop}"
        headers = {
            "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
            "Accept-Encoding": "identity",  # to compress pixels takes a server longer than to send
        }

        def once() -> memoryview:
            asked = self.session.get(
                address, headers=headers, timeout=self.timeout, stream=go_on is not None
            )
            with asked as answer:
                answer.raise_for_status()
                content = answer.content if go_on is None else _watched(answer, go_on)
                return _only_part(answer.headers.get("Content-Type", ""), content)

        return self._patiently(once, listing=False)

    def _rows(self, answer: Any) -> list[Row]:
        if not isinstance(answer, list) or not all(isinstance(each, Mapping) for each in answer):
            raise self._no_dicomweb("answered something else than a list of DICOM JSON")
        return answer

    def _patiently(self, once: Callable[[], Result], listing: bool) -> Result:
        """What a request gives, sent again after failures that may pass."""
        import requests

        attempt = 1
        while True:
            try:
                return once()
            except requests.exceptions.SSLError:
                raise InputError(
                    f"the certificate of {self.name} is not one that this machine trusts: name the "
                    "certificates of your institution as `ca_bundle:`, or correct `url:`"
                ) from None
            except requests.HTTPError as error:
                status = error.response.status_code if error.response is not None else 500
                if status not in _PASSING or attempt >= self.tries:
                    raise self._refused(status, listing) from None
                reason = f"answered {status}"
            except requests.exceptions.JSONDecodeError:
                raise self._no_dicomweb("does not answer in DICOM JSON") from None
            except (requests.RequestException, CutOff) as error:
                if attempt >= self.tries:
                    raise self._broken(error, listing) from None
                reason = _in_words(error)
            logger.warning("%s: %s; trying again", self.name, reason)
            time.sleep(self.pause * 2 ** (attempt - 1))
            attempt += 1

    def _refused(self, status: int, listing: bool) -> Exception:
        """What an answer that is an error means."""
        if status == 401 or (status == 403 and listing):
            names = f"{self.credentials}_USER and {self.credentials}_PASSWORD, or {self.credentials}_TOKEN"
            return InputError(
                f"{self.name} does not let this user in ({status}): set {names} in the environment "
                "to what it accepts"
            )
        if status in (404, 410):
            return Gone(f"it is not there any more ({status})")
        if listing and status in (400, 405, 406, 501):
            return self._no_dicomweb(f"refuses the search ({status})")
        if listing:
            return InputError(
                f"{self.name} fails ({status}) and did not list everything: {self.again}"
            )
        words = "it may not be read" if status == 403 else "the server failed"
        return Undelivered(f"{words} ({status})")

    def _broken(self, error: Exception, listing: bool) -> Exception:
        """What a connection that broke several times means: whether the server is gone."""
        reason = _in_words(error)
        if not listing:
            try:
                with self.session.get(
                    f"{self.url}/studies", params={"limit": 1}, timeout=self.timeout, stream=True
                ):
                    return Undelivered(f"the connection broke off {self.tries} times")
            except Exception as again:
                reason = _in_words(again)
        return InputError(
            f"{self.name} cannot be reached ({reason}): correct `url:`, or {self.again}"
        )

    def _no_dicomweb(self, why: str) -> InputError:
        return InputError(
            f"{self.name} {why}: correct `url:`, which has to be the DICOMweb root of the server, "
            "such as https://pacs.example.org/dicom-web"
        )


def _watched(answer: Any, go_on: Callable[[int], None]) -> bytes:
    """The body of an answer, block by block."""
    blocks, count = [], 0
    for block in answer.iter_content(BLOCK):
        blocks.append(block)
        count += len(block)
        go_on(count)
    return b"".join(blocks)


class CutOff(Exception):
    """An answer ended too early, though nothing said how long it would be."""


def _values(row: Row, tag: str) -> list[Any]:
    found = row.get(tag)
    values = found.get("Value") if isinstance(found, Mapping) else None
    return list(values) if isinstance(values, list) else []


def _only_part(content_type: str, body: bytes) -> memoryview:
    """The one part of a multipart message (RFC 2046, 5.1), or a body that is no multipart."""
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_type() == "application/dicom":
        return memoryview(body)
    boundary = header.get_param("boundary")
    if header.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise Undelivered(f"no DICOM but {header.get_content_type()}")
    mark = b"--" + boundary.encode("latin-1", "replace")
    begin = body.find(mark)
    start = body.find(b"\r\n\r\n", begin) + 4
    if begin < 0 or start < 4:
        raise Undelivered("an answer without an image")
    end = body.rfind(b"\r\n" + mark + b"--")
    if end < start:
        raise CutOff("the answer ended too early")
    if body.find(b"\r\n" + mark + b"\r\n", start, end) >= 0:
        raise Undelivered("several images for one")
    return memoryview(body)[start:end]


def _in_words(error: Exception) -> str:
    """A failed connection in a few words, without the address."""
    import requests

    said = str(error)
    for sign, words in (
        ("Connection refused", "nothing listens there"),
        ("Name or service not known", "no machine has this name"),
        ("Temporary failure in name resolution", "its name cannot be looked up"),
        ("No route to host", "no route leads there"),
        ("Network is unreachable", "there is no network"),
    ):
        if sign in said:
            return words
    if isinstance(error, requests.Timeout) or "timed out" in said:
        return "it does not answer in time"
    return "the connection broke off"
