"""Unpacked root file systems for sandboxes without an engine: made from this machine's Python, cached by content."""

import hashlib
import json
import os
import secrets
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from sandboxes.api import ImageRef
from sandboxes.docker.host_base import HostTree, busybox, collect
from sandboxes.docker.preflight import RESERVE_BYTES
from sandboxes.interpreters import Interpreter
from schemas.errors import ImageUnavailable, StorageFailed

_FACTS: Final = ".tracegen.json"
"""In each of ours, beside its directories; written last, so that without it nothing counts. Not shown in sandboxes."""


def cache_directory() -> Path:
    """Return where unpacked root file systems lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tracegen" / "rootfs"


def from_interpreter(interpreter: Interpreter, *, shell: bool = False) -> ImageRef:
    """Return the root file system of an interpreter of this machine, made now unless it was before.

    Its digest is that of a base image made for an engine from the same files. Raises ``ImageUnavailable`` and
    ``StorageFailed``.
    """
    box = busybox() if shell else None
    if shell and box is None:
        raise ImageUnavailable("a shell is a static BusyBox: install the package busybox-static")
    tree = collect(interpreter, shell=box)
    return find(tree.key()) or keep(
        tree.key(), tree.content_digest(), interpreter.version, tree.size_bytes(), lambda target: _unpack(tree, target)
    )


def find(key: str) -> ImageRef | None:
    """Return the one made under this key, and mark it as used now."""
    for path in cache_directory().glob(f"*/{_FACTS}"):
        facts = json.loads(path.read_text())
        if facts["key"] == key:
            os.utime(path.parent)
            return ImageRef(str(path.parent), facts["digest"], facts["python"])
    return None


def keep(key: str, content: str, python: str, size_bytes: int, fill: Callable[[Path], None]) -> ImageRef:
    """Return what ``fill`` puts into a new directory, kept under this key. A failure leaves nothing."""
    cache = cache_directory()
    place = cache / f"{python}-{content[:12]}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _check_room(cache, size_bytes)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=cache))
        try:
            made.chmod(0o755)
            fill(made)
            (made / _FACTS).write_text(json.dumps({"key": key, "digest": content, "python": python}))
            _put(made, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise StorageFailed(f"no root file system can be kept in {cache}: {error}; set XDG_CACHE_HOME") from error
    return ImageRef(str(place), content, python)


def explicit(directory: Path, version: Callable[[Path], str]) -> ImageRef:
    """Return a root file system that the user has unpacked; ``version`` asks its Python. Raises as it does."""
    if not directory.is_dir() or not any((directory / name).is_dir() for name in ("usr", "bin")):
        raise ImageUnavailable(f"{directory} is no unpacked root file system: it has neither usr nor bin")
    return ImageRef(str(directory.resolve()), tree_digest(directory), version(directory))


def tree_digest(directory: Path) -> str:
    """Return a digest of every path, link and byte below a directory but the byte code of Python."""
    hasher = hashlib.blake2b(digest_size=16)
    for path in _walk(directory):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.blake2b(path.read_bytes()).hexdigest()
        else:
            continue  # directories show in what they hold; devices and pipes are not shown inside
        hasher.update(f"{path.relative_to(directory)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir() and not path.is_symlink():
            if path.name != "__pycache__":
                yield from _walk(path)
        elif path.name != _FACTS:
            yield path


def _unpack(tree: HostTree, target: Path) -> None:
    with tempfile.TemporaryFile(dir=target.parent) as archive:
        tree.write_tar(archive)
        archive.seek(0)
        unpack_own(archive, target)


def unpack_own(archive: IO[bytes], target: Path) -> None:
    """Unpack an archive of our own making, its modes as they stand in it."""
    with tarfile.open(fileobj=archive) as opened:
        # An attribute, not the argument: Python 3.11 before 3.11.4 has neither the argument nor its filters.
        opened.extraction_filter = _as_it_is
        opened.extractall(target)  # noqa: S202 (our own)


def _as_it_is(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    return member


def _put(made: Path, place: Path) -> None:
    """Rename; who comes second finds the same content there, or something half-removed, which is moved away."""
    if (place / _FACTS).exists():
        (made / _FACTS).rename(place / _FACTS)
        return
    if place.exists():
        place.rename(place.with_name(f".broken-{secrets.token_hex(4)}"))
    try:
        made.rename(place)
    except OSError:
        if not (place / _FACTS).exists():
            raise


def _check_room(cache: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(cache).free
    if free < needed_bytes + RESERVE_BYTES:
        raise StorageFailed(
            f"a root file system takes {needed_bytes / 1e6:,.0f} MB and a reserve of {RESERVE_BYTES / 1e6:,.0f} MB, "
            f"and {cache} has {free / 1e6:,.0f} MB free: make room, or set XDG_CACHE_HOME"
        )
