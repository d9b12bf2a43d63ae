"""The page over HTTP, for this machine alone: who is answered, and what each address gives.

It answers only requests for it by name (DNS rebinding), from its own page (another site in the same
browser), and, for everything but the bare page, with the key of the printed link in a header
(another user of the machine). Browsers send a header to no other server, as they do with cookies;
cookies are neither set nor read. No upload is written to disk, and nothing may stay in the
browser's cache.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radcbir.app import question
from radcbir.app.archive.taken import Choice
from radcbir.app.engine import Engine
from radcbir.app.query_vectors import Upload
from radcbir.app.units.positions import SAME_MM
from radcbir.core.errors import InputError
from radcbir.datasets.providers.dicom.geometry import ALIKE

STATIC = Path(__file__).parent / "static"

STATIC_FILES = {
    path.name: {".css": "text/css", ".js": "text/javascript"}[path.suffix]
    for path in STATIC.iterdir()
    if path.suffix in (".css", ".js")
}

NAMES = ["127.0.0.1", "localhost"]

KEY_HEADER = "x-radcbir-key"

IMAGE_HEADER = "x-radcbir-image"
"""Where the description of an image's values is."""

FORM_BYTES = 1 << 20
"""Room for what comes beside the files."""

AT_ONCE = 8
"""Questions that are answered at a time: so many uploads are in memory. Others wait unread."""

THREADS = 16
"""Threads that look things up beside them."""

SECURITY = {
    "content-security-policy": "default-src 'self'; img-src blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

LINK = "open the whole link that the command printed, with the key at its end"


class Guard:
    """Lets through who has the key and comes from the page itself, and no more bytes than are
    allowed.
    """

    def __init__(self, app: ASGIApp, key: str, most_bytes: int):
        self.app, self.key, self.most_bytes = app, key.encode(), most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, hand on, or refuse."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (name.encode(), value.encode()) for name, value in SECURITY.items()
                ]
            await send(message)

        refused = self._refusal(scope, headers)
        if refused is not None:
            await refused(scope, receive, secured)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most_bytes:
                raise HTTPException(413, too_large(self.most_bytes))
            return message

        await self.app(scope, limited, secured)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers.get('host')}":
            return sentence(
                "this page answers its own questions only, not those of other sites", 403
            )
        given = headers.get(KEY_HEADER, "")
        if scope["path"] == "/":
            given = QueryParams(scope["query_string"]).get("key", self.key.decode())
            if not self._is_key(given):
                return PlainTextResponse(f"{LINK[0].upper()}{LINK[1:]}.\n", 403)
        elif not scope["path"].startswith("/static/") and not self._is_key(given):
            return sentence(LINK, 403, {"connection": "close"})
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return sentence("the length of the question is no number: reload the page")
        if len(length) > 15 or int(length) > self.most_bytes:
            return sentence(too_large(self.most_bytes), 413, {"connection": "close"})
        return None

    def _is_key(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="replace"), self.key)


def too_large(most_bytes: int) -> str:
    """What is said of an upload that is too large."""
    return (
        f"the images of one query may have {(most_bytes - FORM_BYTES) >> 20} MB together: take "
        "smaller or fewer ones"
    )


def sentence(text: str, status: int = 400, headers: dict | None = None) -> JSONResponse:
    """An error, as the page shows it."""
    return JSONResponse({"error": text}, status, headers)


def described(description: dict, pixels: bytes) -> Response:
    """Pixels, and in a header what they are."""
    headers = {IMAGE_HEADER: json.dumps(description)}
    return Response(pixels, media_type="application/octet-stream", headers=headers)


