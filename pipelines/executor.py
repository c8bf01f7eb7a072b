"""The seam between a stage and what runs it: items go in, workers write shards, only manifests count."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, TypeVar

from pipelines.interruption import Interruption
from pipelines.tally import Tally
from schemas.errors import EnvironmentLacking, ProtocolViolation, SandboxError, TracegenError
from schemas.failure import FailureReason

MAX_RETRIES: Final = 2
"""Of an item under which the sandbox failed."""

P = TypeVar("P")
PayloadIn = TypeVar("PayloadIn", contravariant=True)


@dataclass(frozen=True)
class WorkItem(Generic[P]):
    """One unit of dispatch: done when all its ids stand in manifests."""

    ids: tuple[str, ...]
    payload: P
    parts: "tuple[WorkItem[P], ...]" = ()
    """The items that this one is made of: if it fails or its worker dies, each is done by itself instead."""


@dataclass(slots=True)
class ItemStatus:
    """What became of one item in a worker."""

    state: Literal["done", "failed", "fatal"]
    """``done``: its rows are in the worker's buffer. ``failed``: the sandbox or a stage failed under it, nothing was
    kept. ``fatal``: this machine lacks something, the run cannot go on."""
    tally: Tally = field(default_factory=Tally)
    flushed: bool = False
    """Everything that the worker has accepted so far, this item included, stands in a manifest."""
    retryable: bool = False
    reason: FailureReason = "recorder_error"
    """Of the failure rows that the item becomes if it is not retried."""
    detail: str = ""
    error: TracegenError | None = None
    """The cause of ``fatal``."""


class Worker(Protocol[PayloadIn]):
    """Does the work of a stage. Built where it runs, by a picklable factory; used by one thread, but for ``flush``."""

    def process(self, payload: PayloadIn) -> tuple[Tally, bool]:
        """Do one item and keep its rows in the buffer; return what was counted, and whether the buffer is on disk.

        Raises ``SandboxError`` if the sandbox failed and ``EnvironmentLacking`` if none can be had or written to.
        """
        ...

    def reject(self, payload: PayloadIn, reason: FailureReason, detail: str, attempts: int) -> tuple[Tally, bool]:
        """Keep failure rows for an item that is given up; return like ``process``."""
        ...

    def flush(self) -> None:
        """Write the buffer as a shard. Thread-safe. Raises ``StorageFailed``."""
        ...

    def close(self) -> None:
        """Give back what the worker holds. Idempotent."""
        ...


WorkerFactory = Callable[[], Worker[P]]
"""Picklable; makes a worker in the process that will use it."""


@dataclass(slots=True)
class Hooks:
    """How a run listens to its executor."""

    on_status: Callable[[ItemStatus], None]
    on_lost: Callable[[ItemStatus], None]
    """A status that no longer holds: its rows died with their worker and will be made again."""
    finished: Callable[[], set[str]]
    """Read from the manifests which ids are done."""
    interruption: Interruption


class Executor(Protocol):
    """Runs a stage's items on workers."""

    def run(self, items: Iterator[WorkItem[P]], factory: WorkerFactory[P], hooks: Hooks) -> bool:
        """Run every item, in any order; return False if interrupted, after everything finished was written.

        Pulls ``items`` no faster than they are worked on. Raises the ``EnvironmentLacking`` of a worker, after the
        others have written what they had, and whatever ``items`` raises.
        """
        ...


def status_of(action: Callable[[], tuple[Tally, bool]]) -> ItemStatus:
    """Run one step of a worker and describe its end; no exception but an interruption escapes."""
    try:
        tally, flushed = action()
    except EnvironmentLacking as error:
        return ItemStatus("fatal", detail=str(error), error=error)
    except SandboxError as error:
        reason: FailureReason = "protocol" if isinstance(error, ProtocolViolation) else "sandbox_lost"
        return ItemStatus("failed", retryable=error.retryable, reason=reason, detail=str(error))
    except Exception as error:  # a fault of ours under one item: labelled and counted, and the run goes on
        return ItemStatus("failed", detail=f"{type(error).__name__}: {error}{_place(error)}")
    return ItemStatus("done", tally, flushed)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno})" if trace else ""


def start_failure(detail: str) -> EnvironmentLacking:
    """Return the error of a worker that cannot be built for a reason other than a lacking environment."""
    return EnvironmentLacking(f"a worker does not start: {detail}; see tracegen doctor")


class LocalExecutor:
    """Runs items one after the other in this process."""

    def run(self, items: Iterator[WorkItem[P]], factory: WorkerFactory[P], hooks: Hooks) -> bool:
        """See ``Executor.run``."""
        try:
            worker = factory()
        except SandboxError as error:
            raise start_failure(str(error)) from error
        try:
            return self._run(items, worker, hooks)
        finally:
            worker.close()

    def _run(self, items: Iterator[WorkItem[P]], worker: Worker[P], hooks: Hooks) -> bool:
        interruption = hooks.interruption
        try:
            for item in items:
                if interruption.requested:
                    break
                self._one(item, worker, hooks)
        except KeyboardInterrupt:
            if not interruption.requested:
                raise
        finally:
            worker.flush()
        return not interruption.requested

    def _one(self, item: WorkItem[P], worker: Worker[P], hooks: Hooks) -> None:
        status = ItemStatus("failed", retryable=True)
        attempts = 0
        while status.state == "failed" and status.retryable and attempts <= MAX_RETRIES:
            attempts += 1
            status = self._attempt(item, worker, hooks.interruption)
            if status.state == "failed" and item.parts:
                for part in item.parts:
                    self._one(part, worker, hooks)
                return
        if status.state == "failed":
            reason, detail = status.reason, status.detail
            status = status_of(lambda: worker.reject(item.payload, reason, detail, attempts))
        if status.error is not None:
            raise status.error
        hooks.on_status(status)

    def _attempt(self, item: WorkItem[P], worker: Worker[P], interruption: Interruption) -> ItemStatus:
        with interruption.breakable():
            return status_of(lambda: worker.process(item.payload))
