"""A shell that keeps its state: a supervisor process of its own, and the shell below it without rights.

What the shell's programs print goes through pipes that only they have; that a text has ended, and how, is said on a
descriptor that none of them has, with a word that is new each time. The shell is executed from a private copy that its
user may not read, so the kernel keeps its descriptors and memory from the user's other processes
(``docs/decisions/0018``).
"""

import fcntl
import json
import os
import re
import select
import signal
import time
import traceback
from typing import Dict, FrozenSet, List, NamedTuple, Optional

from . import frames, kernel
from . import session_frames as wire
from .frames import write_all
from .process import adopt_orphans
from .session_command import close_others, start_failure, wake_at_deaths
from .session_frames import End, Order, Ran, Text
from .session_processes import Identity, descendants, kill_all, reap_orphans, sweep
from .session_start import become

_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh")
_MARK_FD = 9  # the highest number that every shell's syntax has; the shell itself keeps it from what a text starts
_GRACE_SECONDS = 2.0
"""For a shell whose programs were killed to come to the end of its text."""
_KILL_AGAIN_SECONDS = 0.005
_BETWEEN_BYTES = 2**20
"""Kept of what background programs print while no text runs; it comes with the next text."""
_LAST_READS = 32  # more than the largest pipe holds
_MARK_BYTES = 4096
_PIECE = 1 << 16


class ShellEnds(NamedTuple):
    """The supervisor's ends of its pipes."""

    requests: int
    """``RUN`` frames, one at a time."""
    report: int
    """``OUTPUT`` and ``RAN`` frames, and one ``ENDED``."""
    control: int
    """At its end, the shell is killed."""


class Stream:
    """One standard stream of the shell; keeps so much of each text and counts the rest."""

    def __init__(self, fd: int, number: int, report: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.dropped = 0
        self._number = number
        self._report = report
        self._between = b""
        self._room = 0
        self._running = False

    def begin(self, room: int) -> None:
        """Start a text; what was printed since the last comes first."""
        self._running, self._room = True, room
        data, self._between = self._between, b""
        self._pass_on(data)

    def end(self) -> int:
        """End a text after its last bytes; return what was dropped."""
        for _ in range(_LAST_READS):
            if not self.take():
                break
        self._running = False
        dropped, self.dropped = self.dropped, 0
        return dropped

    def take(self) -> bool:
        """Take what there is; return whether there may be more."""
        try:
            data = os.read(self.fd, _PIECE)
        except BlockingIOError:
            return False
        if self._running:
            self._pass_on(data)
        else:
            kept = data[: _BETWEEN_BYTES - len(self._between)]
            self._between += kept
            self.dropped += len(data) - len(kept)
        return bool(data)

    def _pass_on(self, data: bytes) -> None:
        kept = data[: self._room]
        self._room -= len(kept)
        self.dropped += len(data) - len(kept)
        for start in range(0, len(kept), wire.CHUNK_BYTES):
            piece = kept[start : start + wire.CHUNK_BYTES]
            write_all(self._report, frames.pack(wire.OUTPUT, bytes([self._number]), piece))


class Running(NamedTuple):
    """The text that runs."""

    word: bytes
    started: float
    deadline: float
    before: "FrozenSet[Identity]"
    """What ran already, and goes on after a time-out, with what it starts."""
    oom_kills: int


def supervise_shell(order: Order, ends: ShellEnds) -> None:
    """Run in a fork of the server: start the shell, run texts until it ends, kill all it started, report, exit."""
    try:
        close_others(ends)
        adopt_orphans()
        end = Supervisor(order, ends).serve()
        write_all(ends.report, frames.pack(wire.ENDED, json.dumps(end._asdict()).encode()))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)  # without a report, the server ends the session


