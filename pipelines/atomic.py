"""Files that are either wholly there or not at all, and storage errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from schemas.errors import StorageFailed

TEMPORARY_SUFFIX: Final = ".tmp"

_REMEDIES: Final = {
    errno.ENOSPC: "free some space, or choose another directory",
    errno.EDQUOT: "raise the quota, or choose another directory",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write smaller shards",
    errno.EROFS: "choose a directory that can be written",
    errno.EACCES: "choose a directory that you may write to",
    errno.EPERM: "choose a directory that you may write to",
    errno.ENOTDIR: "choose a path whose parents are directories",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the file system under ``path`` into ``StorageFailed``."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "check the disk")
        raise StorageFailed(
            f"cannot write {path}: {reason}; {remedy}, then run the same command again: finished shards are kept"
        ) from error


def fsync_directory(directory: Path) -> None:
    """Make the renames in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and takes the name, otherwise it is removed.

    The directory is made if need be. Raises ``StorageFailed``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _fsync_file(temporary)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # the error on its way says more than one of the clean-up
                temporary.unlink()
            raise
        fsync_directory(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file atomically. Raises ``StorageFailed``."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
