"""The pool behind every backend: sandboxes leased one job at a time, replaced when they must not go on."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from sandboxes.api import ImageRef, JobOutcome, PoolJob, PoolSpec, PoolStatistics
from sandboxes.channel import ChannelClosed, ChannelTimeout
from sandboxes.retries import GivenUp, run_persistently
from sandboxes.sandbox import IDLE_SECONDS, SERVER_PROCESSES, Sandbox
from sandboxes.spares import JOBS_BEFORE_SPARE, Spares, memory_allows
from schemas.errors import EnvironmentLacking, ProtocolViolation, StartFailed, UsageError

CLOSE_SECONDS = 30.0
START_ATTEMPTS = 3
FAILED_STARTS = 6
"""Starts in a row that may fail before the machine is held for unfit."""
LONGEST_WALL_SECONDS = 10.0**6
_CLOSED = "the pool is closed; open another one"
Launch = Callable[[], Sandbox]
"""Starts one more sandbox; raises ``SandboxError`` or ``EnvironmentLacking``."""


class SandboxPool:
    """Implements ``api.Pool`` over whatever ``launch`` starts; one sandbox starts at once, so errors show early."""

    def __init__(
        self, backend: str, image: ImageRef, spec: PoolSpec, launch: Launch, *, size: int, release: Callable[[], None]
    ) -> None:
        self.backend = backend
        self.image = image
        self.statistics = PoolStatistics()
        self._spec = spec
        self._launch = launch
        self._size = size
        self._release = release
        self._slots = threading.BoundedSemaphore(size)
        self._idle: deque[Sandbox] = deque()
        self._leased: set[Sandbox] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._failed_starts = 0
        self._spares = Spares(self._launch_spare)
        try:
            check_spec(spec, size)
            self._idle.append(self._first())
            self._replenish()
        except BaseException:
            self.close()
            raise

    def run(self, job: PoolJob, *, fresh: bool = False) -> JobOutcome:
        """Run one job, in a sandbox that has run nothing yet if ``fresh``. Errors as ``api.Pool.run`` says."""
        _check_job(job)
        with self._slots:
            sandbox = self._take(fresh)
            try:
                self._lease(sandbox)
                outcome = sandbox.run(job)
            except ProtocolViolation:
                self._retire(sandbox, "protocol")
                raise
            except BaseException:
                self._retire(sandbox, "lost")
                raise
            self._give_back(sandbox)
            return outcome

    def map(self, jobs: Iterable[PoolJob]) -> Iterator[JobOutcome]:
        """Yield one outcome per job, in order, ``size`` at a time. Raises ``EnvironmentLacking``, ``UsageError``."""
        source = iter(jobs)
        with ThreadPoolExecutor(self._size, thread_name_prefix="tracegen-pool") as threads:
            running: deque[Future[JobOutcome]] = deque()
            try:
                running.extend(threads.submit(self._surely, job) for job in itertools.islice(source, self._size))
                while running:
                    outcome = running.popleft().result()
                    running.extend(threads.submit(self._surely, job) for job in itertools.islice(source, 1))
                    yield outcome
            finally:
                for future in running:
                    future.cancel()

    def _surely(self, job: PoolJob) -> JobOutcome:
        try:
            return run_persistently(lambda fresh: self.run(job, fresh=fresh))
        except GivenUp as given_up:
            return given_up.outcome()

    def close(self) -> None:
        """End every sandbox; jobs still running in other threads raise ``SandboxLost``. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            leased = list(self._leased)
        for sandbox in leased:
            sandbox.channel.kill()
        end = time.monotonic() + CLOSE_SECONDS
        # Each slot that comes back means one more caller has put its sandbox away.
        slots = sum(self._slots.acquire(timeout=max(0.0, end - time.monotonic())) for _ in range(self._size))
        while self._idle:
            self._idle.pop().channel.close()
        self._spares.close()
        self._release()
        if slots:
            self._slots.release(slots)  # for callers that come later: they are told that the pool is closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first(self) -> Sandbox:
        """Start the first sandbox; one that was killed while it started says nothing of the next."""
        for attempt in itertools.count(1):
            try:
                return self._start()
            except StartFailed as error:
                if not error.retryable or attempt == START_ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _start(self) -> Sandbox:
        try:
            sandbox = self._launch()
        except StartFailed as error:
            with self._lock:
                self._failed_starts += 1
                broken = self._failed_starts >= FAILED_STARTS
            if broken:
                problem = f"{self._failed_starts} sandboxes in a row did not start, the last because: {error}"
                raise EnvironmentLacking(f"{problem}; run `tracegen doctor`") from error
            raise
        with self._lock:
            self._failed_starts = 0
            self.statistics.sandboxes_started += 1
        return sandbox

    def _launch_spare(self) -> Sandbox:
        sandbox = self._launch()
        with self._lock:
            self.statistics.spares_started += 1
        return sandbox

    def _replenish(self) -> None:
        """Have a spare started if this pool is to have one."""
        wanted = self._spec.warm_spare
        if wanted is None:
            wanted = self.statistics.jobs >= JOBS_BEFORE_SPARE and memory_allows(self._spec)
        if wanted:
            self._spares.prepare()

    def _another(self) -> Sandbox:
        """Return the spare, else start a sandbox."""
        sandbox = self._spares.take()
        if sandbox is not None and (reason := _unfit(sandbox)):
            self._retire(sandbox, reason)
            sandbox = None
        if sandbox is None:
            sandbox = self._start()
        else:
            with self._lock:
                self.statistics.sandboxes_started += 1
                self.statistics.spares_used += 1
        self._replenish()
        return sandbox

    def _take(self, fresh: bool) -> Sandbox:
        """Return an idle sandbox or another; the caller holds a slot, so there are never more than ``size``."""
        with self._lock:
            if self._closed:
                raise UsageError(_CLOSED)
            self.statistics.jobs += 1
            began = self.statistics.jobs == JOBS_BEFORE_SPARE
            sandbox = self._idle.pop() if self._idle else None
        if began:
            self._replenish()
        if sandbox is None:
            return self._another()
        reason = "fresh" if fresh and sandbox.jobs else _unfit(sandbox)
        if reason:
            self._retire(sandbox, reason)
            return self._another()
        return sandbox

    def _lease(self, sandbox: Sandbox) -> None:
        with self._lock:
            if self._closed:
                raise UsageError(_CLOSED)
            self._leased.add(sandbox)

    def _give_back(self, sandbox: Sandbox) -> None:
        if sandbox.anomaly:
            self._retire(sandbox, "anomaly")
        elif sandbox.jobs >= self._spec.jobs_per_sandbox:
            self._retire(sandbox, "worn")
        else:
            with self._lock:
                self._leased.discard(sandbox)
                self._idle.append(sandbox)

    def _retire(self, sandbox: Sandbox, reason: str) -> None:
        with self._lock:
            self._leased.discard(sandbox)
            self.statistics.retired[reason] = self.statistics.retired.get(reason, 0) + 1
        self._spares.dismiss(sandbox)


