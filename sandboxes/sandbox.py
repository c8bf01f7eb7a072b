"""The host's side of one fork server: handshake, one job at a time, strict about what comes back."""

import json
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from sandboxes.api import ImageRef, JobOutcome, JobStatus, PoolJob, PoolSpec
from sandboxes.bundle import bundle
from sandboxes.channel import Channel, ChannelClosed, ChannelTimeout
from sandboxes.guest import frames
from sandboxes.guest.settings import Settings
from schemas.errors import ProtocolViolation, SandboxLost, StartFailed

GUEST_NAME = "_tracegen_sandbox"
START_SECONDS = 60.0
GRACE_SECONDS = 15.0
"""For the server to kill, clean up and begin to answer, on a busy machine."""
TRANSFER_SECONDS = 60.0
"""For the body of a frame whose head has come."""
IDLE_SECONDS = 3600.0
SERVER_PROCESSES = 4
"""Of a sandbox's processes, those kept back: init, the server and what it forks to clean up."""
_E = TypeVar("_E", StartFailed, SandboxLost, ProtocolViolation)
_STATUSES: dict[str, JobStatus] = {
    status: status for status in ("finished", "timeout", "killed", "output_limit", "out_of_memory", "guest_fault")
}


def guest_bundle() -> bytes:
    """Return the zip of the fork server."""
    return bundle(Path(frames.__file__).parent, GUEST_NAME)


def bootstrap_text() -> str:
    """Return what ``python -c`` runs in a sandbox."""
    return Path(frames.__file__).with_name("bootstrap.py").read_text(encoding="utf-8")


@dataclass(slots=True, eq=False)
class Sandbox:
    """One fork server that said hello. After any exception from ``run`` it must be closed."""

    backend: str
    channel: Channel
    result_bytes: int
    check: dict[str, Any]
    """What the server saw of its sandbox; empty where there is none."""
    jobs: int = 0
    used: float = field(default_factory=time.monotonic)
    anomaly: str = ""
    """Why it must not run another job."""

    @classmethod
    def start(
        cls,
        backend: str,
        channel: Channel,
        spec: PoolSpec,
        image: ImageRef,
        *,
        scratch: str,
        contained: bool,
        hidden: str,
        own_users: bool | None = None,
    ) -> Self:
        """Shake hands over a channel whose server has just started; closes the channel if that fails.

        ``own_users``: whether each job gets a uid of its own (``None``: if it is contained).
        """
        settings = Settings(
            protocol=frames.PROTOCOL,
            nonce=secrets.token_hex(16),
            entry=spec.entry,
            scratch=scratch,
            contained=contained,
            own_users=contained if own_users is None else own_users,
            slot=secrets.randbelow(2**31),
            jobs=spec.jobs_per_sandbox,
            processes=spec.processes - SERVER_PROCESSES,
            result_bytes=spec.result_bytes,
            idle_seconds=IDLE_SECONDS,
            hidden=hidden,
        )
        sandbox = cls(backend=backend, channel=channel, result_bytes=spec.result_bytes, check={})
        try:
            sandbox.check = sandbox._shake_hands(settings, spec.preload, image)
        except BaseException:
            channel.close()
            raise
        return sandbox

    def _shake_hands(self, settings: Settings, preload: bytes, image: ImageRef) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        self._send(frames.pack(frames.GUEST, guest_bundle()), deadline, "start")
        self._send(frames.pack(frames.START, settings.to_json()), deadline, "start")
        self._send(frames.pack(frames.PRELOAD, preload), deadline, "start")
        kind, body = self._frame(frames.JSON_BYTES, deadline, "start")
        if kind == frames.FAILED:
            raise self._error(StartFailed, f"the sandbox did not start: {_message(body)}", "start", retryable=False)
        hello = self._object(body, "start")
        if kind != frames.HELLO or hello.get("nonce") != settings.nonce:
            raise self._error(ProtocolViolation, f"frame {kind} where a greeting was due", "start", retryable=False)
        if hello.get("python") != image.python:
            message = f"the image {image.reference!r} runs Python {hello.get('python')}, not {image.python} as it said"
            raise self._error(StartFailed, message, "start", retryable=False)
        check: dict[str, Any] = hello["check"]
        return check

    def run(self, job: PoolJob) -> JobOutcome:
        """Run one job. Raises ``SandboxLost`` and ``ProtocolViolation``."""
        self.jobs += 1
        head = frames.JOB_HEAD.pack(self.jobs, job.wall_seconds, job.memory_bytes or 0)
        self._send(frames.pack(frames.JOB, head, job.payload), time.monotonic() + TRANSFER_SECONDS, "send")
        most = frames.OUTCOME_HEAD.size + frames.JSON_BYTES + self.result_bytes + 2 * frames.STREAM_BYTES
        kind, body = self._frame(most, time.monotonic() + job.wall_seconds + GRACE_SECONDS, "run")
        if kind == frames.FAILED:
            raise self._error(SandboxLost, f"the fork server failed: {_message(body)}", "run", retryable=True)
        if kind != frames.OUTCOME:
            raise self._error(ProtocolViolation, f"frame {kind} where an outcome was due", "receive", retryable=True)
        try:
            outcome, self.anomaly = _outcome(body, self.jobs, self.result_bytes)
        except (ValueError, TypeError, struct.error) as error:
            raise self._error(ProtocolViolation, f"malformed outcome: {error}", "receive", retryable=True) from error
        self.used = time.monotonic()
        return outcome

    def _send(self, data: bytes, deadline: float, phase: str) -> None:
        try:
            self.channel.send(data, deadline)
        except (ChannelClosed, ChannelTimeout) as error:
            raise self._lost(error, phase) from error

    def _frame(self, most: int, deadline: float, phase: str) -> tuple[int, bytes]:
        try:
            length, kind = frames.HEAD.unpack(frames.read_exact(self._reader(deadline), frames.HEAD.size))
            if length > most:
                message = f"a frame of type {kind} announces {length} bytes; at most {most} are allowed"
                raise self._error(ProtocolViolation, message, "receive", retryable=True)
            return kind, frames.read_exact(self._reader(time.monotonic() + TRANSFER_SECONDS), length)
        except (ChannelClosed, ChannelTimeout) as error:
            raise self._lost(error, phase) from error

    def _reader(self, deadline: float) -> Callable[[int], bytes]:
        return lambda count: self.channel.receive(count, deadline)

    def _lost(self, error: Exception, phase: str) -> StartFailed | SandboxLost:
        message = f"the sandbox {self.channel.name} was lost: {error}"
        if phase == "start":
            return self._error(StartFailed, message, phase, retryable=True)
        return self._error(SandboxLost, message, phase, retryable=True)

    def _object(self, body: bytes, phase: str) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except ValueError as error:
            raise self._error(ProtocolViolation, f"a body is not JSON: {error}", phase, retryable=True) from error
        if not isinstance(value, dict):
            raise self._error(ProtocolViolation, "a body is not a JSON object", phase, retryable=True)
        return value

    def _error(self, kind: type[_E], message: str, phase: str, *, retryable: bool) -> _E:
        return kind(message, backend=self.backend, container=self.channel.name, phase=phase, retryable=retryable)


