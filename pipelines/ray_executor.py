"""Items on Ray actors: a bounded queue per actor, retries by item, and nothing lost when an actor dies."""

import io
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from pipelines.executor import MAX_RETRIES, Hooks, ItemStatus, WorkerFactory, WorkItem, start_failure
from pipelines.ray_actor import CONTROL, WorkerHost
from pipelines.ray_session import ray_session
from schemas.errors import EnvironmentLacking, StorageFailed
from schemas.failure import FailureReason

IN_FLIGHT: Final = 2
"""Items per actor: one at work and one waiting, so that no actor idles while the driver plans."""
POISON_DEATHS: Final = 2
"""Actors that one item may kill, beyond doubt, before it is given up."""
BARREN_DEATHS: Final = 5
"""Actors in a row that died with no item at hand: then it is not the items."""
POLL_SECONDS: Final = 0.2
STOP_SECONDS: Final = 60.0

_LOG: Final = logging.getLogger(__name__)

P = TypeVar("P")


@dataclass(eq=False)
class _Task(Generic[P]):
    """One item on its way, with what happened to it so far."""

    item: WorkItem[P]
    attempts: int = 0
    isolate: bool = False
    """It was at or near hand when an actor died: from now on it runs where nothing else can be blamed or lost."""
    deaths: int = 0
    """Actors that died under it while it was isolated: only then is it certain that it was the cause."""
    verdict: tuple[FailureReason, str] | None = None
    """Set when the item is given up."""
    status: ItemStatus | None = None
    """How it ended, while its rows are not on disk yet."""
    avoid: "_Actor[P] | None" = None
    """Where the sandbox failed under it."""


@dataclass(eq=False)
class _Call(Generic[P]):
    """One call to an actor: of its start, of a flush, or of an item."""

    ref: Any
    kind: Literal["start", "flush", "process", "reject"]
    task: _Task[P] | None = None


@dataclass(eq=False)
class _Actor(Generic[P]):
    """The driver's view of one actor. Calls end in the order in which they were made."""

    handle: Any
    calls: deque[_Call[P]] = field(default_factory=deque)
    unflushed: list[_Task[P]] = field(default_factory=list)
    alone: bool = False
    """Holds an isolated item: nothing else joins it."""

    def free(self) -> bool:
        return not self.alone and len(self.calls) < IN_FLIGHT

    def call(self, kind: Literal["start", "flush", "process", "reject"], *arguments: Any) -> _Call[P]:
        call: _Call[P] = _Call(getattr(self.handle, kind).remote(*arguments), kind)
        self.calls.append(call)
        return call


@dataclass(slots=True, frozen=True)
class RayExecutor:
    """Runs items on Ray Core actors, ``workers`` of them (``None``: one per CPU of the cluster)."""

    workers: int | None = None

    def run(self, items: Iterator[WorkItem[P]], factory: WorkerFactory[P], hooks: Hooks) -> bool:
        """See ``Executor.run``."""
        with redirect_stdout(_RayLog()), ray_session(self.workers) as workers:
            hooks.interruption.listen()
            return _Run(items, factory, hooks, workers).run()


class _RayLog(io.TextIOBase):
    """Takes what Ray prints about dying workers: the run handles them, and stdout is for the report."""

    def write(self, text: str) -> int:
        """Log one piece of text."""
        if text.strip():
            _LOG.info("%s", text.strip())
        return len(text)


