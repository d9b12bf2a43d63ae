"""The process that serves the page: its socket, its patience with connections, how it ends."""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from radcbir.app.engine import Engine
from radcbir.app.routes import application
from radcbir.core.errors import InputError
from radcbir.core.logs import logger
from radcbir.core.machine.processes import keep_no_traces
from radcbir.project.configuration import Project

HOST = "127.0.0.1"

MOST_CONNECTIONS = 64

HEADER_SECONDS, BODY_SECONDS, IDLE_SECONDS = 10, 15, 5
"""How long a request's header may take in all, how long nothing may come of its body, how long a
connection stays open after an answer."""

HEADER_BYTES = 1 << 20
"""Room for the cookies of every other server of this machine, which browsers send along."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a plain kill, a closed terminal."""


class Connection(H11Protocol):
    """A connection that is closed where its request does not come."""

    timer: asyncio.TimerHandle | None = None
    waits_for_body = False
    since = 0.0

    def connection_made(self, transport: Any) -> None:
        """Make room: of too many connections, the one that has waited longest without a request
        is closed, or this one where all are at work.
        """
        super().connection_made(transport)
        self.since = self.loop.time()
        others: list[Any] = [
            each
            for each in self.connections
            if each is not self and not each.transport.is_closing()
        ]
        if len(others) >= MOST_CONNECTIONS:
            idle = [each for each in others if each.is_idle()]
            min(idle or [self], key=lambda each: each.since).transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for the rest, but not for ever."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.since = self.loop.time()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop()
        super().connection_lost(exc)

    def is_idle(self) -> bool:
        """Whether no request is at work."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if self.is_idle():
            if self.timer is None or self.waits_for_body:  # more bytes do not buy more time
                self._start(HEADER_SECONDS)
            self.waits_for_body = False
        elif self.cycle.more_body:
            self._start(BODY_SECONDS)
            self.waits_for_body = True
        else:
            self._stop()

    def _start(self, seconds: float) -> None:
        self._stop()
        self.timer = self.loop.call_later(seconds, self._expired, seconds)

    def _stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _expired(self, seconds: float) -> None:
        self.timer = None
        if self.waits_for_body and self.flow.read_paused:
            self._start(seconds)  # it is the server that does not read yet
        else:
            self.transport.abort()


class PageServer(uvicorn.Server):
    """A server that ends at once and cleanly at a signal."""

    def __init__(self, config: uvicorn.Config, engine: Engine):
        super().__init__(config)
        self.engine = engine

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the server, and are not raised again afterwards. A closed terminal is no
        reason where the user said so (nohup).
        """
        kept = {each: signal.getsignal(each) for each in ENDING}
        for each in ENDING:
            if each != signal.SIGHUP or kept[each] != signal.SIG_IGN:
                signal.signal(each, self.handle_exit)
        try:
            yield
        finally:
            for each, handler in kept.items():
                signal.signal(each, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the child processes first: what waits for them gets its sentence."""
        await asyncio.to_thread(self.engine.close)
        await super().shutdown(sockets)


def serve(project: Project) -> None:
    """Serve the page until it is ended; the link is printed. ``project.settings["app"]`` says how.

    Raises :class:`InputError` where the port is taken.
    """
    keep_no_traces()
    settings = project.settings["app"]
    listener = _listener(settings["port"])
    port, key = listener.getsockname()[1], secrets.token_urlsafe(24)
    engine = Engine(project, settings["megapixels"] * 1_000_000)
    uvicorn_logger = logging.getLogger("uvicorn")
    uvicorn_logger.handlers, uvicorn_logger.propagate = logger.handlers, False
    config = uvicorn.Config(
        application(engine, settings["upload_megabytes"], key),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,  # uvicorn's own would close the files of all others
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )
    logger.info("serving the page at http://%s:%d", HOST, port)
    # The key is for the terminal alone, not for the log.
    print(
        f"The page is at http://{HOST}:{port}/?key={key} (this machine alone; Ctrl-C ends it)",
        file=sys.stderr,
        flush=True,
    )
    threading.Thread(target=engine.warm_default, name="warm", daemon=True).start()
    try:
        with contextlib.suppress(KeyboardInterrupt):  # before or after it catches signals
            PageServer(config, engine).run(sockets=[listener])
    finally:
        engine.close()
    logger.info("the page has ended")


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)  # from now on a browser waits, however soon the link is opened
    except OSError as error:
        raise InputError(
            f"port {port} cannot be used ({error.strerror}): end the page that may be served "
            "there, or choose another `app: port:`, or 0 for any"
        ) from None
    return listener
