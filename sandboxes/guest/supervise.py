"""The parent's side of one job: fork, wait within the deadlines, clean up, report."""

import os
import select
import signal
import time
from typing import NamedTuple, Optional

from . import kernel
from .channel import SharedPage
from .child import Entry, Work, run_child
from .files import JobFiles
from .process import kill_group, sweep

_TICK_SECONDS = 0.05  # how late a deadline that the job moved forward may be noticed


class HostGone(Exception):
    """The host closed the channel, or sent something out of turn, while a job ran."""


class Death(NamedTuple):
    """How the main child ended."""

    exit_code: Optional[int]
    signal: Optional[int]
    by_deadline: bool
    out_of_memory: bool
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    entered: bool
    fault: bool
    """The guest failed, not the program."""
    survivors: int


class Supervisor:
    """Waits for children of the single-threaded server."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._woken, waker = os.pipe()
        for fd in (self._woken, waker):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, _nothing)  # a handler, so that the wake-up descriptor is written to
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._page = SharedPage()

    def run(self, entry: Entry, work: Work, files: JobFiles, wall_seconds: float) -> Death:
        """Fork ``entry``, and return when the child and all that it started are dead."""
        self._page.clear()
        kills = kernel.oom_kills()
        start = time.monotonic()
        child = os.fork()
        if not child:
            run_child(entry, work, files, self._page)
        try:
            by_deadline = self._wait(child, start + wall_seconds)
        except HostGone:
            os.kill(child, signal.SIGKILL)
            kill_group(child)
            sweep(work.uid)
            raise
        wall = time.monotonic() - start
        kill_group(child)
        _, status, usage = os.wait4(child, 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        killed = number == signal.SIGKILL
        return Death(
            exit_code=os.WEXITSTATUS(status) if number is None else None,
            signal=number,
            by_deadline=by_deadline and killed,
            out_of_memory=killed and not by_deadline and kernel.oom_kills() > kills,
            wall_seconds=wall,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            max_rss_bytes=usage.ru_maxrss * 1024,
            entered=self._page.entered(),
            fault=self._page.fault(),
            survivors=sweep(work.uid),
        )

    def _wait(self, child: int, hard: float) -> bool:
        """Return when the child is dead but not yet reaped; tell whether a deadline killed it."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not _is_dead(child):
            left = min(hard, self._page.deadline()) - time.monotonic()
            if left <= 0:
                os.kill(child, signal.SIGKILL)
                os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
                return True
            ready = dict(poll.poll(min(left, _TICK_SECONDS) * 1000 + 1))
            if self._source in ready:
                raise HostGone
            if self._woken in ready:
                os.read(self._woken, 4096)
        return False


def _is_dead(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _nothing(number: int, frame: object) -> None:
    """Handle a signal by being woken only."""
