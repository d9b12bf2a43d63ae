"""A real Orthanc with its DICOMweb plugin on this machine alone, in a folder of its own, with a
password.

By hand:  python tests/shared/orthanc_server.py FOLDER [DICOM FILES...]    (serves until Enter)
"""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from debian_packages import NotInstalled, install

PACKAGES = ("orthanc", "orthanc-dicomweb")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "pass wörd"


class NoOrthanc(Exception):
    """Why there can be no Orthanc on this machine."""


class Orthanc:
    """A server: its address is ``root``, its DICOMweb root ``url``."""

    def __init__(self, folder: Path):
        self.folder = Path(folder).resolve()
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/dicom-web"
        self.process: subprocess.Popen | None = None

    def start(self) -> "Orthanc":
        """Start it, and wait until it answers. Raises :class:`NoOrthanc`."""
        check_programs()
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps({
            "Name": "radcbir-tests", "HttpPort": self.port, "DicomServerEnabled": False,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD}, "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"), "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }))  # fmt: skip
        with open(self.folder / "orthanc.log", "ab") as log:
            self.process = subprocess.Popen(["Orthanc", str(configuration)], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise NoOrthanc(f"it did not start: {self.folder / 'orthanc.log'} says why")
            with contextlib.suppress(OSError):
                self("/system")
                return self
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __call__(self, path: str, content: bytes | None = None, method: str | None = None):
        """What Orthanc's own interface answers."""
        request = urllib.request.Request(self.root + path, content, method=method)
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def upload(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self("/instances", Path(path).read_bytes())

    def delete(self, kind: str, uid: str) -> None:
        """Delete a study, series or instance (``studies``, ...) by its UID."""
        found = self("/tools/lookup", uid.encode())
        self(next(each["Path"] for each in found if f"/{kind}/" in each["Path"]), method="DELETE")


def check_programs() -> None:
    """Install what is missing of Orthanc where that can be done. Raises :class:`NoOrthanc` with the
    reason."""

    def missing() -> bool:
        return shutil.which("Orthanc") is None or not PLUGIN.exists()

    if not missing():
        return
    try:
        install(PACKAGES)
    except NotInstalled as error:
        raise NoOrthanc(str(error)) from None
    if missing():
        raise NoOrthanc(f"apt-get installed no {' and '.join(PACKAGES)}")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


if __name__ == "__main__":
    server = Orthanc(Path(sys.argv[1])).start()
    try:
        server.upload(map(Path, sys.argv[2:]))
        input(f"{server.url}, user {USER!r}, password {PASSWORD!r}; Enter ends it\n")
    finally:
        server.stop()
