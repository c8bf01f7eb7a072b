"""A Podman service of the tests' own: storage, locks, mounts and socket are its own, and go with it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

START_SECONDS = 30.0
_SETTINGS = """
[containers]
[network]
network_config_dir = "{home}/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "{runtime}"
static_dir = "{home}/static"
tmp_dir = "{home}/tmp"
volume_path = "{home}/volumes"
{more}
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{home}/storage"
runroot = "{home}/run"
"""


def podman_lack() -> str:
    """Return why no service can be started here, or nothing."""
    if os.geteuid() != 0:
        return "only root can start a Podman service with limits everywhere"
    missing = [name for name in ("podman", "unshare") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


class PodmanService:
    """Runs in a mount namespace of its own, so that what it mounts is gone after the block."""

    def __init__(self, more: str = "") -> None:
        """``more``: further lines of the section ``engine`` of its configuration."""
        self._more = more

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="tg-pod-", dir="/tmp"))  # a socket's path has 107 bytes at most
        self.socket = self.home / "podman.sock"
        self.address = f"unix://{self.socket}"
        runtime = "runc" if shutil.which("runc") else "crun"  # crun refuses machines with both cgroup versions
        (self.home / "net").mkdir()
        settings = _SETTINGS.format(home=self.home, runtime=runtime, more=self._more)
        (self.home / "containers.conf").write_text(settings)
        (self.home / "storage.conf").write_text(_STORAGE.format(home=self.home))
        own = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        inherited = {name: value for name, value in os.environ.items() if name != "CONTAINER_HOST"}  # of clients
        environment = inherited | {name: str(self.home / file) for name, file in own.items()}
        # What the machine tells its programs must not reach a container.
        environment |= {"HTTP_PROXY": "http://proxy.invalid:1", "TERM": "dumb"}
        command = ["unshare", "--mount", "--propagation", "private", "podman"]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "system", "service", "--time=0", self.address],
                cwd=self.home,  # where a container that is out of memory leaves a file, ``oom``
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > end or self._process.poll() is not None:
                said = (self.home / "log").read_text()[-2000:]
                self.__exit__()
                raise RuntimeError(f"the Podman service does not start: {said}")
            time.sleep(0.1)
        return self

    def __exit__(self, *error: object) -> None:
        for container in json.loads(self.get("/containers/json?all=1") or "[]"):
            self._ask("DELETE", f"/containers/{container['Id']}?force=1")
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        shutil.rmtree(self.home)

    def answers(self) -> bool:
        """Return whether it takes questions."""
        return self.get("/_ping") == "OK"

    def get(self, path: str) -> str:
        """Return the body of an answer; empty if there was none."""
        return self._ask("GET", path)

    def _ask(self, method: str, path: str) -> str:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(20)
            try:
                talk.connect(str(self.socket))
            except OSError:
                return ""
            talk.sendall(f"{method} {path} HTTP/1.0\r\nHost: podman\r\n\r\n".encode())
            said = b""
            while chunk := talk.recv(1 << 16):
                said += chunk
        return said.partition(b"\r\n\r\n")[2].decode()
