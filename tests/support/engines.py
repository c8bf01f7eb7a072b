"""A second container engine in namespaces of its own, which can be killed without harm to the machine's."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

START_SECONDS = 60.0


def second_engine_lack() -> str:
    """Return why no second engine can be started here, or nothing."""
    if os.geteuid() != 0:
        return "only root can start a second container engine"
    missing = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


class SecondEngine:
    """Holds its own network and mount namespace, storage, socket and containerd; gone after the block."""

    def __init__(self, home: Path) -> None:
        self._home = home
        # Socket paths have 107 bytes at most; a test's directory may use them up.
        self._short = Path("/tmp") / f"engine-{os.getpid()}"
        self.address = f"unix://{self._short}/engine.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._short.mkdir()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        for name in ("shim", "containerd"):
            self._end(name)
        shutil.rmtree(self._short, ignore_errors=True)

    def start(self) -> None:
        """Start it, on the storage of the one before, and wait until it answers."""
        command = ["dockerd", "--data-root", self._home / "data", "--exec-root", self._short / "exec"]
        command += ["--pidfile", self._short / "engine.pid", "--host", self.address]
        command += ["--iptables=false", "--bridge=none", "--ip-masq=false"]
        unshared = ["unshare", "--net", "--mount", *map(str, command)]
        self._home.mkdir(exist_ok=True)
        (self._short / "engine.pid").unlink(missing_ok=True)
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(unshared, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError(f"the second engine does not start: {(self._home / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(self.address.removeprefix("unix://"))
                probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
                return b" 200 " in probe.recv(100)
            except OSError:
                return False

    def kill(self) -> None:
        """Kill the engine; its containerd and its containers go on, as those of any killed engine."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _end(self, name: str) -> None:
        """Kill what the engine left: only processes whose command line names this engine's own folder."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if name in line and str(self._short) in line:
                os.kill(int(path.parent.name), signal.SIGKILL)
