"""Whether a directory's file system keeps the promises that exactly-once rests on: atomic rename and locks."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipelines.atomic import fsync_directory, storage_errors
from schemas.errors import StorageFailed

PROBE_NAME: Final = ".probe"
_LOCAL: Final = "choose an -o on a local disk and copy the directory afterwards"
_NOT_OF_THE_KIND: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
"""Errors of a disk that is full, closed or broken, not of one that cannot do such a thing."""


def check_storage(directory: Path) -> None:
    """Write, rename over, sync and lock as a run will; raise ``StorageFailed`` naming what does not hold."""
    old, new = directory / PROBE_NAME, directory / f"{PROBE_NAME}.new"
    with storage_errors(directory):
        try:
            old.write_bytes(b"old")
            new.write_bytes(b"new")
            _check_rename(old, new)
            fsync_directory(directory)
            _check_locks(old)
        finally:
            for path in (old, new):
                with suppress(OSError):  # the error on its way says more than one of the clean-up
                    path.unlink()


def _check_rename(old: Path, new: Path) -> None:
    with old.open("rb") as reader:
        try:
            new.replace(old)
        except OSError as error:
            raise _unfit(old, "does not rename a file over another", error) from error
        # Who has the old file open keeps the old bytes: a copy in place would show new ones.
        if (old.read_bytes(), reader.read(), new.exists()) != (b"new", b"old", False):
            raise _unfit(old, "does not rename a file over another in one step", None)


def _check_locks(path: Path) -> None:
    with path.open("rb") as first, path.open("rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise no_locks(path.parent, error) from error
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        raise _unfit(path, "grants the same file lock twice", None)


def no_locks(directory: Path, error: OSError) -> Exception:
    """Return what to raise when a lock was refused for another reason than that it is held."""
    return _unfit(directory / PROBE_NAME, "has no file locks", error)


def _unfit(path: Path, what: str, error: OSError | None) -> Exception:
    if error is not None and error.errno in _NOT_OF_THE_KIND:
        return error
    reason = f" ({os.strerror(error.errno)})" if error is not None and error.errno else ""
    return StorageFailed(
        f"the file system of {path.parent} {what}{reason}: runs could lose or double rows there; {_LOCAL}"
    )
