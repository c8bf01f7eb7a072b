"""What a job writes its result to, and the page that it shares with the fork server."""

import errno
import mmap
import os
import struct
import time

from .process import adopt_orphans

_DEADLINE = struct.Struct("=d")
_ENTERED = _DEADLINE.size
_FAULT = _ENTERED + 1

RESULT_FD = 250  # high, so that the first file which a program opens gets 3 as it would anywhere
OPEN_FILES = 256
RESULT_LOST = 112  # exit code when the program closed the result's descriptor


class SharedPage:
    """One page of shared memory: the job's own deadline, and whether the job got as far as the guest's entry."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def deadline(self) -> float:
        """Return the monotonic time that the job set; anything odd that it wrote counts as none."""
        value = _DEADLINE.unpack_from(self._page)[0]
        return float(value) if value > 0.0 else float("inf")  # NaN is not > 0 either

    def set_deadline(self, moment: float) -> None:
        """Set the monotonic time at which the parent kills the job."""
        _DEADLINE.pack_into(self._page, 0, moment)

    def entered(self) -> bool:
        """Return whether the child came through its set-up."""
        return self._page[_ENTERED] == 1

    def mark_entered(self) -> None:
        """Say that the set-up is done."""
        self._page[_ENTERED] = 1

    def mark_fault(self) -> None:
        """Say that the guest failed, not the program: its entry raised, or its way out was closed."""
        self._page[_FAULT] = 1

    def fault(self) -> bool:
        """Return whether the guest failed."""
        return self._page[_FAULT] == 1

    def clear(self) -> None:
        """Make the page ready for the next job."""
        self._page[: _FAULT + 1] = bytes(_FAULT + 1)


class Channel:
    """A job's way out. Holds no lock, so threads, signal handlers and forks of the program cannot hang it."""

    def __init__(self, page: SharedPage) -> None:
        self._page = page
        self._owner = os.getpid()
        self._file = _identity()
        self._end = -1
        """Where the next write begins; the first looks: another file could stand at 0 too."""

    def write(self, data: bytes) -> None:
        """Append to the result, unbuffered. Ends the process when the result is full.

        Ignored in processes that the program forked: the result is the first process's.
        """
        if os.getpid() != self._owner:
            return
        try:
            # Where it stands tells a file as well as its identity does, in a third of the time.
            if os.lseek(RESULT_FD, 0, os.SEEK_CUR) != self._end:
                self._look()
            count = os.write(RESULT_FD, data)
            self._end += count
            while count < len(data):
                data = data[count:]
                count = os.write(RESULT_FD, data)
                self._end += count
        except OSError as error:
            if error.errno not in (errno.EFBIG, errno.EBADF, errno.ESPIPE):
                raise
            self._end_process()  # full; if it is not, the program lowered its own limit, or closed the descriptor

    def _look(self) -> None:
        """End the process if the result is another file than it was; else something moved its position."""
        if _identity() != self._file:
            self._end_process()
        self._end = os.lseek(RESULT_FD, 0, os.SEEK_CUR)

    def _end_process(self) -> None:
        self._page.mark_fault()
        os._exit(RESULT_LOST)

    def in_fork(self, file: int) -> "Channel":
        """Return the channel of a fork of the job, whose result is ``file``: the caller's to read and to time.

        Nothing that the fork says reaches this channel's result or deadline.
        """
        os.dup2(file, RESULT_FD, inheritable=False)
        os.close(file)
        return Channel(SharedPage())

    def adopt_orphans(self) -> None:
        """Become the parent of what daemonises below the job, so that it sees whether a fork left anything (Linux)."""
        adopt_orphans()

    def set_deadline(self, seconds: float) -> None:
        """Have the parent kill this job that long from now; the job's wall limit stays."""
        self._page.set_deadline(time.monotonic() + seconds)


def _identity() -> object:
    try:
        status = os.fstat(RESULT_FD)
    except OSError:
        return None
    return status.st_dev, status.st_ino
