"""A record of published archives on this machine, whose connections can be cut."""

import hashlib
import http.server
import json


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files`` by name with ranges, and the record of them; the next bodies are cut
    after ``server.cuts``."""

    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2]
        server.asked.append((self.path, self.headers.get("Range")))
        if name == "record":
            body = json.dumps({"files": server.record()}).encode()
        elif name in server.files:
            body = server.files[name]
        else:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        body = body[start:]
        if name != "record" and server.cuts:
            body = body[: server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Record(http.server.ThreadingHTTPServer):
    """A record of archives on this machine."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Server)
        self.files, self.cuts, self.asked, self.changes = {}, [], [], {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def record(self):
        """The list of files as Zenodo's API gives it, with ``changes`` to any entry."""
        return [
            {
                "key": name,
                "size": len(content),
                "checksum": "md5:" + hashlib.md5(content).hexdigest(),
                "links": {"self": f"{self.url}/files/{name}"},
            }
            | self.changes.get(name, {})
            for name, content in self.files.items()
        ]
