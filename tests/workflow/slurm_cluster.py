"""A Slurm of one node for the tests, without systemd, cgroups or accounting, in a folder of its
own.

By hand, as root:  python tests/workflow/slurm_cluster.py up FOLDER    (prints the SLURM_CONF to
export) python tests/workflow/slurm_cluster.py down FOLDER

Keys, sockets, ports, state and logs are the cluster's own. Only /etc/slurm/slurm.conf is shared, as
a link that `stop` takes away again: the job steps that Snakemake starts look for the configuration
there and nowhere else.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))

from debian_packages import NotInstalled, install

SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
NAME = "ClusterName=radcbir-tests"
PROGRAMS = ("slurmctld", "slurmd", "squeue", "munged")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")


class NoSlurm(Exception):
    """Why there can be no Slurm on this machine."""


class Cluster:
    """A running Slurm with one node, which claims more cores and memory than it has so that nothing
    has to wait."""

    def __init__(self, folder: Path, cpus: int = 32, memory: int = 400_000, gpus: int = 8):
        self.folder = Path(folder).resolve()
        self.configuration = self.folder / "slurm.conf"
        self.socket = self.folder / "munge.socket"
        self.node = socket.gethostname().split(".")[0]
        self.cpus, self.memory, self.gpus = cpus, memory, gpus

    def start(self) -> "Cluster":
        """Start munged, slurmctld and slurmd, and wait until the node takes jobs. Raises
        :class:`NoSlurm`."""
        check_programs()
        if SYSTEM_CONFIGURATION.exists() and NAME not in SYSTEM_CONFIGURATION.read_text():
            raise NoSlurm(f"{SYSTEM_CONFIGURATION} belongs to a Slurm of this machine")
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # munged insists on it
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        controller, daemon = free_ports(2)
        self.configuration.write_text(self._configuration(controller, daemon))
        (self.folder / "gres.conf").write_text(
            "".join(
                f"NodeName={self.node} Name=gpu File={self.pretended_gpu(n)}\n"
                for n in range(self.gpus)
            )
        )
        for number in range(self.gpus):
            self.pretended_gpu(number).touch()
        SYSTEM_CONFIGURATION.parent.mkdir(exist_ok=True)
        SYSTEM_CONFIGURATION.unlink(missing_ok=True)
        SYSTEM_CONFIGURATION.symlink_to(self.configuration)
        try:
            self._daemon("munged", "--force", f"--key-file={key}", f"--socket={self.socket}",
                         f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                         f"--seed-file={self.folder}/munged.seed")  # fmt: skip
            self._daemon("slurmctld", "-f", str(self.configuration))
            self.wait_for(lambda: "UP" in self("scontrol", "ping", fails=True))
            self._daemon("slurmd", "-f", str(self.configuration), "-N", self.node)
            self.wait_for(lambda: "idle" in self("sinfo", "--noheader", "--format=%T", fails=True))
        except BaseException:
            self.stop()
            raise
        return self

    def pretended_gpu(self, number: int) -> Path:
        """A file that Slurm counts as a GPU."""
        return self.folder / f"gpu{number}"

    def _configuration(self, controller: int, daemon: int) -> str:
        return f"""\
{NAME}
SlurmctldHost={self.node}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.socket}
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_min_interval=0
ReturnToService=2
MpiDefault=none
MinJobAge=3600
KillWait=2
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={self.folder}/jobs.txt
GresTypes=gpu
NodeName={self.node} NodeAddr=127.0.0.1 CPUs={self.cpus} RealMemory={self.memory} Gres=gpu:{self.gpus} State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP
PartitionName=gpu Nodes=ALL MaxTime=UNLIMITED State=UP
"""

    def _daemon(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise NoSlurm(f"{command[0]} did not start: {done.stderr.strip()[-300:]}")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.configuration)}

    def __call__(self, *command: str, fails: bool = False) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=not fails,
        )
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that there were, the newest last: id, state, partition, comment (the rule),
        nodes, memory, GPUs."""
        keys = ("id", "state", "partition", "comment", "cpus", "memory", "gpus")
        listed = self(
            "squeue", "--all", "--states=all", "--noheader", "--format=%i|%T|%P|%k|%C|%m|%b"
        )
        found = [dict(zip(keys, line.split("|"), strict=True)) for line in listed.splitlines()]
        return sorted(found, key=lambda job: int(job["id"]))

    def wait_for(self, condition, seconds: float = 60) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise NoSlurm(f"not ready after {seconds} s; the logs are in {self.folder}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End every job and daemon, and leave the machine as it was."""
        if self._process("slurmctld"):
            self("scancel", "--user=root", "--full", fails=True)
            with contextlib.suppress(NoSlurm):
                self.wait_for(lambda: not self("squeue", "--noheader", fails=True).strip(), 15)
        for name in ("slurmd", "slurmctld", "munged"):
            if process := self._process(name):
                os.kill(process, signal.SIGTERM)
                with contextlib.suppress(NoSlurm):
                    self.wait_for(lambda name=name: self._process(name) is None, 15)
        if (
            SYSTEM_CONFIGURATION.is_symlink()
            and SYSTEM_CONFIGURATION.readlink() == self.configuration
        ):
            SYSTEM_CONFIGURATION.unlink()

    def _process(self, name: str) -> int | None:
        """The process id of one of the daemons, None where it does not run."""
        try:
            process = int((self.folder / f"{name}.pid").read_text())
            running = f"({name}) Z" not in (status := Path(f"/proc/{process}/stat").read_text())
        except (OSError, ValueError):
            return None
        return process if running and f"({name})" in status else None


def check_programs() -> None:
    """Install what is missing of Slurm where that can be done. Raises :class:`NoSlurm` with the
    reason."""
    if os.geteuid():
        raise NoSlurm("Slurm's daemons have to be started as root")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    try:
        install(PACKAGES)
    except NotInstalled as error:
        raise NoSlurm(str(error)) from None
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise NoSlurm(f"apt-get installed no {', '.join(missing)}")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    action, folder = sys.argv[1:]
    cluster = Cluster(Path(folder))
    if action == "up":
        cluster.start()
        print(f"export SLURM_CONF={cluster.configuration}")
    else:
        cluster.stop()
