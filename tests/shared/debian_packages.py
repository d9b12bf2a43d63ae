"""Programs of Debian that tests start, installed where that can be done."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Sequence

SECONDS = 120
"""How long an installation may take."""


class NotInstalled(Exception):
    """Why programs are not there; the message says it in a few words."""


def install(packages: Sequence[str]) -> None:
    """Install Debian packages, one process at a time. Raises :class:`NotInstalled`."""
    if os.geteuid() or shutil.which("apt-get") is None:
        raise NotInstalled(f"{', '.join(packages)} cannot be installed without root and apt-get")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with open("/tmp/radcbir-tests-apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        end = time.monotonic() + SECONDS
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", *packages],
        ):
            named = f"`{' '.join(command[:2])}`"
            try:
                done = subprocess.run(
                    command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                    timeout=max(1.0, end - time.monotonic()),
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise NotInstalled(f"{named} took more than two minutes") from None
            if done.returncode:
                raise NotInstalled(f"{named} failed: {done.stderr.strip()[-200:]}")
