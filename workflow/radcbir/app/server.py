"""The page over HTTP, for this machine alone.

It listens on 127.0.0.1 and answers only who asks for it by that name (DNS rebinding) with the key
of the link that was printed (another user of the machine), from its own page (another site in the
same browser). No upload is written to disk by the server, and no page or picture may stay in the
browser's cache.
"""

import json
import secrets
import socket
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radcbir.app.engine import LONGEST_TEXT, MOST_ITEMS, MOST_NEIGHBORS, Engine, Upload
from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.project.configuration import Project

STATIC = Path(__file__).parent / "static"

STATIC_FILES = {"app.css": "text/css", "app.js": "text/javascript"}

HOST = "127.0.0.1"

NAMES = ["127.0.0.1", "localhost"]

FORM_BYTES = 1 << 20
"""Room for what comes beside the files."""

SECURITY = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets through who has the key and asks from the page itself, and no more bytes than are
    allowed.
    """

    def __init__(self, app: ASGIApp, key: str, cookie: str, most_bytes: int):
        self.app, self.key, self.cookie, self.most_bytes = app, key, cookie, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, hand on, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
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
        given = QueryParams(scope["query_string"]).get("key", "")
        if (
            scope["path"] == "/"
            and given
            and secrets.compare_digest(given.encode(), self.key.encode())
        ):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.key, httponly=True, samesite="strict")
            return answer
        cookies = SimpleCookie(headers.get("cookie", ""))
        held = cookies[self.cookie].value if self.cookie in cookies else ""
        if not secrets.compare_digest(held.encode(), self.key.encode()):
            return PlainTextResponse(
                "Open the whole link that the command printed, with the key at its end.\n", 403
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.most_bytes:
            return sentence(too_large(self.most_bytes), 413, {"connection": "close"})
        return None


def too_large(most_bytes: int) -> str:
    """What is said of an upload that is too large."""
    return f"the images of one query may have {(most_bytes - FORM_BYTES) >> 20} MB together: take smaller or fewer ones"


def sentence(text: str, status: int = 400, headers: dict | None = None) -> JSONResponse:
    """An error, as the page shows it."""
    return JSONResponse({"error": text}, status, headers)


def application(
    engine: Engine, upload_megabytes: int, key: str, cookie: str = "radcbir"
) -> Starlette:
    """The server's routes over an engine; ``key`` is what the link has to end with."""
    most_bytes = (upload_megabytes << 20) + FORM_BYTES
    MultiPartParser.spool_max_size = most_bytes  # uploads stay in memory

    async def answered(request: Request, answer: Callable) -> Response:
        """The answer of an engine's method to a question that came with files."""
        async with request.form(
            max_files=MOST_ITEMS, max_fields=4, max_part_size=FORM_BYTES
        ) as form:
            try:
                question = json.loads(form.get("question", ""))
            except (TypeError, ValueError):
                question = None
            if not isinstance(question, dict):
                raise InputError("the question is not of the page's form: reload the page")
            files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
            uploads = [Upload(each.filename or "image", await each.read()) for each in files]
        return JSONResponse(await run_in_threadpool(answer, question, uploads))

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC_FILES:
            raise HTTPException(404, "there is no such file")
        return FileResponse(STATIC / name, media_type=STATIC_FILES[name])

    async def setup(request: Request) -> Response:
        limits = {
            "upload_megabytes": upload_megabytes,
            "items": MOST_ITEMS,
            "k": MOST_NEIGHBORS,
            "text": LONGEST_TEXT,
        }
        return JSONResponse(
            {"experiments": await run_in_threadpool(engine.setup), "limits": limits}
        )

    async def search(request: Request) -> Response:
        return await answered(request, engine.search)

    async def preview(request: Request) -> Response:
        return await answered(request, engine.preview)

    async def match(request: Request) -> Response:
        return await answered(request, engine.match)

    def of_image(request: Request) -> tuple[str, int]:
        identity = request.path_params["identity"]
        if identity >= 1 << 63:
            raise InputError("there is no such image")
        return request.path_params["experiment"], identity

    async def picture(request: Request) -> Response:
        side = request.query_params.get("side", "192")
        side = int(side) if side.isdigit() and len(side) < 6 else 192
        return Response(
            await run_in_threadpool(engine.picture, *of_image(request), side),
            media_type="image/jpeg",
        )

    async def original(request: Request) -> Response:
        path = await run_in_threadpool(engine.original, *of_image(request))
        if not path.is_file():
            raise InputError("the file is not there any more")
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    async def user_error(request: Request, error: InputError) -> Response:
        return sentence(str(error), 404 if request.method == "GET" else 400)

    async def http_error(request: Request, error: HTTPException) -> Response:
        return sentence(error.detail, error.status_code)

    async def form_error(request: Request, error: MultiPartException) -> Response:
        return sentence(f"the question could not be read ({error.message}): reload the page")

    async def defect(request: Request, error: Exception) -> Response:
        return sentence("something went wrong in the server; its terminal says what", 500)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", static),
            Route("/api/setup", setup),
            Route("/api/search", search, methods=["POST"]),
            Route("/api/preview", preview, methods=["POST"]),
            Route("/api/match", match, methods=["POST"]),
            Route("/api/image/{experiment}/{identity:int}", picture),
            Route("/api/original/{experiment}/{identity:int}", original),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=NAMES),
            Middleware(Guard, key=key, cookie=cookie, most_bytes=most_bytes),
        ],
        exception_handlers={
            InputError: user_error,
            HTTPException: http_error,
            MultiPartException: form_error,
            Exception: defect,
        },
    )


def serve(project: Project) -> None:
    """Serve the page until it is interrupted; the link is printed. ``project.settings["app"]`` says
    how.

    Raises :class:`InputError` where the port is taken.
    """
    settings = project.settings["app"]
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, settings["port"]))
        listener.listen(128)  # from now on a browser waits, however soon the link is opened
    except OSError as error:
        raise InputError(
            f"port {settings['port']} cannot be used ({error.strerror}): choose another `app: "
            "port:`, or 0 for any"
        ) from None
    port, key = listener.getsockname()[1], secrets.token_urlsafe(24)
    engine = Engine(project, settings["megapixels"] * 1_000_000)
    app = application(engine, settings["upload_megabytes"], key, f"radcbir-{port}")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    logger.info(
        "The page is at http://%s:%d/?key=%s (this machine alone; Ctrl-C ends it)", HOST, port, key
    )
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        engine.close()
