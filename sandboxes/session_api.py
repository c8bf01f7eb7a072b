"""The seam of sessions: one isolated file system with commands run in it, for repositories, builds and agents.

Contract: what a command does is a value (``CommandResult``), its time-out and its death included; what the sandbox does
wrong is an exception (``schemas.errors.SandboxError``); a transfer that breaks a rule is ``TransferRefused``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from sandboxes.api import ImageRef

CommandStatus = Literal["finished", "timeout", "killed", "out_of_memory", "not_started"]
Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[Stream, bytes], None]


@dataclass(slots=True, frozen=True)
class SessionSpec:
    """What a session may use. Every limit is verified from inside before the first command."""

    network: bool = False
    """Only for building images; a session with network says so in its provenance."""
    writable_root: bool = True
    """``False``: only ``workdir`` and ``/tmp`` (memory file systems of ``disk_bytes``) can be written."""
    memory_bytes: int = 4 * 2**30
    processes: int = 512
    cpus: float = 1.0
    disk_bytes: int = 4 * 2**30
    """Of everything the session writes; beyond it the session is ended (``SandboxLost``, reason ``disk_limit``)."""
    workdir: str = "/work"
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""
    """OCI runtime such as ``runsc`` or ``kata``; empty for the engine's default."""


@dataclass(slots=True, frozen=True)
class Command:
    """One command, run by a supervisor inside the session; nothing of it survives its end."""

    argv: Sequence[str]
    wall_seconds: float
    cwd: str = ""
    """Empty for the session's ``workdir``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    user: int = 1000
    """Uid and gid. 0 is root inside with no capability beyond the profile's."""
    output_bytes: int = 10 * 2**20
    """Kept of each stream; what is beyond is read, counted and dropped, never waited for."""
    memory_bytes: int | None = None
    """Address space (``RLIMIT_AS``)."""


@dataclass(slots=True, frozen=True)
class CommandResult:
    """How a command ended, as the supervisor saw it from outside the command."""

    status: CommandStatus
    """``not_started``: no such program, directory or right; ``stderr`` says which."""
    exit_code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_dropped: int = 0
    """Bytes beyond ``output_bytes``."""
    stderr_dropped: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss_bytes: int = 0
    swept: int = 0
    """Processes that it left behind and that were killed."""


@dataclass(slots=True, frozen=True)
class TransferLimits:
    """What a tree may weigh on its way in or out."""

    total_bytes: int = 256 * 2**20
    file_bytes: int = 64 * 2**20
    files: int = 20_000
    depth: int = 64


class Shell(Protocol):
    """A persistent ``sh``: directory, variables and functions last from one command to the next."""

    def run(self, text: str, *, wall_seconds: float, on_output: OnOutput | None = None) -> CommandResult:
        """Run ``text``. After a time-out the shell is a new one; ``restarts`` counts."""
        ...

    @property
    def restarts(self) -> int:
        """How often the shell had to be started again."""
        ...

    def close(self) -> None:
        """End the shell and all that it started. Idempotent."""
        ...


class Snapshot(Protocol):
    """The files of a session at one moment; kept until released by every holder. Processes are not part of it."""

    identity: str

    def release(self) -> None:
        """Give up this hold; the last one removes the files. Idempotent."""
        ...


class Session(Protocol):
    """One sandboxed file system. Thread-safe: several commands may run at a time."""

    backend: str
    image: ImageRef
    spec: SessionSpec

    def exec(self, command: Command, *, on_output: OnOutput | None = None) -> CommandResult:
        """Run one command; ``on_output`` sees each stream's kept bytes as they come."""
        ...

    def shell(self, *, user: int = 1000, environment: Mapping[str, str] | None = None) -> Shell:
        """Start a persistent shell."""
        ...

    def put(self, path: str, data: bytes, *, mode: int = 0o644, user: int = 1000) -> None:
        """Write one file, its directories made; an existing link at ``path`` is replaced, never followed."""
        ...

    def get(self, path: str, *, most_bytes: int) -> bytes:
        """Return one regular file. Raises ``TransferRefused`` for links, devices and what is larger."""
        ...

    def put_tree(self, path: str, source: Path, *, limits: TransferLimits, user: int = 1000) -> int:
        """Copy a directory of this machine into the session; returns the files copied."""
        ...

    def get_tree(self, path: str, destination: Path, *, limits: TransferLimits) -> int:
        """Copy a directory out: regular files, directories and links that stay inside; returns the files copied."""
        ...

    def snapshot(self) -> Snapshot:
        """Keep the files as they are now."""
        ...

    def fork(self, count: int = 1) -> list["Session"]:
        """Return ``count`` sessions that start from this one's files."""
        ...

    def reset(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot; running commands are killed."""
        ...

    def close(self) -> None:
        """End every command and remove the sandbox. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