def _message(body: bytes) -> str:
    return body[: frames.JSON_BYTES].decode("utf-8", "replace")


def _outcome(body: bytes, job: int, result_bytes: int) -> tuple[JobOutcome, str]:
    """Parse an ``OUTCOME`` body into the outcome and the anomaly. Raises ``ValueError``, ``TypeError``."""
    (length,) = frames.OUTCOME_HEAD.unpack_from(body)
    rest = memoryview(body)[frames.OUTCOME_HEAD.size + length :]
    head = frames.OutcomeHead(**json.loads(body[frames.OUTCOME_HEAD.size :][:length]))
    if head.job != job:
        raise ValueError(f"an outcome of job {head.job}, not {job}")
    if head.status not in _STATUSES:
        raise ValueError(f"an unknown status {head.status!r}")
    sizes = (head.result, head.stdout, head.stderr)
    if any(type(size) is not int or size < 0 for size in sizes) or sum(sizes) != len(rest):
        raise ValueError(f"sizes {sizes} for {len(rest)} bytes")
    if head.result > result_bytes:
        raise ValueError(f"a result of {head.result} bytes; at most {result_bytes} are allowed")
    outcome = JobOutcome(
        status=_STATUSES[head.status],
        result=bytes(rest[: head.result]),
        stdout=bytes(rest[head.result : head.result + head.stdout]),
        stderr=bytes(rest[head.result + head.stdout :]),
        exit_code=head.exit_code,
        signal=head.signal,
        wall_seconds=head.wall_seconds,
        cpu_seconds=head.cpu_seconds,
        max_rss_bytes=head.max_rss_bytes,
    )
    return outcome, head.anomaly