def _unfit(sandbox: Sandbox) -> str:
    """Return why a sandbox that waited for a job should get none: no job is to blame for what it did alone."""
    if time.monotonic() - sandbox.used > IDLE_SECONDS / 2:
        return "idle"
    try:
        sandbox.channel.receive(1, 0.0)
    except ChannelTimeout:
        return ""
    except ChannelClosed:
        return "died"
    return "protocol"


def check_spec(spec: PoolSpec, size: int) -> None:
    """Raise ``UsageError`` for what no backend could do."""
    if size < 1:
        raise UsageError(f"a pool of {size} sandboxes; at least 1 is needed")
    if spec.processes <= SERVER_PROCESSES:
        raise UsageError(f"{spec.processes} processes per sandbox; more than {SERVER_PROCESSES} are needed")
    if min(spec.memory_bytes, spec.scratch_bytes, spec.jobs_per_sandbox, spec.result_bytes) < 1:
        raise UsageError("memory, scratch, jobs per sandbox and result bytes of a pool must be positive")
    if spec.hash_seed not in range(2**32):
        raise UsageError(f"hash_seed is {spec.hash_seed}; PYTHONHASHSEED takes 0 to 4294967295")


def _check_job(job: PoolJob) -> None:
    if not 0 < job.wall_seconds <= LONGEST_WALL_SECONDS:
        raise UsageError(f"wall_seconds is {job.wall_seconds}; above 0 and at most {LONGEST_WALL_SECONDS:g} is allowed")
    if job.memory_bytes is not None and job.memory_bytes < 1:
        raise UsageError(f"memory_bytes is {job.memory_bytes}; a positive number or None is needed")
