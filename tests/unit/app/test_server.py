"""Connections of a server whose clients are slow, idle, many, or talk nonsense."""

import contextlib
import re
import select
import socket
import threading
import time

import pytest
import uvicorn

from radcbir.app import server as server_module

ANSWER = b"HTTP/1.1 200 OK"
BODIES = re.compile(rb"(HTTP.+?\r\n\r\n0)+", re.DOTALL)
"""Whole answers to requests without a body."""


async def answers(scope, receive, send):
    """Reads a body after as many seconds as the path says, and answers its length."""
    wait = float(scope["path"].strip("/") or 0)
    if wait:
        import asyncio

        await asyncio.sleep(wait)
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message.get("more_body", False)
    content = str(length).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def port():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "HEADER_SECONDS", 0.6)
        patch.setattr(server_module, "BODY_SECONDS", 0.4)
        patch.setattr(server_module, "MOST_CONNECTIONS", 20)
        listener = server_module._listener(0)
        config = uvicorn.Config(
            answers,
            http=server_module.Connection,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=1,
            h11_max_incomplete_event_size=server_module.HEADER_BYTES,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def received(connection):
    """What comes until answers are complete; head and body can come in two parts."""
    answer = b""
    while (part := connection.recv(4096)) and not BODIES.fullmatch(answer := answer + part):
        pass
    return answer


@contextlib.contextmanager
def connected(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        yield connection


def closed_after(connection, feed=b"", every=0.05, most=3.0):
    """Seconds until the server closes, while a client sends byte after byte."""
    start = time.monotonic()
    while time.monotonic() - start < most:
        readable, _, _ = select.select([connection], [], [], every)
        try:
            if readable and not connection.recv(65536):
                break
            if feed:
                connection.send(feed)
        except OSError:
            break
    return time.monotonic() - start


@pytest.mark.parametrize("feed", [b"", b"x"], ids=["nothing comes", "byte after byte"])
@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nx: "], ids=["at once", "in the header"])
def test_a_header_has_to_come_in_time(port, begin, feed):
    with connected(port) as connection:
        connection.sendall(begin)
        assert 0.3 < closed_after(connection, feed) < 2


def test_a_body_has_to_go_on_coming(port):
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(head + b"x")
        assert 0.3 < closed_after(connection) < 2
    with connected(port) as connection:
        connection.sendall(head)
        for _ in range(20):  # a second in all: slow, but it comes
            time.sleep(0.05)
            connection.sendall(b"x")
        assert connection.recv(100).startswith(ANSWER)


def test_a_client_whose_body_is_not_read_yet_is_not_at_fault(port):
    with connected(port) as connection:
        connection.sendall(b"POST /1.2 HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n")
        connection.sendall(bytes(3_000_000))
        assert connection.recv(4096).startswith(ANSWER)


def test_a_connection_is_used_again_and_closed_when_it_is_not(port):
    with connected(port) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert received(connection).startswith(ANSWER)
            time.sleep(0.2)
        assert closed_after(connection) < 2
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answers = b""
        while answers.count(ANSWER) < 2:
            answers += received(connection)
        assert answers.count(ANSWER) == 2


def test_idle_connections_make_room_for_one_that_asks(port):
    with contextlib.ExitStack() as stack:
        working = stack.enter_context(connected(port))
        working.sendall(b"GET /0.5 HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.05)
        idle = [stack.enter_context(connected(port)) for _ in range(60)]
        time.sleep(0.1)
        still = [each for each in idle if not select.select([each], [], [], 0)[0]]
        assert 15 <= len(still) <= 21
        assert still[-1] is idle[-1]
        idle[-1].sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert idle[-1].recv(4096).startswith(ANSWER)
        assert working.recv(4096).startswith(ANSWER)  # what is at work is not closed


@pytest.mark.parametrize(
    "header",
    [b"content-length: -1", b"content-length: 9e9", b"content-length: " + b"9" * 5000, b"content-length: 1, 2",
     b"transfer-encoding: gzip", b"a b: c", b": c", b"host: \x01"],
    ids=lambda header: header[:24].decode("latin-1"),
)  # fmt: skip
def test_nonsense_is_a_bad_request(port, header):
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n\r\n")
        assert connection.recv(4096).split()[1] in (b"400", b"501")


def test_cookies_of_all_other_servers_of_the_machine_are_no_obstacle(port):
    cookies = b"; ".join(b'c%d="x,%s' % (number, b"y" * 4000) for number in range(180))
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\ncookie: " + cookies + b"\r\n\r\n")
        assert connection.recv(4096).startswith(ANSWER)
