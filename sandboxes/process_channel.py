"""A child process whose standard streams are a fork server's channel."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence

from sandboxes.channel import ChannelClosed, wait_readable, wait_writable

_EXIT_SECONDS = 5.0
_ERROR_BYTES = 4000


class ProcessChannel:
    """The standard streams of a child process, which has a session of its own.

    ``forget`` runs once when the process is gone, also if it could not be started; ``OSError`` says why that was.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str,
        forget: Callable[[], None],
        descriptors: Sequence[int] = (),
    ) -> None:
        self._forget_more = forget
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in _forget)
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                cwd=directory,
                env=environment,
                start_new_session=True,
                pass_fds=descriptors,
            )
        except OSError:
            self._forget()
            raise
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
                raise ChannelClosed(self._ended()) from error

    def receive(self, count: int, deadline: float) -> bytes:
        """Return 1 to ``count`` bytes."""
        wait_readable(self._out, deadline)
        data = os.read(self._out, count)
        if not data:
            raise ChannelClosed(self._ended())
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
        self._forget_more()

    def last_words(self) -> str:
        """Return the end of what the process said on standard error; empty once the channel is closed."""
        if self._errors.closed:
            return ""
        end = os.fstat(self._errors.fileno()).st_size  # not by seeking: the process writes at the same offset
        start = max(0, end - _ERROR_BYTES)
        return os.pread(self._errors.fileno(), end - start, start).decode("utf-8", "replace").strip()

    def exit_code(self) -> int | None:
        """Return how the process ended; ``None`` while it runs."""
        return self._process.poll()

    def _ended(self) -> str:
        return "it ended; " + (self.last_words() or "it said nothing")