class _Run(Generic[P]):
    def __init__(self, items: Iterator[WorkItem[P]], factory: WorkerFactory[P], hooks: Hooks, workers: int) -> None:
        import ray

        self._ray = ray
        self._items = items
        self._hooks = hooks
        self._workers = workers
        self._factory = ray.put(factory)
        remote: Any = ray.remote  # its stubs know the options of tasks only
        self._host = remote(num_cpus=1, max_restarts=0, concurrency_groups={CONTROL: 1})(WorkerHost)
        self._actors: list[_Actor[P]] = []
        self._returned: deque[_Task[P]] = deque()
        self._exhausted = False
        self._barren = 0

    def run(self) -> bool:
        """Run to the end; False if interrupted."""
        try:
            for _ in range(self._workers):
                self._spawn()
            while not self._hooks.interruption.requested and self._step():
                pass
        finally:
            self._stop()
        return not self._hooks.interruption.requested

    def _spawn(self) -> None:
        actor: _Actor[P] = _Actor(self._host.remote())
        actor.call("start", self._factory)
        self._actors.append(actor)

    def _step(self) -> bool:
        """Hand out what fits, then take in what has ended; False when nothing is left."""
        self._dispatch()
        heads = {actor.calls[0].ref: actor for actor in self._actors if actor.calls}
        if not heads:
            return False
        ready, _ = self._ray.wait(list(heads), num_returns=1, timeout=POLL_SECONDS)
        for ref in ready:
            self._collect(heads[ref])
        return True

    def _dispatch(self) -> None:
        for actor in self._actors:
            while actor.free() and not self._hooks.interruption.requested:
                task = self._next(actor)
                if task is None:
                    break
                self._send(actor, task)
        if self._exhausted:
            for actor in self._actors:
                if actor.unflushed and not actor.calls:
                    actor.call("flush")

    def _next(self, actor: _Actor[P]) -> _Task[P] | None:
        for task in self._returned:
            if self._may_take(actor, task):
                self._returned.remove(task)
                return task
        if self._exhausted:
            return None
        item = next(self._items, None)
        self._exhausted = item is None
        return _Task(item) if item is not None else None

    def _may_take(self, actor: _Actor[P], task: _Task[P]) -> bool:
        if task.avoid is actor and len(self._actors) > 1:
            return False
        return bool(task.verdict) or not task.isolate or not (actor.calls or actor.unflushed)

    def _send(self, actor: _Actor[P], task: _Task[P]) -> None:
        if task.verdict:
            reason, detail = task.verdict
            attempts = max(task.attempts, task.deaths, 1)
            actor.call("reject", task.item.payload, reason, detail, attempts).task = task
            return
        actor.alone = task.isolate
        actor.call("process", task.item.payload).task = task

    def _collect(self, actor: _Actor[P]) -> None:
        call = actor.calls[0]
        try:
            status: ItemStatus = self._ray.get(call.ref)
        except (
            self._ray.exceptions.RayActorError,
            self._ray.exceptions.WorkerCrashedError,
            self._ray.exceptions.OutOfMemoryError,
        ) as error:
            self._bury(actor, str(error))
            return
        actor.calls.popleft()
        if status.error is not None:
            raise status.error
        if call.task is None and status.state == "failed":
            raise start_failure(status.detail)
        if call.task is not None:
            self._barren = 0
            self._settle(actor, call.task, status)
        if status.flushed:
            actor.unflushed.clear()

    def _settle(self, actor: _Actor[P], task: _Task[P], status: ItemStatus) -> None:
        actor.alone = False
        if status.state == "done":
            task.status = status
            actor.unflushed.append(task)
            self._hooks.on_status(status)
            return
        if task.verdict:
            raise EnvironmentLacking(f"a failure row cannot be kept: {status.detail}")
        if task.item.parts:
            self._returned.extend(_Task(part) for part in task.item.parts)
            return
        task.attempts += 1
        if status.retryable and task.attempts <= MAX_RETRIES:
            task.avoid = actor
        else:
            task.verdict = (status.reason, status.detail)
        self._returned.append(task)

    def _bury(self, actor: _Actor[P], cause: str) -> None:
        """Put back what died with an actor and start another one."""
        self._actors.remove(actor)
        self._ray.kill(actor.handle)
        at_hand = [call.task for call in actor.calls if call.task]
        # An item at hand comes nearer to its verdict by this, so it cannot go on for ever.
        self._barren = 0 if any(not task.verdict for task in at_hand) else self._barren + 1
        if self._barren >= BARREN_DEATHS:
            raise EnvironmentLacking(f"{self._barren} workers died in a row without an item; the last: {cause}")
        done = self._hooks.finished()
        for task in [*actor.unflushed, *at_hand]:
            if done.issuperset(task.item.ids):
                if task.status is None:
                    self._hooks.on_status(ItemStatus("done", flushed=True))
                continue
            if task in at_hand and task.item.parts:
                self._returned.extend(self._suspected(part, cause) for part in task.item.parts)
                continue
            if task in at_hand and task.verdict is None:
                self._suspect(task, cause)
            if task.status is not None:
                self._hooks.on_lost(task.status)
                task.status = None
            self._returned.append(task)
        self._spawn()

    def _suspected(self, part: WorkItem[P], cause: str) -> _Task[P]:
        """Return a part of an item that was at hand when an actor died."""
        task = _Task(part)
        self._suspect(task, cause)
        return task

    def _suspect(self, task: _Task[P], cause: str) -> None:
        # An answer can be lost with its actor, so which of several calls was at hand is not known: none is blamed yet.
        task.deaths += task.isolate
        task.isolate = True
        if task.deaths >= POISON_DEATHS:
            first = cause.strip().splitlines()[0] if cause.strip() else "no cause given"
            task.verdict = ("poison", f"{task.deaths} workers died under it; the last: {first}")

    def _stop(self) -> None:
        """Let every actor write what it has finished, then end it."""
        calls = {actor.handle.stop.options(concurrency_group=CONTROL).remote(): actor for actor in self._actors}
        if calls:
            self._ray.wait(list(calls), num_returns=len(calls), timeout=STOP_SECONDS)
        errors = [self._stopped(ref) for ref in calls]
        for actor in self._actors:
            self._ray.kill(actor.handle)
        for error in errors:
            if error is not None:
                raise error

    def _stopped(self, ref: Any) -> EnvironmentLacking | None:
        try:
            status: ItemStatus = self._ray.get(ref, timeout=0)
        except self._ray.exceptions.RayError:
            # A dead or stuck actor: what it had not written is not in a manifest and will be made again.
            return None
        if status.error is None and status.state != "done":
            return StorageFailed(f"a worker could not write what it had finished: {status.detail}")
        return status.error if isinstance(status.error, EnvironmentLacking) else None
