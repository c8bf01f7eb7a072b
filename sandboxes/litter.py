"""What of ours can be removed, and the unpacked root file systems among it, which need no engine for that."""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandboxes.rootfs import cache_directory


@dataclass(slots=True, frozen=True)
class Litter:
    """One thing that can go."""

    kind: Literal["container", "volume", "image", "rootfs"]
    identity: str
    """Id in the engine, or the path."""
    names: tuple[str, ...]
    size_bytes: int
    """Freed by its removal: of an image, what lies above its parent."""
    reason: str


@dataclass(slots=True, frozen=True)
class Sweep:
    """What a removal came to."""

    removed: tuple[Litter, ...]
    kept: tuple[tuple[Litter, str], ...]
    """What the engine or the file system refused to remove, and why."""


def find_old_root_file_systems(older_than_seconds: float, keep_bytes: int | None) -> list[Litter]:
    """Return the unused ones that ``gc`` would remove: the old ones, and the oldest beyond ``keep_bytes``."""
    return too_old_or_too_much(unused_root_file_systems(), older_than_seconds, keep_bytes)


def sweep_root_file_systems(litter: Iterable[Litter]) -> Sweep:
    """Remove what was found; what cannot be removed stays, with the reason."""
    removed, kept = [], []
    for one in litter:
        try:
            remove_tree(Path(one.identity))
        except OSError as error:
            kept.append((one, str(error)))
        else:
            removed.append(one)
    return Sweep(tuple(removed), tuple(kept))


def too_old_or_too_much(ages: list[tuple[float, Litter]], seconds: float, keep_bytes: int | None) -> list[Litter]:
    """Choose by age, then the oldest beyond the budget; the order, children before parents, stays."""
    chosen = {one.identity for age, one in ages if age >= seconds}
    kept = 0
    for _, one in sorted(ages, key=lambda pair: pair[0]):  # the youngest first
        kept += one.size_bytes if one.identity not in chosen else 0
        if keep_bytes is not None and kept > keep_bytes:
            chosen.add(one.identity)
    return [one for _, one in ages if one.identity in chosen]


def unused_root_file_systems() -> list[tuple[float, Litter]]:
    """Return the unpacked root file systems that no process has mounted, with the seconds since they were touched."""
    directory = cache_directory()
    if not directory.is_dir():
        return []
    mounted = _mounts()
    return [
        (time.time() - entry.stat().st_mtime, Litter("rootfs", str(entry), (), _bytes(entry), "unpacked image"))
        for entry in sorted(directory.iterdir())
        if f"tracegen/rootfs/{entry.name}" not in mounted
    ]


def remove_tree(entry: Path) -> None:
    """Rename first: a half-removed root file system must not be taken for a whole one. Raises ``OSError``."""
    gone = entry.with_name(f".gone-{os.getpid()}-{entry.name}")
    entry.rename(gone)
    if gone.is_dir() and not gone.is_symlink():
        shutil.rmtree(gone)
    else:
        gone.unlink()


def _mounts() -> str:
    """Return the mount tables of every process on this machine that may be asked."""
    texts = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            texts.append(table.read_text())
        except OSError:  # it has just ended, or is another user's
            continue
    return "\n".join(texts)


def _bytes(entry: Path) -> int:
    paths = [entry, *entry.rglob("*")] if entry.is_dir() and not entry.is_symlink() else [entry]
    return sum(path.lstat().st_blocks * 512 for path in paths)
