"""One command: a supervisor process of its own, and the command below it without rights.

The supervisor is a subreaper, so whatever the command starts, daemons included, stays below it: ancestry alone says
which processes are the command's. ``docs/decisions/0012`` has the reasons.
"""

import json
import os
import select
import signal
import time
import traceback
from typing import Iterable, NamedTuple, Optional

from . import kernel
from .frames import write_all
from .process import adopt_orphans, kill_group
from .session_frames import End, Order
from .session_processes import reap_orphans, sweep
from .session_start import MESSAGE_BYTES, become, perform
from .session_transfer import Move, clear, move

_CLEAR_SECONDS = 5.0


class Ends(NamedTuple):
    """The command's ends of its pipes, and the supervisor's."""

    stdin: int
    stdout: int
    stderr: int
    report: int
    """``End`` as JSON is written here."""
    control: int
    """At its end, the command is killed: the host wants it, or the server is dead."""


def supervise(order: Order, ends: Ends) -> None:
    """Run in a fork of the server: run the command, kill all it started, report, exit."""
    try:
        close_others(ends)
        adopt_orphans()
        end = _run(order, ends)
        write_all(ends.report, json.dumps(end._asdict()).encode())
    except BaseException:
        traceback.print_exc()  # the container's own standard error, which the host quotes
    finally:
        os._exit(0)  # without a report, the server ends the session


def close_others(ends: "Iterable[int]") -> None:
    """Close what a fork of the server inherited beside ``ends``.

    Another command's pipe held open here would never come to its end.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in ends:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor


def wake_at_deaths() -> int:
    """Return a descriptor that has bytes whenever a child may have died."""
    woken, waker = os.pipe()
    for fd in (woken, waker):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    return woken


def start_failure(failed: int) -> str:
    """Return why a child that is dead could not start, or nothing."""
    os.set_blocking(failed, False)
    try:
        return os.read(failed, MESSAGE_BYTES).decode("utf-8", "replace")
    except BlockingIOError:
        return ""  # killed before it could exec or fail


def _run(order: Order, ends: Ends) -> End:
    woken = wake_at_deaths()
    failed, failing = os.pipe()
    kills, start = kernel.oom_kills(), time.monotonic()
    child = os.fork()
    if not child:
        become(order, {0: ends.stdin, 1: ends.stdout, 2: ends.stderr}, failing, lambda: _begin(order, failing))
    for fd in (failing, ends.stdin, ends.stdout, ends.stderr):
        os.close(fd)
    cause = _wait(child, start + order.wall_seconds, woken, ends.control)
    wall = time.monotonic() - start
    kill_group(child)
    _, status, usage = os.wait4(child, 0)
    swept, survivors = sweep()
    if order.move is not None and order.move["kind"] == "put":
        _clear(order)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    message = start_failure(failed)
    out_of_memory = not cause and number == signal.SIGKILL and kernel.oom_kills() > kills
    return End(
        status=_status(message, cause if number == signal.SIGKILL else "", number, out_of_memory),
        exit_code=None if message or number is not None else os.WEXITSTATUS(status),
        signal=number,
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * 1024,
        swept=swept,
        survivors=survivors,
        message=message,
    )


def _begin(order: Order, failing: int) -> None:
    if order.move is None:
        os.execvpe(order.argv[0], order.argv, order.environment)  # noqa: S606 (running it is the purpose)
    close_others((failing,))
    task = Move(**order.move)  # type: ignore[arg-type]
    perform(lambda: move(task), failing)


def _clear(order: Order) -> None:
    """Remove what a transfer that was killed left, with no more rights than it had."""
    failed, failing = os.pipe()
    task = Move(**order.move or {})  # type: ignore[arg-type]
    end = time.monotonic() + _CLEAR_SECONDS
    status = -1
    while status and time.monotonic() < end:  # another program of the same user may kill it
        child = os.fork()
        if not child:
            become(order, {}, failing, lambda: perform(lambda: clear(task), failing))
        status = os.waitpid(child, 0)[1]
    os.close(failed)
    os.close(failing)


def _status(message: str, cause: str, number: Optional[int], out_of_memory: bool) -> str:
    if message:
        return "not_started"
    if cause:
        return cause
    if out_of_memory:
        return "out_of_memory"
    return "finished" if number is None else "killed"


def _wait(child: int, hard: float, woken: int, control: int) -> str:
    """Return when the child is dead but not yet reaped: why it was killed, or nothing."""
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(control, select.POLLIN)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        left = hard - time.monotonic()
        ready = dict(poll.poll(left * 1000 + 1)) if left > 0 else {}
        if left <= 0 or control in ready:
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            return "timeout" if left <= 0 else "killed"
        if woken in ready:
            os.read(woken, 4096)
        reap_orphans(child)
    return ""
