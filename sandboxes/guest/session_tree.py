"""Reads and writes trees of regular files, for both ends of a transfer: no link is followed, each limit is kept."""

import itertools
import os
import stat
from typing import Callable, Iterator, NamedTuple, Tuple

from .frames import read_exact, write_all
from .session_entries import DIRECTORY, END, FILE, Entry, is_plain, read

PIECE = 1 << 18
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Take = Callable[[int], bytes]
"""Returns up to so many bytes, and none at the end."""


class Refused(OSError):
    """A transfer breaks a rule."""


class Limits(NamedTuple):
    """What one transfer may move."""

    most_bytes: int
    most_files: int
    depth: int


class Budget:
    """Counts what was moved, and refuses what is too much of it or has a name that leaves its directory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.files = 0
        self.directories = 0
        self.bytes = 0

    def room(self) -> int:
        """Return how many more files and directories there may be."""
        return self._limits.most_files - self.files - self.directories

    def add(self, entry: Entry) -> None:
        """Count one entry before its bytes are moved. Raises ``Refused``."""
        shown = os.fsdecode(entry.name)
        if entry.name and not is_plain(entry.name):
            raise Refused(0, "the name is absolute, or leaves its directory", shown)
        if entry.name.count(b"/") >= self._limits.depth:
            raise Refused(0, "it lies deeper than %d directories" % self._limits.depth, shown)
        self.files += entry.kind == FILE
        self.directories += entry.kind == DIRECTORY
        self.bytes += entry.size
        if self.room() < 0:
            raise Refused(0, "more than %d files and directories" % self._limits.most_files, shown)
        if self.bytes > self._limits.most_bytes:
            raise Refused(0, "more than %d bytes up to here" % self._limits.most_bytes, shown)


def walk(path: str, budget: Budget) -> "Iterator[Tuple[Entry, int]]":
    """Yield what is below a directory, by name, each file with a descriptor that is closed afterwards."""
    return _walk(os.open(path, READING | os.O_DIRECTORY), b"", budget)


def open_file(path: str, budget: Budget) -> "Tuple[Entry, int]":
    """Return a file as the only entry of a transfer."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISREG(mode):  # not opened at all: a device may do something then
        raise Refused(0, "it is %s; only regular files are moved" % _kind(mode), path)
    fd = os.open(path, READING)
    try:
        entry = _entry(fd, b"", path)
        budget.add(entry)
    except OSError:
        os.close(fd)
        raise
    return entry, fd


def pieces(fd: int, entry: Entry, shown: str) -> "Iterator[bytes]":
    """Yield exactly the bytes that the entry announces."""
    left = entry.size
    while left:
        data = os.read(fd, min(left, PIECE))
        if not data:
            raise Refused(0, "it became shorter while it was read", shown)
        yield data
        left -= len(data)


def write_tree(take: Take, entry: Entry, directory: str, budget: Budget) -> None:
    """Write what comes, from ``entry`` on, into a directory that nobody else uses yet."""
    while entry.kind != END:
        budget.add(entry)
        path = os.path.join(directory, os.fsdecode(entry.name))
        if entry.kind == DIRECTORY:
            os.mkdir(path, 0o755)
        else:
            write_file(take, entry, path)
        entry = read(take)


def write_file(take: Take, entry: Entry, path: str) -> None:
    """Write one new file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o755 if entry.executable else 0o644)
    try:
        left = entry.size
        while left:
            data = read_exact(take, min(left, PIECE))
            write_all(fd, data)
            left -= len(data)
    finally:
        os.close(fd)


def _walk(fd: int, above: bytes, budget: Budget) -> "Iterator[Tuple[Entry, int]]":
    try:
        with os.scandir(fd) as found:
            names = [os.fsencode(each.name) for each in itertools.islice(found, budget.room() + 1)]
        for name in sorted(names):
            yield from _one(fd, name, above + b"/" + name if above else name, budget)
    finally:
        os.close(fd)


def _one(parent: int, name: bytes, path: bytes, budget: Budget) -> "Iterator[Tuple[Entry, int]]":
    shown = os.fsdecode(path)
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        entry = Entry(DIRECTORY, path)
        budget.add(entry)
        yield entry, -1
        yield from _walk(os.open(name, READING | os.O_DIRECTORY, dir_fd=parent), path, budget)
        return
    if not stat.S_ISREG(mode):  # not opened at all: a device may do something then
        raise Refused(0, "it is %s; only regular files and directories are moved" % _kind(mode), shown)
    fd = os.open(name, READING, dir_fd=parent)
    try:
        entry = _entry(fd, path, shown)
        budget.add(entry)
        yield entry, fd
    finally:
        os.close(fd)


def _entry(fd: int, name: bytes, shown: str) -> Entry:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Refused(0, "it is %s; only regular files and directories are moved" % _kind(status.st_mode), shown)
    return Entry(FILE, name, status.st_size, bool(status.st_mode & 0o111))


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
