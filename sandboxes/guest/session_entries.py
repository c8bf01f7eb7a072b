"""How files travel through a session's channel: entries one after another, and their end. No archive format."""

import struct
from typing import Callable, NamedTuple

from .frames import read_exact

END = 0
FILE = 1
DIRECTORY = 2

NAME_BYTES = 16384  # most bytes of one name; the kernel takes 4096
_HEAD = struct.Struct(">BQ?H")


class Entry(NamedTuple):
    """One file, followed by ``size`` bytes, or one directory, which comes before what is in it."""

    kind: int
    name: bytes
    """Relative, parts divided by ``/``; empty for the only file of a transfer."""
    size: int = 0
    executable: bool = False


def pack(entry: Entry) -> bytes:
    """Return an entry's head."""
    return _HEAD.pack(entry.kind, entry.size, entry.executable, len(entry.name)) + entry.name


def read(take: "Callable[[int], bytes]") -> Entry:
    """Read an entry's head. Raises ``EOFError`` and ``ValueError``."""
    kind, size, executable, length = _HEAD.unpack(read_exact(take, _HEAD.size))
    name = read_exact(take, length)
    if kind not in (END, FILE, DIRECTORY) or length > NAME_BYTES or (size and kind != FILE):
        raise ValueError("an entry of kind %d with a name of %d bytes and %d bytes" % (kind, length, size))
    return Entry(kind, name, size, executable)


def is_plain(name: bytes) -> bool:
    """Return whether a name stays below the directory that it is taken relative to."""
    return b"\0" not in name and all(part not in (b"", b".", b"..") for part in name.split(b"/"))
