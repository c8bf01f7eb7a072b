"""The program's stdout and stderr: descriptors 1 and 2 are private files, read and emptied after every input."""

from __future__ import annotations

import os
import resource
from typing import Any, List


def text_of(data: bytes, cut: int) -> List[Any]:
    """Return ``[text, bytes cut, escaped]``; bytes that are not UTF-8 are escaped, losslessly."""
    try:
        return [data.decode("utf-8"), cut, False]
    except UnicodeDecodeError as error:
        if cut and error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            # The cut went through a character.
            return [data[: error.start].decode("utf-8"), cut + len(data) - error.start, False]
    return [data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"), cut, True]


class Stream:
    """One of the two descriptors. A private copy is kept, since programs close theirs."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.limit = limit
        self.file = os.dup(descriptor)
        self.kept = b""

    def take(self) -> List[Any]:
        """Return what was written since the last call, as ``text_of`` gives it."""
        size = os.fstat(self.file).st_size
        data = os.pread(self.file, min(size, self.limit), 0)
        os.ftruncate(self.file, 0)
        os.lseek(self.file, 0, os.SEEK_SET)
        return text_of(data, size - len(data))

    def keep(self) -> None:
        """Have what is there now found at the beginning of each output to come, from ``again`` on."""
        self.kept = os.pread(self.file, os.fstat(self.file).st_size, 0)

    def again(self) -> None:
        """Forget what was written since ``keep``."""
        os.ftruncate(self.file, 0)
        os.lseek(self.file, 0, os.SEEK_SET)
        left = self.kept
        while left:
            left = left[os.write(self.file, left) :]

    def overflown(self) -> bool:
        """Whether the program met the sandbox's limit on a file's size, and so an error that is not its own."""
        return os.fstat(self.file).st_size >= resource.getrlimit(resource.RLIMIT_FSIZE)[0] > 0

    def restore(self) -> None:
        """Give the next input its descriptor, whatever this one did to it."""
        os.dup2(self.file, self.descriptor)
