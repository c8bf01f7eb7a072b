"""The seam between those who have code to run and those who can run it. Knows nothing of traces.

Contract: what a program does is a value (``JobOutcome``); what the sandbox does wrong is an exception
(``schemas.errors.SandboxError``, or ``EnvironmentLacking`` when no sandbox can be had at all).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

JobStatus = Literal["finished", "timeout", "killed", "output_limit", "out_of_memory", "guest_fault", "lost", "poison"]


@dataclass(slots=True, frozen=True)
class ImageRef:
    """A resolved base image."""

    reference: str
    """What the engine starts: an image id or tag; empty for the ``process`` backend."""
    digest: str
    """Content digest, stable across machines and rebuilds; part of job ids."""
    python: str
    """Full version of the interpreter in it, e.g. ``3.11.7``."""
    executable: str = ""
    """The interpreter's path on this machine (``process`` backend); part of no id and no record."""


@dataclass(slots=True, frozen=True)
class PoolSpec:
    """What every sandbox of a pool is made of."""

    preload: bytes
    """Zip of a stdlib-only package; imported once, before any job."""
    entry: str
    """``module:function`` in ``preload``, called as ``function(payload: bytes, channel)`` in a forked child.

    ``channel`` has ``write(data: bytes)`` (appends to the job's result; what was written survives any death),
    ``set_deadline(seconds: float)`` (the parent kills the child that long from now; ends at ``wall_seconds``), and
    ``in_fork(file: int)`` (in a fork of the child: a channel to a file instead), and ``adopt_orphans()`` (the child
    becomes the parent of what daemonises below it).
    Descriptors 1 and 2 are private seekable files, empty at the start.
    """
    hash_seed: int = 0
    """``PYTHONHASHSEED`` of the fork server."""
    memory_bytes: int = 1024 * 2**20
    """Of the whole sandbox."""
    processes: int = 64
    """Most processes and threads in the sandbox."""
    scratch_bytes: int = 64 * 2**20
    """Of the job's directory, the only place that a job can write to."""
    jobs_per_sandbox: int = 500
    """A sandbox is replaced after that many jobs."""
    result_bytes: int = 80 * 2**20
    """Most bytes of one result and of one standard stream; more ends as ``output_limit``."""
    warm_spare: bool | None = None
    """Whether one more sandbox than ``size`` stands ready to replace another; ``None``: in pools that have run some
    jobs, where the machine has the memory."""
    runtime: str = ""
    """OCI runtime such as ``runsc`` or ``kata``; empty for the engine's default."""
    accepts: tuple[str, ...] = ()
    """Weaknesses that the caller accepts, by the names that a refusal gives; with none, each limit is enforced."""


def label(backend: str, *departures: str) -> str:
    """Return how records name a sandbox: the backend, and how it departs from its default (``docker+runsc``)."""
    return "+".join([backend, *(each for each in departures if each)])


@dataclass(slots=True, frozen=True)
class PoolJob:
    """One forked child's work."""

    payload: bytes
    wall_seconds: float
    """Hard limit on the whole job; the guest's own deadlines lie within it."""
    memory_bytes: int | None = None
    """Address space of the child (``RLIMIT_AS``)."""


@dataclass(slots=True, frozen=True)
class JobOutcome:
    """What became of one job. Everything but ``result``, ``stdout`` and ``stderr`` comes from outside the child."""

    status: JobStatus
    """``finished``: the child exited by itself, ``exit_code`` says how. ``timeout``: a deadline passed.
    ``guest_fault``: the guest's entry raised, or the program closed the result; ``stderr`` tells.
    ``killed``: by ``signal``. ``output_limit``: more than ``result_bytes``. ``out_of_memory``: by the kernel.
    From ``Pool.map`` only: ``lost`` (its sandboxes failed, with another each time), ``poison`` (two died under it)."""
    result: bytes = b""
    stdout: bytes = b""
    """What the child left unread in descriptor 1, cut at 1 MiB."""
    stderr: bytes = b""
    exit_code: int | None = None
    signal: int | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss_bytes: int = 0
    detail: str = ""
    """Of ``lost`` and ``poison``: how the last sandbox failed."""


@dataclass(slots=True, frozen=True)
class Finding:
    """One line of a doctor's report."""

    subject: str
    state: Literal["ok", "warning", "missing"]
    detail: str
    remedy: str = ""


@dataclass(slots=True)
class PoolStatistics:
    """What a pool did so far."""

    jobs: int = 0
    sandboxes_started: int = 0
    """Those that were given to jobs; a spare counts when it is."""
    spares_started: int = 0
    spares_used: int = 0
    retired: dict[str, int] = field(default_factory=dict)
    """Sandboxes replaced, by reason."""


Isolation = Literal["containers", "namespaces", "none"]


class Pool(Protocol):
    """Runs opaque jobs in isolation. Thread-safe: ``size`` jobs at a time, further callers wait."""

    backend: str
    """Its name, and what departs from the default, such as a runtime: ``docker+runsc``."""
    image: ImageRef
    statistics: PoolStatistics

    def run(self, job: PoolJob, *, fresh: bool = False) -> JobOutcome:
        """Run one job; ``fresh`` in a sandbox that has run nothing yet.

        Raises ``SandboxError`` if the sandbox failed (it is already replaced; ``retryable`` says whether to try again)
        and ``EnvironmentLacking`` if no sandbox can be had.
        """
        ...

    def map(self, jobs: Iterable[PoolJob]) -> Iterator[JobOutcome]:
        """Yield exactly one outcome per job, in order, ``size`` at a time, whatever sandboxes die.

        A job whose sandbox failed is tried again in another, twice at most. Raises ``EnvironmentLacking``.
        """
        ...

    def close(self) -> None:
        """End every sandbox. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
