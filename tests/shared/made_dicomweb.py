"""A DICOMweb server of a few files that fails as it is told: it ignores queries, cuts answers off,
answers what no server should."""

import contextlib
import json
import re
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
TAGS = {"StudyInstanceUID": "0020000D", "SeriesInstanceUID": "0020000E", "SOPInstanceUID": "00080018", "PatientID": "00100020"}  # fmt: skip
OF_SERIES = {"Modality": "00080060", "SeriesDescription": "0008103E", "SeriesNumber": "00200011"}
OF_INSTANCE = {"InstanceNumber": "00200013"}
TAGS |= OF_SERIES | OF_INSTANCE
BOUNDARY = b"a boundary"


class Made:
    """``fail`` gives, for a path and how many times it was asked for, "cut" (half of the answer),
    "open" (half of it, of no stated length), a status, bytes to send in place of the file, or
    None. ``asked`` counts the requests, and ``headers`` are those of the last one."""

    def __init__(self, paths: list[Path]):
        self.files, self.said = {}, {}
        for path in paths:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            self.files[tuple(str(header[each].value) for each in UIDS)] = (path, str(header.PatientID))  # fmt: skip
            wanted = (OF_SERIES, UIDS[1]), (OF_INSTANCE, UIDS[2])
            for names, uid in wanted:
                said = {each: str(header.get(each)) for each in names if header.get(each)}
                self.said[str(header[uid].value)] = said
        self.fail = lambda path, times: None
        self.asked, self.headers = Counter(), {}
        self.url = ""

    def rows(self, path: str, query: str) -> list[dict] | None:
        """What a search lists; offsets are heeded, and of keys SeriesInstanceUID alone."""
        study, series = (re.search(rf"/{kind}/([^/]+)", path) for kind in ("studies", "series"))
        series = series or re.search(r"SeriesInstanceUID=([\d.]+)", query)
        level = {"studies": 0, "series": 1, "instances": 2}[path.rsplit("/", 1)[1]]
        found = {
            uids[level]: dict(zip(UIDS[: level + 1], uids, strict=False))
            | {"PatientID": patient}
            | self.said.get(uids[level], {})
            for uids, (_, patient) in self.files.items()
            if (not study or study[1] == uids[0]) and (not series or series[1] == uids[1])
        }
        if study and not found:
            return None
        offset = int((re.search(r"offset=(\d+)", query) or [0, 0])[1])
        listed = [{TAGS[name]: {"vr": "UI", "Value": [value]} for name, value in row.items()} for row in found.values()]  # fmt: skip
        return listed[offset : offset + 2]  # fewer than were asked for, as servers may


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody signed, and its key."""
    folder.mkdir()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextlib.contextmanager
def served(paths: list[Path], certificate: tuple[Path, Path] | None = None) -> Iterator[Made]:
    """Serve the files; by https with a certificate and its key."""
    made = Made(paths)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            made.asked[path] += 1
            made.headers = dict(self.headers)
            wanted = re.fullmatch(r"/studies/([^/]+)/series/([^/]+)/instances/([^/]+)", path)
            failure = made.fail(path, made.asked[path])
            if isinstance(failure, int):
                return self.answer(failure, "text/plain", b"no")
            if wanted:
                content = made.files[wanted.groups()][0].read_bytes()
                if isinstance(failure, bytes):
                    content, failure = failure, None
                part = b"Content-Type: application/dicom\r\n\r\n" + content
                body = b"--%s\r\n%s\r\n--%s--\r\n" % (BOUNDARY, part, BOUNDARY)
                kind = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY.decode()}"'  # fmt: skip
                return self.answer(200, kind, body, failure)
            if isinstance(failure, bytes):
                return self.answer(200, "text/html", failure)
            rows = made.rows(path, query)
            if rows is None:
                return self.answer(404, "text/plain", b"no")
            return self.answer(200, "application/dicom+json", json.dumps(rows).encode())

        def answer(self, status, kind, body, failure=None):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if failure != "open":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if failure else body)

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *given: None  # clients that hang up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
