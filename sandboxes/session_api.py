"""The seam of sessions: one isolated file system with commands run in it, for repositories, builds and agents.

Contract: what a command does is a value (``CommandResult``), its time-out and its death included; what the sandbox does
wrong is an exception (``schemas.errors.SandboxError``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from sandboxes.api import ImageRef

CommandStatus = Literal["finished", "timeout", "killed", "out_of_memory", "not_started"]
ShellStatus = Literal["finished", "timeout", "died"]
Network = Literal["none", "bridge"]
Ability = Literal["shell", "transfer", "snapshot", "network"]
Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[Stream, bytes], None]


@dataclass(slots=True, frozen=True)
class SessionSpec:
    """What a session may use. Every limit is verified from inside before the first command."""

    memory_bytes: int = 4 * 2**30
    processes: int = 512
    cpus: float = 1.0
    disk_bytes: int = 2 * 2**30
    """Of ``workdir`` and of ``/tmp`` together, half each: memory file systems, and all that can be written.
    With ``writable_root``: of all that is written over the image; ``/tmp`` is a memory file system of half as much."""
    workdir: str = "/work"
    environment: Mapping[str, str] = field(default_factory=dict)
    writable_root: bool = False
    """The whole root takes files, ``workdir`` with it, on the engine's disk: what snapshots need. A watchdog measures
    twice a second and stops a session beyond ``disk_bytes`` (``DiskExceeded``); what is written in between passes."""
    network: Network = "none"
    """``bridge``: the engine's network, with the internet and this machine behind it. Only for code that may talk."""
    runtime: str = ""
    """OCI runtime such as ``runsc`` or ``kata``; empty for the engine's default."""
    accepts: tuple[str, ...] = ()
    """Weaknesses that the caller accepts, by the names that a refusal gives."""


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
class ShellSpec:
    """How a shell begins; what it does then to its directory, variables and functions it keeps."""

    cwd: str = ""
    """Empty for the session's ``workdir``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int = 1000
    """Uid and gid, as a command's."""
    memory_bytes: int | None = None
    """Address space of the shell and of each process below it (``RLIMIT_AS``)."""


@dataclass(slots=True, frozen=True)
class ShellResult:
    """How one text that was given to a shell ended."""

    status: ShellStatus
    """``timeout``: what the text had started was killed. ``died``: the shell itself ended, by ``exit`` or a signal."""
    alive: bool
    """Whether the shell goes on, with its state. A text whose loop the shell runs itself takes it along."""
    exit_code: int | None = None
    """``$?`` after the text, or how the shell ended."""
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    wall_seconds: float = 0.0
    killed: int = 0
    """Processes killed at the time-out, or left when the shell ended."""
    out_of_memory: bool = False
    """The kernel killed something in this session for memory meanwhile."""


class Shell(Protocol):
    """One shell that keeps its state between texts. Thread-safe: one text at a time, further callers wait."""

    def run(
        self, text: str, *, wall_seconds: float, output_bytes: int = 10 * 2**20, on_output: OnOutput | None = None
    ) -> ShellResult:
        """Run shell text. Once the shell has died, every further text is answered with how it died."""
        ...

    def close(self) -> None:
        """Kill the shell and all it started. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(slots=True, frozen=True)
class TransferLimits:
    """What one transfer may move. Beyond it, ``TransferRefused`` and nothing is kept on either side."""

    most_bytes: int = 2**30
    most_files: int = 50_000
    """Files and directories."""
    depth: int = 64
    ratio: float = 200.0
    """Of an archive: unpacked bytes to packed ones."""
    seconds: float = 300.0


@dataclass(slots=True, frozen=True)
class Transferred:
    """What a transfer moved."""

    files: int
    directories: int
    bytes: int


DEFAULT_SHELL = ShellSpec()
DEFAULT_LIMITS = TransferLimits()


class Snapshot(Protocol):
    """The files of a session at one moment. Goes with the session that took it, once no other runs from it."""

    identity: str
    layers: int
    """Of the image below it; there is a most."""

    def close(self) -> None:
        """Give it up before its session does. Idempotent."""
        ...


class Session(Protocol):
    """One sandboxed file system. Thread-safe: several commands may run at a time.

    What is not among ``abilities`` raises ``BackendCannot``. Every method may raise ``UsageError`` and ``SandboxLost``.
    """

    backend: str
    image: ImageRef
    spec: SessionSpec
    check: dict[str, Any]
    """What the session saw of its own limits before the first command."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """Return what this session can do beside ``exec``."""
        ...

    def exec(self, command: Command, *, on_output: OnOutput | None = None) -> CommandResult:
        """Run one command; ``on_output`` sees each stream's kept bytes as they come."""
        ...

    def shell(self, spec: ShellSpec = DEFAULT_SHELL) -> Shell:
        """Start a shell that keeps its state (``shell``)."""
        ...

    def put(
        self, path: str, source: bytes | Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Write a file, or the content of a directory into the directory ``path`` (``transfer``).

        Raises ``TransferRefused``.
        """
        ...

    def put_archive(
        self, path: str, archive: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Unpack a tar, compressed or not, or a zip into the directory ``path`` (``transfer``)."""
        ...

    def get(self, path: str, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS) -> bytes:
        """Read a regular file (``transfer``). Raises ``TransferRefused``."""
        ...

    def get_tree(
        self, path: str, target: Path, *, user: int = 1000, limits: TransferLimits = DEFAULT_LIMITS
    ) -> Transferred:
        """Copy a directory to ``target``, which must not exist (``transfer``). Raises ``TransferRefused``."""
        ...

    def snapshot(self) -> Snapshot:
        """Keep the files as they are now (``snapshot``). Raises ``SnapshotFailed``."""
        ...

    def fork(self, snapshot: Snapshot | None = None) -> "Session":
        """Open another session from ``snapshot``, else from the files as they are now (``snapshot``)."""
        ...

    def reset(self, snapshot: Snapshot | None = None) -> None:
        """End all that runs, and go back to ``snapshot``, else to how the session began (``snapshot``)."""
        ...

    def close(self) -> None:
        """End every command and remove the sandbox. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
