"""One command: a supervisor process of its own, and the command below it without rights.

The supervisor is a subreaper, so whatever the command starts, daemons included, stays below it: ancestry alone says
which processes are the command's. ``docs/decisions/0012`` has the reasons.
"""

import ctypes
import json
import os
import resource
import select
import signal
import time
import traceback
from typing import Dict, List, NamedTuple, Optional, Set

from . import kernel
from .frames import write_all
from .process import adopt_orphans, kill_group
from .session_frames import End, Order

_SWEEP_SECONDS = 5.0
_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, of two sets of three words
_MESSAGE_BYTES = 4000
_LIBC = ctypes.CDLL(None, use_errno=True)


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
        _close_others(ends)
        adopt_orphans()
        end = _run(order, ends)
        write_all(ends.report, json.dumps(end._asdict()).encode())
    except BaseException:
        traceback.print_exc()  # the container's own standard error, which the host quotes
    finally:
        os._exit(0)  # without a report, the server ends the session


def drop_rights(user: int) -> None:
    """Become ``user`` with no capability; no_new_privs keeps root from getting any back by exec."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if _LIBC.capset(head, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset failed")


def _close_others(ends: Ends) -> None:
    # Another command's pipe held open here would never come to its end.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in ends:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor


def _run(order: Order, ends: Ends) -> End:
    woken, waker = os.pipe()
    for fd in (woken, waker):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    failed, failing = os.pipe()
    kills, start = kernel.oom_kills(), time.monotonic()
    child = os.fork()
    if not child:
        _become(order, ends, failing)
    for fd in (failing, ends.stdin, ends.stdout, ends.stderr):
        os.close(fd)
    cause = _wait(child, start + order.wall_seconds, woken, ends.control)
    wall = time.monotonic() - start
    kill_group(child)
    _, status, usage = os.wait4(child, 0)
    swept, survivors = _sweep()
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    os.set_blocking(failed, False)
    message = _message(failed)
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


def _status(message: str, cause: str, number: Optional[int], out_of_memory: bool) -> str:
    if message:
        return "not_started"
    if cause:
        return cause
    if out_of_memory:
        return "out_of_memory"
    return "finished" if number is None else "killed"


def _message(failed: int) -> str:
    try:
        return os.read(failed, _MESSAGE_BYTES).decode("utf-8", "replace")
    except BlockingIOError:
        return ""  # killed before it could exec or fail


def _become(order: Order, ends: Ends, failing: int) -> None:
    try:
        os.setsid()
        for target, fd in enumerate((ends.stdin, ends.stdout, ends.stderr)):
            os.dup2(fd, target)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the kernel takes a command before its supervisor or the server
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if order.memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
        drop_rights(order.user)
        os.umask(0o022)
        os.chdir(order.cwd)
        os.execvpe(order.argv[0], order.argv, order.environment)  # noqa: S606 (running it is the purpose)
    except BaseException as error:
        os.write(failing, ("%s: %s" % (type(error).__name__, error)).encode("utf-8", "replace")[:_MESSAGE_BYTES])
    finally:
        os._exit(127)


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
        _reap_orphans(child)
    return ""


def _reap_orphans(child: int) -> None:
    """Take away the dead that were adopted, so that they do not fill the table of processes."""
    for pid, fields in _processes().items():
        if pid != child and fields == (os.getpid(), "Z"):
            os.waitpid(pid, os.WNOHANG)


def _sweep() -> "tuple[int, int]":
    """Kill everything below this process; return how many there were and how many stayed."""
    killed: Set[int] = set()
    end = time.monotonic() + _SWEEP_SECONDS
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return len(killed), 0  # no child, so nothing below either
        alive = _descendants()
        if time.monotonic() > end:
            return len(killed), max(1, len(alive))
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        killed.update(alive)
        time.sleep(0.001)


def _descendants() -> List[int]:
    table = _processes()
    children: Dict[int, List[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, wanted = [], [os.getpid()]
    while wanted:
        below = children.get(wanted.pop(), [])
        wanted += below
        found += [pid for pid in below if table[pid][1] != "Z"]
    return found


def _processes() -> "Dict[int, tuple[int, str]]":
    """Return parent and state of each process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    state, parent = file.read().rsplit(b")", 1)[1].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(name)] = (int(parent), state.decode())
    return found
