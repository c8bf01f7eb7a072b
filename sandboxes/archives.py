"""Reads archives that nobody vouches for, as a stream: their limits are kept while they are unpacked, not afterwards.

Tar headers are read here and not by ``tarfile.open``, which takes an extended header of any size into memory.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from sandboxes.guest.session_entries import DIRECTORY, FILE, NAME_BYTES, Entry
from sandboxes.guest.session_tree import Budget, Refused

_BLOCK: Final = 512
_PIECE: Final = 1 << 16
_HEADER_BYTES: Final = 2**20
"""Most of one extended header."""
_FREE_BYTES: Final = 2**20
"""Unpacked bytes below which no ratio is too high: a small file of zeros is no bomb."""
_MAGIC: Final = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
_DAMAGE: Final = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)
_KINDS: Final = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}

Contents = Iterable[tuple[Entry, Iterable[bytes]]]


def read_archive(path: Path, budget: Budget, ratio: float) -> Contents:
    """Yield the files and directories of a tar (plain, gzip, bzip2, xz) or a zip. Raises ``Refused``.

    The bytes of one must be taken before the next is asked for.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_BLOCK)
            file.seek(0)
            packed = start[257:262] != b"ustar"  # a tar begins with a name, which may look like anything
            if packed and start.startswith((b"PK\3\4", b"PK\5\6")):
                yield from _named(_zip(file, path.stat().st_size, ratio), budget)
                return
            opener = next((opener for magic, opener in _MAGIC if packed and start.startswith(magic)), None)
            stream: IO[bytes] = opener(file, "rb") if opener else file  # type: ignore[assignment]
            yield from _named(_Tar(_Unpacked(stream, file, ratio)).entries(), budget)
    except _DAMAGE as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> Refused:
    return Refused(0, f"the archive is damaged, or none that is read here ({error})")


def _piece(stream: IO[bytes], count: int) -> bytes:
    """Return 1 to ``count`` bytes. Raises ``Refused``."""
    try:
        found = stream.read(count)
    except _DAMAGE as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(error) from error  # how bz2 says it
    if not found:
        raise _damaged(EOFError("it ends in the middle"))
    return found


def _named(found: Contents, budget: Budget) -> Contents:
    """Bring names into one form, add the directories that an archive leaves out, refuse what comes twice."""
    seen: dict[bytes, int] = {}
    for entry, data in found:
        name = _plain(entry.name)
        if not name:
            continue
        parts = name.split(b"/")
        above = [b"/".join(parts[:count]) for count in range(1, len(parts))]
        wanted = [Entry(DIRECTORY, each) for each in above] + [entry._replace(name=name)]
        for each in wanted:
            known = seen.get(each.name)
            if known == DIRECTORY == each.kind:
                continue
            if known is not None:
                raise Refused(0, "the archive has it twice", _shown(each.name))
            seen[each.name] = each.kind
            budget.add(each)
            yield each, data if each.kind == FILE else ()


def _plain(name: bytes) -> bytes:
    while name.startswith(b"./"):
        name = name[2:]
    return b"" if name == b"." else name.rstrip(b"/") or name


class _Unpacked:
    """The decompressed bytes, as long as there are not too many for the packed ones."""

    def __init__(self, stream: IO[bytes], packed: IO[bytes], ratio: float) -> None:
        self._stream = stream
        self._packed = packed
        self._ratio = ratio
        self._count = 0

    def read(self, count: int) -> bytes:
        """Return exactly ``count`` bytes. Raises ``Refused``."""
        found = bytearray()
        while len(found) < count:
            piece = _piece(self._stream, min(count - len(found), _PIECE))
            found += piece
            self._count += len(piece)
            _check_ratio(self._count, self._packed.tell(), self._ratio)
        return bytes(found)


def _check_ratio(unpacked: int, packed: int, ratio: float) -> None:
    if unpacked > _FREE_BYTES and unpacked > ratio * packed:
        raise Refused(0, f"the archive unpacks to more than {ratio:g} times its size")


class _Tar:
    def __init__(self, stream: _Unpacked) -> None:
        self._stream = stream
        self._name: bytes | None = None
        self._size: int | None = None

    def entries(self) -> Contents:
        """Yield files and directories until the end mark."""
        while (block := self._stream.read(_BLOCK)).strip(b"\0"):
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError as error:
                raise _damaged(error) from error
            if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
                self._extend(info)
            else:
                yield self._entry(info)

    def _extend(self, info: tarfile.TarInfo) -> None:
        """Read what is said of the next entry, or of all."""
        if not 0 <= info.size <= _HEADER_BYTES:
            raise Refused(0, f"a header of {info.size} bytes", info.name)
        data = b"".join(self._bytes(info.size))
        if info.type == tarfile.GNUTYPE_LONGNAME:
            self._name = data.rstrip(b"\0")
            return
        said = dict(_records(data))
        if any(key.startswith(b"GNU.sparse") for key in said):
            raise Refused(0, "it is a sparse file; only regular files and directories are moved", info.name)
        if info.type == tarfile.XHDTYPE:
            self._name = said.get(b"path", self._name)
            self._size = int(said[b"size"]) if b"size" in said else self._size
        elif b"path" in said or b"size" in said:
            raise Refused(0, "a header that gives all files one name or size", info.name)

    def _entry(self, info: tarfile.TarInfo) -> tuple[Entry, Iterable[bytes]]:
        name = self._name if self._name is not None else info.name.encode("utf-8", "surrogateescape")
        size = self._size if self._size is not None else info.size
        self._name = self._size = None
        if len(name) > NAME_BYTES or size < 0:
            raise Refused(0, "a name too long, or a size below 0", _shown(name[:NAME_BYTES]))
        if info.type == tarfile.DIRTYPE:
            return Entry(DIRECTORY, name), ()
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
            kind = _KINDS.get(info.type, f"of type {info.type!r}")
            raise Refused(0, f"it is {kind}; only regular files and directories are moved", _shown(name))
        return Entry(FILE, name, size, bool(info.mode & 0o111)), self._bytes(size)

    def _bytes(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = self._stream.read(min(left, _PIECE))
            left -= len(piece)
            yield piece
        self._stream.read(-size % _BLOCK)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a pax header."""
    while data.strip(b"\0"):
        head, _, _ = data.partition(b" ")
        length = int(head) if head.isdigit() and len(head) < 8 else 0
        key, equals, value = data[len(head) + 1 : length - 1].partition(b"=")
        if length > len(data) or not equals or data[length - 1 : length] != b"\n":
            raise Refused(0, "the archive is damaged (a pax header)")
        yield key, value
        data = data[length:]


def _zip(file: IO[bytes], packed: int, ratio: float) -> Contents:
    with zipfile.ZipFile(file) as archive:
        unpacked = 0
        for info in archive.infolist():
            mode, name = info.external_attr >> 16, info.filename.encode("utf-8", "surrogateescape")
            if info.flag_bits & 1:
                raise Refused(0, "it is encrypted", _shown(name))
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(0, "it is a link or a device; only regular files and directories are moved", _shown(name))
            if info.is_dir():
                yield Entry(DIRECTORY, name), ()
                continue
            unpacked += info.file_size
            _check_ratio(unpacked, packed, ratio)
            with archive.open(info) as stream:
                yield Entry(FILE, name, info.file_size, bool(mode & 0o111)), _exactly(stream, info.file_size)


def _exactly(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield ``size`` bytes of a zip's member, which may hold fewer than it says."""
    left = size
    while left:
        piece = _piece(stream, min(left, _PIECE))
        left -= len(piece)
        yield piece


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