class Endpoints:
    """What each address gives, by an engine."""

    def __init__(self, engine: Engine, upload_megabytes: int, most_bytes: int):
        self.engine, self.upload_megabytes, self.most_bytes = engine, upload_megabytes, most_bytes
        self.at_once = asyncio.Semaphore(AT_ONCE)
        self.threads: anyio.CapacityLimiter | None = None

    def routes(self) -> list[Route]:
        """The addresses."""
        answers = {
            "search": (question.search_question, self.engine.search),
            "preview": (question.preview_question, self.engine.preview),
            "match": (question.match_question, self.engine.match),
        }
        return [
            Route("/", self.page),
            Route("/static/{name}", self.static),
            Route("/api/setup", self.setup),
            *(
                Route(f"/api/{name}", partial(self.answer, *each), methods=["POST"])
                for name, each in answers.items()
            ),
            Route("/api/ready/{experiment}/{model}", self.ready),
            Route("/api/item/{experiment}/{identity}", self.item),
            Route("/api/named/{experiment}", self.named),
            Route("/api/archive/{experiment}", self.archived),
            Route("/api/values", self.upload_values, methods=["POST"]),
            Route("/api/values/{experiment}/{identity}", self.values),
            Route("/api/image/{experiment}/{identity}", self.picture),
            Route("/api/original/{experiment}/{identity}", self.original),
        ]

    async def page(self, request: Request) -> Response:
        """The page, which holds nothing of the project."""
        return FileResponse(STATIC / "index.html", media_type="text/html")

    async def static(self, request: Request) -> Response:
        """Its style and its program."""
        name = request.path_params["name"]
        if name not in STATIC_FILES:
            raise HTTPException(404, "there is no such file")
        return FileResponse(STATIC / name, media_type=STATIC_FILES[name])

    async def setup(self, request: Request) -> Response:
        """What can be chosen."""
        limits = {
            "upload_megabytes": self.upload_megabytes,
            "items": question.MOST_ITEMS,
            "k": question.MOST_NEIGHBORS,
            "text": question.LONGEST_TEXT,
            "alike": ALIKE,
            "apart": SAME_MM,
        }
        experiments = await self._in_thread(self.engine.setup)
        return JSONResponse({"experiments": experiments, "limits": limits})

    async def answer(self, parse: Callable, method: Callable, request: Request) -> Response:
        """The answer of an engine's method to a question that came with files."""
        async with self.at_once:
            given, uploads = await self._form(request)
            asked = parse(given, len(uploads))
            return JSONResponse(await self._in_thread(method, asked, uploads, counted=False))

    async def ready(self, request: Request) -> Response:
        """Answers once a model is loaded."""
        chosen = (request.path_params["experiment"], request.path_params["model"])
        return JSONResponse(await self._in_thread(self.engine.warm, *chosen))

    async def item(self, request: Request) -> Response:
        """What is known of an image of the catalog."""
        return JSONResponse(await self._in_thread(self.engine.item, *self._image(request)))

    async def named(self, request: Request) -> Response:
        """What a UID belongs to."""
        name = request.query_params.get("uid", "").strip()[: question.LONGEST_NAME]
        chosen = request.path_params["experiment"]
        return JSONResponse(await self._in_thread(self.engine.named, chosen, name))

    async def archived(self, request: Request) -> Response:
        """What an archive has with a UID: a choice, or files one after the other."""
        given = (request.query_params.get(each, "").strip() for each in ("uid", "image"))
        chosen = (request.path_params["experiment"], *given)
        async with self.at_once:
            found = await self._in_thread(self.engine.archived, *chosen, counted=False)
        if isinstance(found, Choice):
            return JSONResponse(asdict(found))
        files = [{"name": name, "bytes": len(content)} for name, content in found.files]
        said = {"files": files, "uid": found.uid, "dataset": found.dataset, "said": found.said}
        return described(said, b"".join(content for _, content in found.files))

    async def values(self, request: Request) -> Response:
        """The values of an image of the catalog."""
        return described(*await self._in_thread(self.engine.values, *self._image(request)))

    async def upload_values(self, request: Request) -> Response:
        """The values of an upload."""
        async with self.at_once:
            given, uploads = await self._form(request)
            asked = question.preview_question(given, len(uploads))
            return described(
                *await self._in_thread(self.engine.upload_values, asked, uploads, counted=False)
            )

    async def picture(self, request: Request) -> Response:
        """An image of the catalog, reduced."""
        wanted = request.query_params.get("side", "192")
        side = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 192
        made = await self._in_thread(self.engine.picture, *self._image(request), side)
        return Response(made, media_type="image/jpeg")

    async def original(self, request: Request) -> Response:
        """The file of an image of the catalog."""
        path = await self._in_thread(self.engine.original, *self._image(request))
        if not path.is_file():
            raise InputError("the file is not there any more")
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    @staticmethod
    def _image(request: Request) -> tuple[str, int]:
        return request.path_params["experiment"], question.image_id(request.path_params["identity"])

    async def _form(self, request: Request) -> tuple[dict, list[Upload]]:
        """The question and its files; these stay in memory."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise InputError(question.FORM)
        parser = MultiPartParser(
            request.headers,
            request.stream(),
            max_files=question.MOST_ITEMS,
            max_fields=4,
            max_part_size=FORM_BYTES,
        )
        parser.spool_max_size = self.most_bytes
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise InputError(
                f"the question could not be read ({question.shown(error.message)}): reload the page"
            ) from None
        except (UnicodeError, LookupError, ValueError):
            raise InputError(question.FORM) from None
        try:
            text = form.get("question")
            given = question.parse_json(text if isinstance(text, str) else "")
            files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
            return given, [
                Upload(question.file_name(each.filename), await each.read()) for each in files
            ]
        finally:
            await form.close()

    async def _in_thread(self, function: Callable, *arguments, counted: bool = True):
        """What a function returns that waits for files or processes. Questions have threads of
        their own, ``AT_ONCE`` of them.
        """
        if self.threads is None:  # belongs to the loop that runs
            self.threads = anyio.CapacityLimiter(THREADS)
            self.question_threads = anyio.CapacityLimiter(AT_ONCE)
        limiter = self.threads if counted else self.question_threads
        return await anyio.to_thread.run_sync(partial(function, *arguments), limiter=limiter)


async def user_error(request: Request, error: InputError) -> Response:
    """What the user can mend."""
    return sentence(str(error), 404 if request.method == "GET" else 400)


async def http_error(request: Request, error: HTTPException) -> Response:
    """An address that there is not, or too many bytes."""
    return sentence(error.detail, error.status_code)


async def gone(request: Request, error: ClientDisconnect) -> Response:
    """Nobody reads this."""
    return Response(status_code=400)


async def defect(request: Request, error: Exception) -> Response:
    """What should not happen."""
    return sentence("something went wrong in the server; its terminal says what", 500)


def application(engine: Engine, upload_megabytes: int, key: str) -> Starlette:
    """The server's routes over an engine; ``key`` is what requests have to bring."""
    most_bytes = (upload_megabytes << 20) + FORM_BYTES
    handlers: dict[Any, Callable] = {
        InputError: user_error,
        HTTPException: http_error,
        ClientDisconnect: gone,
        Exception: defect,
    }
    return Starlette(
        routes=Endpoints(engine, upload_megabytes, most_bytes).routes(),
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=NAMES),
            Middleware(Guard, key=key, most_bytes=most_bytes),
        ],
        exception_handlers=handlers,
    )
