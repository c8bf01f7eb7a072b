"""The Ray actor around a worker: turns every step into a status, so that only a death is an error."""

import threading
from typing import Any, Final

from pipelines.executor import ItemStatus, Worker, WorkerFactory, status_of
from pipelines.tally import Tally
from schemas.failure import FailureReason

CONTROL: Final = "control"
"""Concurrency group of calls that do not wait for the item at hand."""


class WorkerHost:
    """Holds one worker in one actor process. Items come one at a time; ``stop`` may come beside them."""

    def __init__(self) -> None:
        self._worker: Worker[Any] | None = None
        self._stopped = threading.Event()
        self._starting = threading.Lock()

    def start(self, factory: WorkerFactory[Any]) -> ItemStatus:
        """Build the worker."""

        def build() -> tuple[Tally, bool]:
            with self._starting:
                self._worker = None if self._stopped.is_set() else factory()
            return Tally(), True

        return status_of(build)

    def process(self, payload: Any) -> ItemStatus:
        """Do one item."""
        return status_of(lambda: self._live().process(payload))

    def reject(self, payload: Any, reason: FailureReason, detail: str, attempts: int) -> ItemStatus:
        """Give one item up."""
        return status_of(lambda: self._live().reject(payload, reason, detail, attempts))

    def flush(self) -> ItemStatus:
        """Write what is finished."""

        def flush() -> tuple[Tally, bool]:
            self._live().flush()
            return Tally(), True

        return status_of(flush)

    def stop(self) -> ItemStatus:
        """Write what is finished and give everything back; the item at hand is lost and will be done again."""

        def stop() -> tuple[Tally, bool]:
            self._stopped.set()
            with self._starting:
                worker = self._worker
            if worker is not None:
                worker.flush()
                worker.close()
            return Tally(), True

        return status_of(stop)

    def _live(self) -> Worker[Any]:
        if self._worker is None or self._stopped.is_set():
            raise RuntimeError("the worker is not running")
        return self._worker
