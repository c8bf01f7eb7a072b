"""The forked child: gives up everything it does not need, then runs the preloaded entry on one payload."""

import contextlib
import gc
import io
import os
import resource
import signal
import sys
import traceback
from typing import Callable, NamedTuple, Optional

from .channel import OPEN_FILES, RESULT_FD, Channel, SharedPage
from .files import JobFiles
from .process import die_with_parent, unhide

Entry = Callable[[bytes, Channel], object]


class Work(NamedTuple):
    """One job as the child sees it."""

    payload: bytes
    directory: str
    uid: Optional[int]
    """``None``: the server's."""
    address_space: int
    """0: no limit."""
    file_bytes: int
    processes: int
    cpu_seconds: int


def run_child(entry: Entry, work: Work, files: JobFiles, page: SharedPage) -> None:
    """Become the job; never returns. A failure before ``page.mark_entered`` is the sandbox's, after it the job's."""
    code = 1
    try:
        _arrange(work, files)
        channel = Channel(page)
        page.mark_entered()
        gc.enable()
        entry(work.payload, channel)
        code = 0
    except BaseException:
        page.mark_fault()
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _arrange(work: Work, files: JobFiles) -> None:
    os.setsid()
    if work.uid is None:
        die_with_parent()
        unhide()
    _offer_to_oom_killer()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _take_descriptors(files)
    _limit(work)
    if work.uid is not None:
        os.setgroups([])
        os.setresgid(work.uid, work.uid, work.uid)
        os.setresuid(work.uid, work.uid, work.uid)
    os.chdir(work.directory)
    os.umask(0o022)
    _open_streams()


def _offer_to_oom_killer() -> None:
    """Make the kernel take the job before the server when memory is used up."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(fd, b"1000")
        finally:
            os.close(fd)
    except OSError:
        pass  # only a preference: without it the kernel may take the server, which the host sees as a lost sandbox


def _take_descriptors(files: JobFiles) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (files.stdout, 1), (files.stderr, 2), (files.result, RESULT_FD)):
        os.dup2(source, target, inheritable=target != RESULT_FD)
    os.closerange(3, RESULT_FD)
    os.closerange(RESULT_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _limit(work: Work) -> None:
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, work.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, work.cpu_seconds),
    ]
    if work.address_space:
        limits.append((resource.RLIMIT_AS, work.address_space))
    if work.uid is not None:  # else it would count the user's other programs
        limits.append((resource.RLIMIT_NPROC, work.processes))
    for kind, value in limits:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _open_streams() -> None:
    """Replace the streams that the server opened on its channel by fresh ones on the job's files."""
    for name, stream in (
        ("stdin", io.TextIOWrapper(io.BufferedReader(_raw(0, "r")), encoding="utf-8")),
        ("stdout", _writer(1, "strict", line_buffering=False)),
        ("stderr", _writer(2, "backslashreplace", line_buffering=True)),
    ):
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


def _writer(fd: int, errors: str, *, line_buffering: bool) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_raw(fd, "w"))
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=line_buffering)


def _raw(fd: int, mode: str) -> io.FileIO:
    return io.FileIO(fd, mode, closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):  # the program closed or replaced it; nobody is left to tell
            stream.flush()
