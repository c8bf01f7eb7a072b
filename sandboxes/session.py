"""The host's side of a session: handshake, a reader thread, commands in flight. Knows no backend."""

import json
import math
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from sandboxes.api import ImageRef
from sandboxes.channel import Channel, ChannelClosed, ChannelTimeout
from sandboxes.guest import frames
from sandboxes.guest import session_frames as wire
from sandboxes.sandbox import GRACE_SECONDS, START_SECONDS, TRANSFER_SECONDS, guest_bundle
from sandboxes.session_api import (
    DEFAULT_LIMITS,
    DEFAULT_SHELL,
    Ability,
    Command,
    CommandResult,
    CommandStatus,
    OnOutput,
    Session,
    SessionSpec,
    Shell,
    ShellSpec,
    Snapshot,
    Stream,
    TransferLimits,
    Transferred,
)
from schemas.errors import BackendCannot, ProtocolViolation, SandboxError, SandboxLost, StartFailed, UsageError

GUEST_MODULE = "session_server"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}
_STATUSES: dict[str, CommandStatus] = {
    status: status for status in ("finished", "timeout", "killed", "out_of_memory", "not_started")
}
_MOST_STDIN = 2**29
_SILENT_SECONDS = 14 * 86400.0
"""A session that says nothing for so long is lost; poll takes no more than 24 days."""

_E = TypeVar("_E", bound=SandboxError)
_Event = tuple[Stream, bytes] | wire.End | SandboxError