class Supervisor:
    """The only parent of the shell."""

    def __init__(self, order: Order, ends: ShellEnds) -> None:
        self._ends = ends
        self._woken = wake_at_deaths()
        pipes = [os.pipe() for _ in range(5)]
        (script_r, self._script), (out, out_w), (err, err_w), (self._marks, marks_w), (self._failed, failing) = pipes
        path = _find()
        program = _unreadable(path) if path else -1
        self._born, self._oom_kills = time.monotonic(), kernel.oom_kills()
        self._shell = os.fork()
        if not self._shell:
            far = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in (failing, marks_w)]  # 9 may be taken
            descriptors = {0: script_r, 1: out_w, 2: err_w, _MARK_FD: far[1]}
            become(order, descriptors, far[0], lambda: _exec(path, program, order.environment))
        # The writing ends of what the shell says stay open: a shell that closes its own must not end the streams.
        for fd in (script_r, failing, program):
            if fd >= 0:
                os.close(fd)
        for fd in (self._script, self._marks):
            os.set_blocking(fd, False)
        self._out, self._err = Stream(out, 1, ends.report), Stream(err, 2, ends.report)
        self._said = b""  # on the marks' pipe, and not yet understood
        self._unsent = b""  # of the text
        self._running: Optional[Running] = None
        self._killed: "set[Identity]" = set()
        self._late = 0.0  # when the shell's patience ends, once its text has timed out

    def serve(self) -> End:
        """Run texts until the shell is dead."""
        cause = ""
        while not self._is_dead():
            ready = self._wait()
            if self._ends.control in ready:
                cause = "killed"
                break
            for fd in ready:
                self._handle(fd)
            if self._running and self._passed() == "over":
                cause = "timeout"
                break
        return self._bury(cause)

    def _wait(self) -> "List[int]":
        poll = select.poll()
        for fd in (self._woken, self._ends.control, self._out.fd, self._err.fd, self._marks):
            poll.register(fd, select.POLLIN)
        if not self._running:
            poll.register(self._ends.requests, select.POLLIN)
        if self._unsent:
            poll.register(self._script, select.POLLOUT)
        return [fd for fd, _ in poll.poll(self._patience() * 1000 + 1 if self._running else None)]

    def _patience(self) -> float:
        assert self._running is not None
        if self._late:
            return _KILL_AGAIN_SECONDS
        return max(0.0, self._running.deadline - time.monotonic())

    def _handle(self, fd: int) -> None:
        if fd == self._woken:
            os.read(fd, 4096)
            reap_orphans(self._shell)
        elif fd == self._out.fd:
            self._out.take()
        elif fd == self._err.fd:
            self._err.take()
        elif fd == self._marks:
            self._hear()
        elif fd == self._script:
            self._feed()
        elif fd == self._ends.requests:
            self._begin()

    def _begin(self) -> None:
        kind, body = frames.read_frame(lambda count: os.read(self._ends.requests, count), 2**30)
        if kind != wire.RUN:
            raise ValueError("a frame of type %d where a text was due" % kind)
        length = wire.EXEC_HEAD.unpack_from(body)[1]
        start = wire.EXEC_HEAD.size
        text = Text(**json.loads(body[start : start + length].decode("utf-8")))
        word = os.urandom(16).hex().encode()
        now = time.monotonic()
        self._running = Running(word, now, now + text.wall_seconds, self._others(), kernel.oom_kills())
        self._said, self._late = b"", 0.0
        self._killed.clear()
        for stream in (self._out, self._err):
            stream.begin(text.output_bytes)
        quoted = body[start + length :].replace(b"'", b"'\\''")
        # `command`: an error of syntax ends eval, and not the shell.
        self._unsent = b"command eval '%s' </dev/null %d>&-\n" % (quoted, _MARK_FD)
        self._unsent += b"{ command printf '\\n%%s %%d\\n' %s \"$?\"; } 2>/dev/null >&%d\n" % (word, _MARK_FD)
        self._feed()

    def _feed(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._script, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = b""  # the shell closed its input or is dead, which is seen elsewhere

    def _hear(self) -> None:
        self._said = (self._said + os.read(self._marks, _PIECE))[-_MARK_BYTES:]
        if not self._running:
            return
        found = re.search(rb"\n%s (\d{1,3})\n" % self._running.word, self._said)
        if found:
            self._report(int(found.group(1)))

    def _report(self, exit_code: int) -> None:
        running = self._running
        assert running is not None
        end = time.monotonic() + _GRACE_SECONDS
        while self._late and self._kill_new() and time.monotonic() < end:
            time.sleep(_KILL_AGAIN_SECONDS)
        wall = time.monotonic() - running.started
        dropped = [stream.end() for stream in (self._out, self._err)]
        memory = kernel.oom_kills() > running.oom_kills
        ran = Ran(bool(self._late), exit_code, wall, len(self._killed), memory, *dropped)
        self._running, self._unsent = None, b""
        write_all(self._ends.report, frames.pack(wire.RAN, json.dumps(ran._asdict()).encode()))

    def _passed(self) -> str:
        """See to the deadline of the text that runs; return ``over`` when the shell must go, too."""
        assert self._running is not None
        now = time.monotonic()
        if not self._late and now >= self._running.deadline:
            self._late = now + _GRACE_SECONDS
        if not self._late:
            return ""
        self._kill_new()
        return "over" if now > self._late else ""

    def _kill_new(self) -> bool:
        """Kill what the text started and what that starts meanwhile; return whether there was anything."""
        assert self._running is not None
        new = self._others(self._running.before)
        kill_all([pid for pid, _ in new])
        self._killed.update(new)
        return bool(new)

    def _others(self, spared: "FrozenSet[Identity]" = frozenset()) -> "FrozenSet[Identity]":
        """Return what runs below beside the shell."""
        return frozenset(one for one in descendants(spared) if one[0] != self._shell)

    def _memory_ran_out(self) -> bool:
        return kernel.oom_kills() > (self._running.oom_kills if self._running else self._oom_kills)

    def _is_dead(self) -> bool:
        return os.waitid(os.P_PID, self._shell, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _bury(self, cause: str) -> End:
        alive = not self._is_dead()
        if alive:
            os.kill(self._shell, signal.SIGKILL)
        wall = time.monotonic() - (self._running.started if self._running else self._born)
        _, status, usage = os.wait4(self._shell, 0)
        swept, survivors = sweep()
        dropped = [stream.end() for stream in (self._out, self._err)]
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        message = start_failure(self._failed)
        if not alive and number is not None:
            cause = "out_of_memory" if number == signal.SIGKILL and self._memory_ran_out() else "killed"
        return End(
            status="not_started" if message else cause or "finished",
            exit_code=None if message or number is not None else os.WEXITSTATUS(status),
            signal=number,
            wall_seconds=wall,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            max_rss_bytes=usage.ru_maxrss * 1024,
            swept=swept + len(self._killed),
            survivors=survivors,
            message=message,
            stdout_dropped=dropped[0],
            stderr_dropped=dropped[1],
        )


def _find() -> str:
    for path in _SHELLS:
        if os.path.exists(path):
            return path
    return ""


def _unreadable(path: str) -> int:
    """Return a private copy of a program, which others may execute and not read; of no use to root's own shells."""
    copy = os.memfd_create("shell")
    with open(path, "rb") as file:
        write_all(copy, file.read())
    os.fchmod(copy, 0o711)
    reading = os.open("/proc/self/fd/%d" % copy, os.O_RDONLY | os.O_CLOEXEC)
    os.close(copy)  # what is open for writing is not executed
    return reading


def _exec(path: str, program: int, environment: "Dict[str, str]") -> None:
    if program < 0:
        raise FileNotFoundError("the image has none of %s" % ", ".join(_SHELLS))
    arguments = ["bash", "--norc", "--noprofile"] if path.endswith("bash") else ["sh"]
    os.execve(program, arguments, environment)  # noqa: S606 (running it is the purpose)
