"""Runs docstrings of one module in forks of one process that has executed it, so that its imports are paid once.

A fork finds exactly what it would have found after executing the module itself: nothing that another member does
reaches it. What comes to a regular end is passed on, one section per member:

["M", position, bytes, [type]]    and so many bytes: the lines of a job with that member alone; types not asked

A member that the ``__repr__`` of a value killed is run again without asking that type (``crashes``). One that dies
otherwise, or hangs, is passed on as nothing, and the host runs it by itself, where the sandbox tells how it ended. So
are all, where the module cannot be forked: it has started threads, opened files or mapped shared memory. So are the
rest, where a member left a process behind.
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import signal
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .crashes import prepare_again
from .entropy import entropy
from .program import CannotTrace
from .regions import regions
from .surroundings import Surroundings
from .version import RECORDER_VERSION, WIRE_VERSION
from .wire import WireWriter, encode

if TYPE_CHECKING:
    from .entry import Job

GRACE = 1.0
"""Seconds between a member's own deadline and its end by force."""
ROOM = 48 * 2**20
"""Bytes of a family's result; what comes after is left to the host. A single job may have more."""
_PIECE = 2**20
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.005
_PATIENCE = 0.5
"""Seconds for the kernel to bury a member's process group."""


Member = Tuple[Dict[str, Any], ModuleType, Any]
"""What differs from the job's payload, the executed module, and the fork's channel."""


class Family:
    """One module and its members, each of which differs from the job's payload in ``entry``, ``inputs``, ``traced``."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.members: List[Dict[str, Any]] = job.payload["members"]
        self.folder = os.getcwd()
        self.written = 0
        self.random: Tuple[Any, ...] = ()
        self.again = False
        """Whether the member that ran last is to run once more, after a crash."""

    def run(self) -> Optional[Member]:
        """Execute the module and run the members, as far as that goes.

        Returns twice: ``None`` here, and in each fork what is to be run there. The caller runs it, since a member must
        stand as deep in the stack as a job by itself.
        """
        job = self.job
        if not hasattr(os, "memfd_create"):
            return None
        surroundings = Surroundings(job.payload["seed"])
        job.channel.set_deadline(job.seconds + GRACE)
        surroundings.restore()
        job.channel.adopt_orphans()
        before = _shared()
        try:
            module = job.load()
            job.flush()
        except CannotTrace as error:
            self._refuse(error)
            return None
        if threading.active_count() > job.threads or _shared() != before:
            return None
        self.random = random.getstate(), entropy.state()
        for stream in (job.out, job.err):
            stream.keep()
        waiting = list(range(len(self.members)))
        while waiting:
            job.channel.set_deadline(job.seconds + 3 * GRACE)
            channel = self._member(waiting[0])
            if channel is not None:
                return self.members[waiting[0]], module, channel
            if self.written > ROOM or not self._buried() or not self._tidy():
                break
            if not self.again:
                del waiting[0]
        return None

    def _refuse(self, error: CannotTrace) -> None:
        """Tell of every member what the module's execution came to."""
        lines: List[bytes] = []
        wire = WireWriter(lines.append)
        wire.line("H", WIRE_VERSION, RECORDER_VERSION, platform.python_version(), regions())
        wire.begin(0)
        wire.line("!", error.reason, str(error))
        wire.line("Z")
        text = b"".join(lines)
        for position in range(len(self.members)):
            self.job.channel.write(encode("M", position, len(text), []) + text)

    def _member(self, position: int) -> Any:
        """Fork, and pass on what the fork wrote; in the fork, return its channel."""
        file = os.memfd_create("member")
        pid = os.fork()
        if not pid:
            return self._become(file)
        try:
            status = self._wait(pid)
            member = self.members[position]
            announced: bool = member["announce"]
            lines = os.pread(file, os.fstat(file).st_size, 0) if announced else b""
            self.again = prepare_again(member, status, lines)
            if status == 0 and not announced:
                self._pass_on(position, file)
        finally:
            os.close(file)
        return None

    def _become(self, file: int) -> Any:
        try:
            os.setsid()
            random.setstate(self.random[0])  # both seed themselves anew in every fork
            entropy.restore(self.random[1])
            return self.job.channel.in_fork(file)
        except BaseException:
            os._exit(1)  # else two processes would go on as this one

    def _wait(self, pid: int) -> int:
        """Return the member's wait status, when it and its process group are dead."""
        end = time.monotonic() + self.job.seconds + GRACE
        pause = _SHORTEST_PAUSE
        done, status = os.waitpid(pid, os.WNOHANG)
        while not done:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
                break
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            done, status = os.waitpid(pid, os.WNOHANG)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return status

    def _buried(self) -> bool:
        """Return whether no process is left that a member, or the module, has started; orphans are adopted."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                if time.monotonic() > end:
                    return False
                time.sleep(_LONGEST_PAUSE)

    def _pass_on(self, position: int, file: int) -> None:
        size = os.fstat(file).st_size
        self.written += size
        self.job.channel.write(encode("M", position, size, self.members[position]["silent"]))
        for offset in range(0, size, _PIECE):
            self.job.channel.write(os.pread(file, min(_PIECE, size - offset), offset))

    def _tidy(self) -> bool:
        """Empty the streams and the folder for the next member; return whether nothing is left."""
        self.job.out.again()  # what the module's execution wrote is each member's
        self.job.err.again()
        names = os.listdir(self.folder)
        if names:
            import shutil  # large, and every fork copies what this process holds

            for path in (os.path.join(self.folder, name) for name in names):
                with contextlib.suppress(OSError):  # what stays is seen below
                    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        return not os.listdir(self.folder)


def _shared() -> Tuple[List[str], List[str]]:
    """Return what forks share: open descriptors, whose position is one for all, and shared memory."""
    with open("/proc/self/maps", "rb") as file:
        maps = [line.split() for line in file.read().decode("utf-8", "replace").splitlines()]
    shared = sorted(" ".join(fields) for fields in maps if fields[1].endswith("s"))
    return sorted(os.listdir("/proc/self/fd")), shared
