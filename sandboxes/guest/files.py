"""Private memory files, one set per job."""

import fcntl
import os
from typing import NamedTuple

from .frames import write_all

_PIECE = 1 << 20


class JobFiles(NamedTuple):
    """Descriptors of the server that a child gets as its result, stdout and stderr."""

    result: int
    stdout: int
    stderr: int

    def close(self) -> None:
        """Close all of them."""
        for fd in self:
            os.close(fd)


def open_files(directory: str) -> JobFiles:
    """Create the files of one job, empty, appending."""
    return JobFiles(*(_memory_file(name, directory) for name in JobFiles._fields))


def read_start(fd: int, count: int) -> bytes:
    """Return the first ``count`` bytes of a file, fewer if it is shorter."""
    chunks = []
    offset = 0
    while offset < count:
        chunk = os.pread(fd, min(count - offset, 1 << 20), offset)
        if not chunk:
            break
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def send_start(fd: int, count: int, sink: int) -> None:
    """Copy the first ``count`` bytes of a file to ``sink`` in pieces; what the file lost meanwhile becomes zeros."""
    for offset in range(0, count, _PIECE):
        most = min(_PIECE, count - offset)
        write_all(sink, os.pread(fd, most, offset).ljust(most, b"\0"))


def _memory_file(name: str, directory: str) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name)
    else:
        import tempfile  # large, and every fork copies what the server holds

        fd, path = tempfile.mkstemp(dir=directory)
        os.unlink(path)
    # Appending: a guest that reads its output and truncates the file starts again at 0, with no hole before it.
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd
