"""The host's side of a shell in a session."""

import dataclasses
import json
import math
import threading
import time
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from sandboxes.guest import session_frames as wire
from sandboxes.sandbox import GRACE_SECONDS
from sandboxes.session_api import OnOutput, ShellResult, Stream
from sandboxes.session_link import Event, Said, SessionLink
from schemas.errors import SandboxError, UsageError

_START_SECONDS = 30.0


class ContainedShell:
    """One shell under a supervisor of its own; implements ``session_api.Shell``."""

    def __init__(self, link: SessionLink, number: int, events: "SimpleQueue[Event]") -> None:
        """Wait until the shell answers. Raises ``UsageError`` if it does not start."""
        self._link = link
        self._number = number
        self._events = events
        self._turn = threading.Lock()
        self._end: wire.End | None = None
        self._closed = False
        first = self.run("", wall_seconds=_START_SECONDS)
        if not first.alive:
            self.close()
            raise UsageError(f"no shell starts in this session: {first.stderr.decode('utf-8', 'replace') or first}")

    def run(
        self, text: str, *, wall_seconds: float, output_bytes: int = 10 * 2**20, on_output: OnOutput | None = None
    ) -> ShellResult:
        """Run shell text; standard input is empty. Raises ``UsageError``, ``SandboxLost`` and ``ProtocolViolation``.

        If ``on_output`` raises, the shell is killed.
        """
        if not 0 < wall_seconds < math.inf or output_bytes < 0 or "\0" in text:
            raise UsageError("wall_seconds must be above 0 and finite, output_bytes not below 0; no text holds NUL")
        data = text.encode("utf-8", "surrogateescape")
        if len(data) > wire.TEXT_BYTES:
            raise UsageError(f"the text has {len(data)} bytes; a shell takes {wire.TEXT_BYTES}: put it into a file")
        with self._turn:
            if self._closed:
                raise UsageError("the shell is closed; open another")
            if self._end is not None:
                return dataclasses.replace(_died(self._end, _nothing()), status="died", wall_seconds=0.0, killed=0)
            head = json.dumps(wire.Text(wall_seconds, output_bytes)._asdict()).encode()
            self._link.send(wire.RUN, wire.EXEC_HEAD.pack(self._number, len(head)), head, data)
            return self._collect(wall_seconds, output_bytes, on_output)

    def close(self) -> None:
        """Kill the shell and all it started."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            try:
                if self._end is None:
                    self._link.kill(self._number)
                    self._await_end()
            except (SandboxError, UsageError):
                pass  # the session is over, and the shell with it
            finally:
                self._link.leave(self._number)

    def __enter__(self) -> Self:
        """Return the shell."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _collect(self, wall_seconds: float, output_bytes: int, on_output: OnOutput | None) -> ShellResult:
        deadline = time.monotonic() + wall_seconds + GRACE_SECONDS
        kept = _nothing()
        try:
            while True:
                event = self._link.event(self._events, deadline, "a text for a shell")
                if isinstance(event, wire.Ran):
                    return _ran(event, kept)
                if isinstance(event, wire.End):
                    self._end = event
                    return _died(event, kept)
                if not isinstance(event, Said):
                    raise self._link.violation("a shell was answered like a transfer")
                stream, data = event
                kept[stream] += data
                if len(kept[stream]) > output_bytes:
                    raise self._link.violation(f"more than {output_bytes} bytes of {stream}")
                if on_output is not None:
                    on_output(stream, data)
        except SandboxError:
            raise
        except BaseException:  # the caller's callback, or an interrupt: what the shell does now is anybody's guess
            self._link.kill(self._number)
            self._await_end()
            raise

    def _await_end(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        while self._end is None:
            event = self._link.event(self._events, deadline, "the end of a shell")
            if isinstance(event, wire.End):
                self._end = event


def _nothing() -> dict[Stream, bytearray]:
    return {"stdout": bytearray(), "stderr": bytearray()}


def _ran(ran: wire.Ran, kept: dict[Stream, bytearray]) -> ShellResult:
    return ShellResult(
        status="timeout" if ran.timed_out else "finished",
        alive=True,
        exit_code=ran.exit_code,
        stdout=bytes(kept["stdout"]),
        stderr=bytes(kept["stderr"]),
        stdout_dropped=ran.stdout_dropped,
        stderr_dropped=ran.stderr_dropped,
        wall_seconds=ran.wall_seconds,
        killed=ran.killed,
        out_of_memory=ran.out_of_memory,
    )


def _died(end: wire.End, kept: dict[Stream, bytearray]) -> ShellResult:
    return ShellResult(
        status="timeout" if end.status == "timeout" else "died",
        alive=False,
        exit_code=end.exit_code,
        signal=end.signal,
        stdout=bytes(kept["stdout"]),
        stderr=bytes(kept["stderr"]) or end.message.encode(),
        stdout_dropped=end.stdout_dropped,
        stderr_dropped=end.stderr_dropped,
        wall_seconds=end.wall_seconds,
        killed=end.swept,
        out_of_memory=end.status == "out_of_memory",
    )
