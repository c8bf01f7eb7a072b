"""The host's end of a session's channel: handshake, a reader thread, numbered conversations. Knows no backend."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sandboxes.channel import Channel, ChannelClosed, ChannelTimeout
from sandboxes.guest import frames
from sandboxes.guest import session_frames as wire
from sandboxes.sandbox import GRACE_SECONDS, START_SECONDS, TRANSFER_SECONDS, guest_bundle
from sandboxes.session_api import CommandStatus, Stream
from schemas.errors import ProtocolViolation, SandboxError, SandboxLost, StartFailed, UsageError

STATUSES: dict[str, CommandStatus] = {
    status: status for status in ("finished", "timeout", "killed", "out_of_memory", "not_started")
}
_STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}
_SILENT_SECONDS = 14 * 86400.0
"""A session that says nothing for so long is lost; poll takes no more than 24 days."""

_E = TypeVar("_E", bound=SandboxError)


class Said(NamedTuple):
    """Output."""

    stream: Stream
    data: bytes


Event = Said | wire.End | wire.Ran | int | SandboxError
"""Output, the end of a command or a text, bytes that a transfer took, or the end of the session."""


class SessionLink:
    """Hands what comes from one session server to those who wait for it. Thread-safe."""

    def __init__(self, backend: str, channel: Channel, workdir: str, owner: int = -1) -> None:
        """Take over ``channel`` and shake hands; it is closed if that fails. Raises ``StartFailed``."""
        self._backend = backend
        self._channel = channel
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._conversations: dict[int, SimpleQueue[Event]] = {}
        self._number = 0
        self._lost: SandboxError | None = None
        self._closed = False
        try:
            self.check = self._shake_hands(workdir, owner)
        except BaseException:
            channel.close()
            raise
        self._reader = threading.Thread(target=self._read, name=f"session-{channel.name}", daemon=True)
        self._reader.start()

    @property
    def name(self) -> str:
        """Return the sandbox's name, for messages."""
        return self._channel.name

    @property
    def over(self) -> bool:
        """Return whether nothing can be asked any more."""
        with self._lock:
            return self._closed or self._lost is not None

    def close(self) -> bool:
        """End the sandbox; return whether it was open."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
        self._channel.kill()
        self._reader.join()  # before the connection that it reads from is closed
        self._channel.close()
        return True

    def lose(self, error: SandboxError) -> None:
        """End the sandbox; ``error`` is what everybody gets who waits for it or comes later."""
        with self._lock:
            self._lost = self._lost or error
        self._channel.kill()

    def enrol(self) -> tuple[int, "SimpleQueue[Event]"]:
        """Begin a conversation. Raises ``UsageError`` and ``SandboxLost``."""
        with self._lock:
            if self._closed:
                raise UsageError("the session is closed; open another")
            if self._lost is not None:
                raise again(self._lost)
            self._number += 1
            events: SimpleQueue[Event] = SimpleQueue()
            self._conversations[self._number] = events
            return self._number, events

    def leave(self, number: int) -> None:
        """End a conversation; what comes of it later is dropped."""
        with self._lock:
            self._conversations.pop(number, None)

    def send(self, kind: int, *parts: bytes) -> None:
        """Send one frame. Raises ``SandboxLost``, also if the session was lost before."""
        data = frames.pack(kind, *parts)
        self._raise_lost()
        try:
            with self._sending:
                self._channel.send(data, time.monotonic() + TRANSFER_SECONDS)
        except (ChannelClosed, ChannelTimeout) as error:
            self._channel.kill()  # half a frame may be on its way
            self._raise_lost()
            raise self.error(SandboxLost, f"the session was lost: {error}", "send") from error

    def _raise_lost(self) -> None:
        with self._lock:
            lost = self._lost
        if lost is not None:
            raise again(lost)

    def kill(self, number: int) -> None:
        """Have a command, transfer or shell killed."""
        self.send(wire.KILL, wire.NUMBER.pack(number))

    def event(self, events: "SimpleQueue[Event]", deadline: float, what: str) -> Event:
        """Return what comes next, but errors, which are raised. Ends a session that is silent too long."""
        try:
            event = events.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            self._channel.kill()
            message = f"{what} was not reported within {GRACE_SECONDS:g} s of its time-out; the session is ended"
            raise self.error(SandboxLost, message, "run") from None
        if isinstance(event, SandboxError):
            raise again(event)
        return event

    def violation(self, message: str) -> ProtocolViolation:
        """End a sandbox that does not keep to the protocol; return what to raise."""
        self._channel.kill()
        return self.error(ProtocolViolation, f"the session server: {message}", "receive")

    def error(self, kind: type[_E], message: str, phase: str, *, retryable: bool = True) -> _E:
        """Return an exception that says whose it is."""
        return kind(message, backend=self._backend, container=self._channel.name, phase=phase, retryable=retryable)

    def _shake_hands(self, workdir: str, owner: int) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        opening = wire.Opening(frames.PROTOCOL, secrets.token_hex(16), workdir, owner)
        try:
            self._channel.send(frames.pack(frames.GUEST, guest_bundle()), deadline)
            self._channel.send(frames.pack(frames.START, json.dumps(opening._asdict()).encode()), deadline)
            kind, body = self._frame(deadline)
            hello = json.loads(body) if kind == frames.HELLO else {}
        except (ChannelClosed, ChannelTimeout) as error:
            raise self.error(StartFailed, f"the session did not start: {error}", "start") from error
        except ValueError as error:
            raise self.error(ProtocolViolation, f"no frame of a session: {error}", "start") from error
        if kind == frames.FAILED:
            raise self.error(StartFailed, f"the session did not start: {_text(body)}", "start")
        if not isinstance(hello, dict) or hello.get("nonce") != opening.nonce:
            raise self.error(ProtocolViolation, f"frame {kind} where a greeting was due", "start")
        check: dict[str, Any] = hello["check"]
        return check

    def _read(self) -> None:
        """Hand each frame to its conversation until the channel ends (the reader thread)."""
        try:
            while True:
                number, event = _parse(*self._frame(time.monotonic() + _SILENT_SECONDS))
                if isinstance(event, str):
                    raise self.error(SandboxLost, f"the session server failed: {event}", "run")
                with self._lock:
                    events = self._conversations.get(number)
                if events is not None:  # else its caller gave it up
                    events.put(event)
        except (ChannelClosed, ChannelTimeout) as error:
            lost: SandboxError = self.error(SandboxLost, f"the session was lost: {error}", "run")
        except (ValueError, TypeError) as error:
            lost = self.error(ProtocolViolation, f"the session server: {error}", "receive")
        except SandboxError as error:
            lost = error
        with self._lock:
            self._lost = lost = self._lost or lost
            waiting = list(self._conversations.values())
        for events in waiting:
            events.put(lost)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        head = frames.read_exact(lambda count: self._channel.receive(count, deadline), frames.HEAD.size)
        length, kind = frames.HEAD.unpack(head)
        most = wire.CHUNK_BYTES + frames.JSON_BYTES
        if length > most:
            raise ValueError(f"a frame of type {kind} announces {length} bytes; at most {most} are allowed")
        rest = time.monotonic() + TRANSFER_SECONDS
        return kind, frames.read_exact(lambda count: self._channel.receive(count, rest), length)


def again(error: _E) -> _E:
    """Return a new exception like ``error``, which several threads may be about to raise."""
    kind: Callable[..., _E] = type(error)
    return kind(
        str(error),
        backend=error.backend,
        container=error.container,
        phase=error.phase,
        retryable=error.retryable,
    )


def _parse(kind: int, body: bytes) -> tuple[int, Event | str]:
    """Return whose a frame is and what it says; a text if the server failed. Raises ``ValueError``, ``TypeError``."""
    if kind == frames.FAILED:
        return 0, _text(body)
    if len(body) < wire.NUMBER.size:
        raise ValueError(f"frame {kind} of {len(body)} bytes is out of turn")
    (number,) = wire.NUMBER.unpack_from(body)
    rest = body[wire.NUMBER.size :]
    if kind == wire.OUTPUT and rest and rest[0] in _STREAMS:
        return number, Said(_STREAMS[rest[0]], rest[1:])
    if kind == wire.CREDIT and len(body) == wire.CREDIT_HEAD.size:
        return number, int(wire.CREDIT_HEAD.unpack(body)[1])
    if kind == wire.RAN:
        return number, wire.Ran(**json.loads(rest))
    if kind == wire.ENDED:
        end = wire.End(**json.loads(rest))
        if end.status not in STATUSES:
            raise ValueError(f"an unknown status {end.status!r}")
        return number, end
    raise ValueError(f"frame {kind} of {len(body)} bytes is out of turn")


def _text(body: bytes) -> str:
    return body[: frames.JSON_BYTES].decode("utf-8", "replace")
