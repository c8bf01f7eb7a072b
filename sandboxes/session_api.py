"""The seam of sessions: one isolated file system with commands run in it, for repositories, builds and agents.

Contract: what a command does is a value (``CommandResult``), its time-out and its death included; what the sandbox does
wrong is an exception (``schemas.errors.SandboxError``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from sandboxes.api import ImageRef

CommandStatus = Literal["finished", "timeout", "killed", "out_of_memory", "not_started"]
Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[Stream, bytes], None]


@dataclass(slots=True, frozen=True)
class SessionSpec:
    """What a session may use. Every limit is verified from inside before the first command."""

    memory_bytes: int = 4 * 2**30
    processes: int = 512
    cpus: float = 1.0
    disk_bytes: int = 2 * 2**30
    """Of ``workdir`` and of ``/tmp`` together, half each: memory file systems, and all that can be written."""
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


class Session(Protocol):
    """One sandboxed file system. Thread-safe: several commands may run at a time."""

    backend: str
    image: ImageRef
    spec: SessionSpec

    def exec(self, command: Command, *, on_output: OnOutput | None = None) -> CommandResult:
        """Run one command; ``on_output`` sees each stream's kept bytes as they come."""
        ...

    def close(self) -> None:
        """End every command and remove the sandbox. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