class ContainedSession:
    """One sandbox whose session server said hello; implements ``session_api.Session``."""

    def __init__(
        self, backend: str, channel: Channel, spec: SessionSpec, image: ImageRef, release: Callable[[], None]
    ) -> None:
        """Take over ``channel`` and shake hands; both are given up if that fails. Raises ``StartFailed``."""
        self.backend = backend
        self.image = image
        self.spec = spec
        self._channel = channel
        self._release = release
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._commands: dict[int, SimpleQueue[_Event]] = {}
        self._number = 0
        self._lost: SandboxError | None = None
        self._closed = False
        try:
            self.check = self._shake_hands()
        except BaseException:
            channel.close()
            raise
        self._reader = threading.Thread(target=self._read, name=f"session-{channel.name}", daemon=True)
        self._reader.start()

    def exec(self, command: Command, *, on_output: OnOutput | None = None) -> CommandResult:
        """Run one command. Raises ``UsageError``, ``SandboxLost`` and ``ProtocolViolation``."""
        order = _order(command, self.spec)
        number, events = self._enrol()
        deadline = time.monotonic() + command.wall_seconds + GRACE_SECONDS
        try:
            text = json.dumps(order._asdict()).encode()
            if len(text) > wire.ORDER_BYTES:
                raise UsageError(f"the command's arguments take {len(text)} bytes; at most {wire.ORDER_BYTES}")
            self._send(frames.pack(wire.EXEC, wire.EXEC_HEAD.pack(number, len(text)), text, command.stdin))
            return self._collect(number, events, command, deadline, on_output)
        finally:
            with self._lock:
                del self._commands[number]

    @property
    def abilities(self) -> frozenset[Ability]:
        """Return what this session can do beside ``exec``."""
        return frozenset()

    def shell(self, spec: ShellSpec = DEFAULT_SHELL) -> Shell:
        """Not offered yet."""
        raise self._cannot("shell")

    def put(
        self, path: str, source: bytes | Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Not offered yet."""
        raise self._cannot("put")

    def put_archive(
        self, path: str, archive: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Not offered yet."""
        raise self._cannot("put_archive")

    def get(self, path: str, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS) -> bytes:
        """Not offered yet."""
        raise self._cannot("get")

    def get_tree(
        self, path: str, target: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Not offered yet."""
        raise self._cannot("get_tree")

    def snapshot(self) -> Snapshot:
        """Not offered: the sandbox's maker knows whether its files can be kept."""
        raise self._cannot("snapshot")

    def fork(self, snapshot: Snapshot | None = None) -> Session:
        """Not offered, as ``snapshot``."""
        raise self._cannot("fork")

    def reset(self, snapshot: Snapshot | None = None) -> None:
        """Not offered, as ``snapshot``."""
        raise self._cannot("reset")

    def _cannot(self, deed: str) -> BackendCannot:
        able = ", ".join(sorted(self.abilities)) or "nothing beside exec"
        return BackendCannot(f"this {self.backend} session does not offer {deed}; it offers {able}")

    def close(self) -> None:
        """End every command and remove the sandbox."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._channel.kill()
        self._reader.join()  # before the connection that it reads from is closed
        self._channel.close()
        self._release()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _enrol(self) -> tuple[int, "SimpleQueue[_Event]"]:
        with self._lock:
            if self._closed:
                raise UsageError("the session is closed; open another")
            if self._lost is not None:
                raise self._again(self._lost)
            self._number += 1
            events: SimpleQueue[_Event] = SimpleQueue()
            self._commands[self._number] = events
            return self._number, events

    def _collect(
        self,
        number: int,
        events: "SimpleQueue[_Event]",
        command: Command,
        deadline: float,
        on_output: OnOutput | None,
    ) -> CommandResult:
        kept: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        try:
            while True:
                event = events.get(timeout=max(0.0, deadline - time.monotonic()))
                if isinstance(event, SandboxError):
                    raise self._again(event)
                if isinstance(event, wire.End):
                    return _result(event, kept)
                stream, data = event
                kept[stream] += data
                if len(kept[stream]) > command.output_bytes:
                    raise self._violation(f"more than {command.output_bytes} bytes of {stream}")
                if on_output is not None:
                    on_output(stream, data)
        except Empty:
            self._channel.kill()
            message = f"a command was not reported within {GRACE_SECONDS:g} s of its time-out; the session is ended"
            raise self._error(SandboxLost, message, "run") from None
        except ProtocolViolation:
            self._channel.kill()
            raise
        except SandboxError:
            raise
        except BaseException:  # the caller's callback, or an interrupt: nobody waits for the command any more
            self._send(frames.pack(wire.KILL, wire.NUMBER.pack(number)))
            raise

    def _shake_hands(self) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        opening = wire.Opening(frames.PROTOCOL, secrets.token_hex(16), self.spec.workdir)
        try:
            self._channel.send(frames.pack(frames.GUEST, guest_bundle()), deadline)
            self._channel.send(frames.pack(frames.START, json.dumps(opening._asdict()).encode()), deadline)
            kind, body = self._frame(deadline)
            hello = json.loads(body) if kind == frames.HELLO else {}
        except (ChannelClosed, ChannelTimeout) as error:
            raise self._error(StartFailed, f"the session did not start: {error}", "start") from error
        except ValueError as error:
            raise self._error(ProtocolViolation, f"no frame of a session: {error}", "start") from error
        if kind == frames.FAILED:
            raise self._error(StartFailed, f"the session did not start: {_text(body)}", "start")
        if not isinstance(hello, dict) or hello.get("nonce") != opening.nonce:
            raise self._error(ProtocolViolation, f"frame {kind} where a greeting was due", "start")
        check: dict[str, Any] = hello["check"]
        return check

    def _read(self) -> None:
        """Hand each frame to its command until the channel ends (the reader thread)."""
        try:
            while True:
                self._dispatch(*self._frame(time.monotonic() + _SILENT_SECONDS))
        except (ChannelClosed, ChannelTimeout) as error:
            lost: SandboxError = self._error(SandboxLost, f"the session was lost: {error}", "run")
        except (ValueError, TypeError) as error:
            lost = self._violation(str(error))
        except SandboxError as error:
            lost = error
        with self._lock:
            self._lost = lost
            waiting = list(self._commands.values())
        for events in waiting:
            events.put(lost)

    def _dispatch(self, kind: int, body: bytes) -> None:
        if kind == frames.FAILED:
            raise self._error(SandboxLost, f"the session server failed: {_text(body)}", "run")
        event: _Event
        if kind == wire.OUTPUT and len(body) >= wire.OUTPUT_HEAD.size:
            number, stream = wire.OUTPUT_HEAD.unpack_from(body)
            event = (_stream(stream), body[wire.OUTPUT_HEAD.size :])
        elif kind == wire.ENDED and len(body) >= wire.NUMBER.size:
            (number,) = wire.NUMBER.unpack_from(body)
            event = wire.End(**json.loads(body[wire.NUMBER.size :]))
            if event.status not in _STATUSES:
                raise ValueError(f"an unknown status {event.status!r}")
        else:
            raise ValueError(f"frame {kind} of {len(body)} bytes is out of turn")
        with self._lock:
            events = self._commands.get(number)
        if events is not None:  # else its caller gave it up
            events.put(event)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        head = frames.read_exact(lambda count: self._channel.receive(count, deadline), frames.HEAD.size)
        length, kind = frames.HEAD.unpack(head)
        most = wire.CHUNK_BYTES + frames.JSON_BYTES
        if length > most:
            raise ValueError(f"a frame of type {kind} announces {length} bytes; at most {most} are allowed")
        rest = time.monotonic() + TRANSFER_SECONDS
        return kind, frames.read_exact(lambda count: self._channel.receive(count, rest), length)

    def _send(self, data: bytes) -> None:
        try:
            with self._sending:
                self._channel.send(data, time.monotonic() + TRANSFER_SECONDS)
        except (ChannelClosed, ChannelTimeout) as error:
            self._channel.kill()  # half a frame may be on its way
            raise self._error(SandboxLost, f"the session was lost: {error}", "send") from error

    def _violation(self, message: str) -> ProtocolViolation:
        return self._error(ProtocolViolation, f"the session server: {message}", "receive")

    def _again(self, error: SandboxError) -> SandboxError:
        """Return a new exception like ``error``, which several threads may be about to raise."""
        return self._error(type(error), str(error), error.phase)

    def _error(self, kind: type[_E], message: str, phase: str) -> _E:
        return kind(message, backend=self.backend, container=self._channel.name, phase=phase, retryable=True)


def _order(command: Command, spec: SessionSpec) -> wire.Order:
    """Return a command in full. Raises ``UsageError``."""
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": spec.workdir, **spec.environment, **command.environment}
    texts = [*command.argv, *environment, *environment.values(), command.cwd]
    if not command.argv or any("\0" in text for text in texts) or any("=" in name or not name for name in environment):
        raise UsageError("a command needs a program; no text may hold NUL, no variable's name be empty or hold '='")
    if not 0 < command.wall_seconds < math.inf or command.output_bytes < 0 or not 0 <= command.user < 2**31:
        raise UsageError("wall_seconds must be above 0 and finite, output_bytes and user not below 0")
    if len(command.stdin) > _MOST_STDIN:
        raise UsageError(f"stdin has {len(command.stdin)} bytes; at most {_MOST_STDIN} can be sent")
    return wire.Order(
        argv=list(command.argv),
        wall_seconds=command.wall_seconds,
        cwd=command.cwd or spec.workdir,
        environment=environment,
        user=command.user,
        output_bytes=command.output_bytes,
        memory_bytes=command.memory_bytes,
    )


def _result(end: wire.End, kept: dict[Stream, bytearray]) -> CommandResult:
    return CommandResult(
        status=_STATUSES[end.status],
        exit_code=end.exit_code,
        signal=end.signal,
        stdout=bytes(kept["stdout"]),
        stderr=bytes(kept["stderr"]) or end.message.encode(),
        stdout_dropped=end.stdout_dropped,
        stderr_dropped=end.stderr_dropped,
        wall_seconds=end.wall_seconds,
        cpu_seconds=end.cpu_seconds,
        max_rss_bytes=end.max_rss_bytes,
        swept=end.swept,
    )


def _stream(number: int) -> Stream:
    if number not in _STREAMS:
        raise ValueError(f"output of stream {number}")
    return _STREAMS[number]


def _text(body: bytes) -> str:
    return body[: frames.JSON_BYTES].decode("utf-8", "replace")
