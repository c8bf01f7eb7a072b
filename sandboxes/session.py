"""The host's side of a session: commands, shells and transfers over one link. Knows no backend."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from sandboxes.api import ImageRef
from sandboxes.channel import Channel
from sandboxes.guest import session_frames as wire
from sandboxes.sandbox import GRACE_SECONDS
from sandboxes.session_api import (
    DEFAULT_LIMITS,
    DEFAULT_SHELL,
    Ability,
    Command,
    CommandResult,
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
from sandboxes.session_link import STATUSES, Event, Said, SessionLink
from sandboxes.session_shell import ContainedShell
from sandboxes.session_transfer import Transfer
from schemas.errors import BackendCannot, SandboxError, UsageError

GUEST_MODULE = "session_server"
SESSION_USER = 1000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_STDIN = 2**29


class ContainedSession:
    """One sandbox whose session server said hello; implements ``session_api.Session`` but snapshots."""

    def __init__(
        self, backend: str, channel: Channel, spec: SessionSpec, image: ImageRef, release: Callable[[], None]
    ) -> None:
        """Take over ``channel`` and shake hands; both are given up if that fails. Raises ``StartFailed``."""
        self.backend = backend
        self.image = image
        self.spec = spec
        self.link = SessionLink(backend, channel, spec.workdir, SESSION_USER if spec.writable_root else -1)
        self.check = self.link.check
        self._release = release

    @property
    def name(self) -> str:
        """Return the sandbox's name, for messages."""
        return self.link.name

    @property
    def abilities(self) -> frozenset[Ability]:
        """Return what this session can do beside ``exec``."""
        network: set[Ability] = {"network"} if self.spec.network != "none" else set()
        return frozenset({"shell", "transfer", *network})

    def exec(self, command: Command, *, on_output: OnOutput | None = None) -> CommandResult:
        """Run one command. Raises ``UsageError``, ``SandboxLost`` and ``ProtocolViolation``."""
        order = _order(command, self.spec)
        number, events = self.link.enrol()
        deadline = time.monotonic() + command.wall_seconds + GRACE_SECONDS
        try:
            self.link.send(wire.EXEC, _head(number, order), command.stdin)
            return self._collect(number, events, command, deadline, on_output)
        finally:
            self.link.leave(number)

    def shell(self, spec: ShellSpec = DEFAULT_SHELL) -> Shell:
        """Start a shell. Raises ``UsageError`` if none starts, ``SandboxLost`` and ``ProtocolViolation``."""
        as_command = Command(["sh"], 1.0, spec.cwd, spec.environment, user=spec.user, memory_bytes=spec.memory_bytes)
        order = _order(as_command, self.spec)._replace(argv=[])
        number, events = self.link.enrol()
        try:
            self.link.send(wire.SHELL, _head(number, order))
            return ContainedShell(self.link, number, events)
        except BaseException:
            self.link.leave(number)
            raise

    def put(
        self, path: str, source: bytes | Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Write a file, or what is in a directory into the directory ``path``. Raises ``TransferRefused``."""
        return self._transfer(path, user, limits).put(source)

    def put_archive(
        self, path: str, archive: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Unpack a tar, compressed or not, or a zip into the directory ``path``. Raises ``TransferRefused``."""
        return self._transfer(path, user, limits).put_archive(archive)

    def get(self, path: str, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS) -> bytes:
        """Read a regular file. Raises ``TransferRefused``."""
        return self._transfer(path, user, limits).get()

    def get_tree(
        self, path: str, target: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Copy a directory to ``target``, which must not exist. Raises ``TransferRefused``."""
        return self._transfer(path, user, limits).get_tree(target)

    def snapshot(self) -> Snapshot:
        """Not offered: the sandbox's maker knows whether its files can be kept."""
        raise self.cannot("snapshot")

    def fork(self, snapshot: Snapshot | None = None) -> Session:
        """Not offered, as ``snapshot``."""
        raise self.cannot("fork")

    def reset(self, snapshot: Snapshot | None = None) -> None:
        """Not offered, as ``snapshot``."""
        raise self.cannot("reset")

    def cannot(self, deed: str) -> BackendCannot:
        """Return what to raise of something that this session does not offer."""
        able = ", ".join(sorted(self.abilities))
        return BackendCannot(f"this {self.backend} session does not offer {deed}; beside exec it offers {able}")

    def close(self) -> None:
        """End every command and remove the sandbox."""
        if self.link.close():
            self._release()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _transfer(self, path: str, user: int, limits: TransferLimits) -> Transfer:
        return Transfer(self.link, self.spec, path, user, limits)

    def _collect(
        self,
        number: int,
        events: "SimpleQueue[Event]",
        command: Command,
        deadline: float,
        on_output: OnOutput | None,
    ) -> CommandResult:
        kept: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        try:
            while True:
                event = self.link.event(events, deadline, "a command")
                if isinstance(event, wire.End):
                    return _result(event, kept)
                if not isinstance(event, Said):
                    raise self.link.violation("a command was answered like a shell or a transfer")
                stream, data = event
                kept[stream] += data
                if len(kept[stream]) > command.output_bytes:
                    raise self.link.violation(f"more than {command.output_bytes} bytes of {stream}")
                if on_output is not None:
                    on_output(stream, data)
        except SandboxError:
            raise
        except BaseException:  # the caller's callback, or an interrupt: nobody waits for the command any more
            self.link.kill(number)
            raise


def _head(number: int, order: wire.Order) -> bytes:
    text = json.dumps(order._asdict()).encode()
    if len(text) > wire.ORDER_BYTES:
        raise UsageError(f"the command's arguments take {len(text)} bytes; at most {wire.ORDER_BYTES}")
    return wire.EXEC_HEAD.pack(number, len(text)) + text


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
        file_bytes=spec.disk_bytes if spec.writable_root else None,
    )


def _result(end: wire.End, kept: dict[Stream, bytearray]) -> CommandResult:
    return CommandResult(
        status=STATUSES[end.status],
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
