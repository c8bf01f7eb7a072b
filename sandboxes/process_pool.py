"""The ``process`` backend: the same fork server in a child process, without isolation. For trusted code only."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

from sandboxes.api import ImageRef, PoolSpec
from sandboxes.channel import ChannelClosed, wait_readable, wait_writable
from sandboxes.interpreters import Interpreter, find
from sandboxes.pool import SandboxPool
from sandboxes.sandbox import Sandbox, bootstrap_text
from schemas.base import digest
from schemas.errors import EnvironmentLacking

BACKEND = "process"
_EXIT_SECONDS = 5.0
_ERROR_BYTES = 4000


def process_image(python: str | None) -> ImageRef:
    """Return the interpreter (path or version; ``None``: the one running this) as an image."""
    return image_of(find(python))


def image_of(interpreter: Interpreter) -> ImageRef:
    """Return an interpreter as an image: its digest says what a program can see of it, not where it lies."""
    identity = [interpreter.version, interpreter.implementation, interpreter.machine]
    return ImageRef("", digest(identity), interpreter.version, interpreter.executable)


def open_process_pool(spec: PoolSpec, image: ImageRef, *, size: int) -> SandboxPool:
    """Return a pool of fork servers that are children of this process."""
    if not sys.platform.startswith("linux"):
        raise EnvironmentLacking("the process backend needs Linux; use --sandbox docker")
    return SandboxPool(BACKEND, image, spec, partial(_launch, spec, image), size=size, release=_nothing)


def _nothing() -> None:
    """Release what all sandboxes share: nothing."""


def _launch(spec: PoolSpec, image: ImageRef) -> Sandbox:
    scratch = tempfile.mkdtemp(prefix="tracegen-")
    channel = ProcessChannel(image.executable or sys.executable, spec.hash_seed, scratch)
    checkout = str(Path(__file__).parent.parent)
    return Sandbox.start(BACKEND, channel, spec, image, scratch=scratch, contained=False, hidden=checkout)


class ProcessChannel:
    """The standard streams of a child process, which has a session and a directory of its own."""

    def __init__(self, executable: str, hash_seed: int, scratch: str) -> None:
        self._scratch = scratch
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in _forget)
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                [executable, "-S", "-s", "-B", "-c", bootstrap_text()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                cwd=scratch,
                env=_environment(hash_seed),
                start_new_session=True,
            )
        except OSError as error:
            self._forget()
            raise EnvironmentLacking(f"{executable} cannot be run: {error}; give another --python") from error
        self.name = f"pid {self._process.pid}"
        self._in, self._out = self._streams()

    def _streams(self) -> tuple[int, int]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ChannelClosed("the process has no pipes")
        os.set_blocking(self._process.stdin.fileno(), False)
        return self._process.stdin.fileno(), self._process.stdout.fileno()

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of ``data``."""
        view = memoryview(data)
        while view:
            wait_writable(self._in, deadline)
            try:
                view = view[os.write(self._in, view) :]
            except BrokenPipeError as error:
                raise ChannelClosed(self._last_words()) from error

    def receive(self, count: int, deadline: float) -> bytes:
        """Return 1 to ``count`` bytes."""
        wait_readable(self._out, deadline)
        data = os.read(self._out, count)
        if not data:
            raise ChannelClosed(self._last_words())
        return data

    def kill(self) -> None:
        """Kill the server; its jobs die with it (``die_with_parent``)."""
        self._process.kill()

    def close(self) -> None:
        """Close the server's input, on which it kills its jobs and ends; kill it if it does not."""
        with self._lock:
            if self._errors.closed:
                return
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            try:
                self._process.wait(_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._forget()

    def _forget(self) -> None:
        self._errors.close()
        shutil.rmtree(self._scratch, ignore_errors=True)  # in the user's own temporary directory; nothing relies on it

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _ERROR_BYTES))
        return "it ended; " + (self._errors.read().decode("utf-8", "replace").strip() or "it said nothing")


def _environment(hash_seed: int) -> dict[str, str]:
    """Return a small environment: the user's own holds keys that no traced program needs."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"LANG": "C.UTF-8", "PYTHONHASHSEED": str(hash_seed), **kept}
