"""What a pool does beside its jobs: start a warm spare ahead of need, and close what nobody waits for."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path

from sandboxes.api import PoolSpec
from sandboxes.sandbox import Sandbox
from schemas.errors import EnvironmentLacking, SandboxError

JOBS_BEFORE_SPARE = 10
"""A pool that was not told whether to have a spare starts one after that many jobs: a short one needs none."""
_LOG = logging.getLogger(__name__)
_MEMINFO = Path("/proc/meminfo")


class Spares:
    """At most one sandbox that has started and waits; thread-safe."""

    def __init__(self, launch: Callable[[], Sandbox]) -> None:
        self._launch = launch
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="tracegen-spare")
        self._next: Future[Sandbox] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def prepare(self) -> None:
        """Begin to start a spare unless there is one."""
        with self._lock:
            if not self._closed and self._next is None:
                self._next = self._threads.submit(self._launch)

    def take(self) -> Sandbox | None:
        """Return the spare, awaited if it is still starting; ``None`` if there is none or it failed to start."""
        with self._lock:
            waiting, self._next = self._next, None
        return None if waiting is None else _result(waiting)

    def dismiss(self, sandbox: Sandbox) -> None:
        """Close a sandbox in the background; at once if the pool is closing."""
        with self._lock:
            if not self._closed:
                self._threads.submit(sandbox.channel.close)
                return
        sandbox.channel.close()

    def close(self) -> None:
        """Close the spare and wait for what is being closed. Idempotent."""
        with self._lock:
            self._closed = True
            waiting, self._next = self._next, None
        if waiting is not None and not waiting.cancel() and (sandbox := _result(waiting)) is not None:
            sandbox.channel.close()
        self._threads.shutdown()


def _result(waiting: "Future[Sandbox]") -> Sandbox | None:
    try:
        return waiting.result()
    except (SandboxError, EnvironmentLacking) as error:
        _LOG.info("a spare sandbox did not start: %s", error)  # who needs it starts one, and gets the error of that
    except CancelledError:
        _LOG.debug("a spare sandbox was given up before it started")
    return None


def memory_allows(spec: PoolSpec) -> bool:
    """Return whether this machine has room for one more sandbox beside the next; where it does not say, it has."""
    try:
        fields = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        return int(fields["MemAvailable"].split()[0]) * 1024 >= 2 * spec.memory_bytes
    except (OSError, KeyError):
        return True
