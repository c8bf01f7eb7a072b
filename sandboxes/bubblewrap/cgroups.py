"""A cgroup for each sandbox, version 1 or 2, where the kernel and this user's rights allow it."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandboxes.docker.owners import is_dead, own_label

PREFIX: Final = "tracegen-"
_NEEDED: Final[tuple[str, ...]] = ("memory", "pids")
_PERIOD: Final = 100_000
_INSIDE: Final = "/sys/fs/cgroup"


@dataclass(slots=True, frozen=True)
class Place:
    """Where cgroups can be made, by controller; one directory for all with version 2."""

    version: int
    parents: dict[str, Path]


@dataclass(slots=True, frozen=True)
class Cgroup:
    """One sandbox's cgroup."""

    directories: tuple[str, ...]
    """To enter."""
    views: tuple[tuple[str, str], ...]
    """What the sandbox is shown of them, and where."""


def find_place() -> tuple[Place | None, str]:
    """Return where cgroups with limits on memory and processes can be made, else ``None`` and why not."""
    own = _own_paths()
    mounts = _mounts()
    if all(name in mounts for name in _NEEDED):
        parents = {name: _existing(mounts[name], own.get(name, "/")) for name in (*_NEEDED, "cpu") if name in mounts}
        locked = [str(parents[name]) for name in _NEEDED if not os.access(parents[name], os.W_OK)]
        if locked:
            return None, f"no right to make cgroups below {' and '.join(locked)}"
        return Place(1, parents), ""
    if "" not in mounts:
        return None, "no cgroup file system is mounted"
    return _find_unified(mounts[""], own.get("", "/"))


def _find_unified(mount: Path, own: str) -> tuple[Place | None, str]:
    here = _existing(mount, own)
    for parent in (here, here.parent):  # a cgroup that has processes passes no controller on, but beside it may do
        if not parent.is_relative_to(mount) or not os.access(parent, os.W_OK):
            continue
        enabled = _words(parent / "cgroup.subtree_control")
        if not set(_NEEDED) <= enabled:
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _NEEDED))
            enabled = _words(parent / "cgroup.subtree_control")
        if set(_NEEDED) <= enabled:
            return Place(2, dict.fromkeys((*_NEEDED, *(["cpu"] if "cpu" in enabled else [])), parent)), ""
    return None, f"no cgroup with the controllers memory and pids is delegated to this user at {here}"


def make(place: Place, memory_bytes: int, processes: int, cpus: float) -> Cgroup:
    """Make a cgroup with these limits. Raises ``OSError``; then nothing is left of it."""
    name = f"{PREFIX}{own_label()}:{secrets.token_hex(4)}".replace("/", "|")
    made: list[Path] = []
    try:
        for parent in dict.fromkeys(place.parents.values()):
            directory = parent / name
            directory.mkdir()
            made.append(directory)
        _limit(place, name, memory_bytes, processes, cpus)
    except OSError:
        for directory in made:
            directory.rmdir()
        raise
    views = [(str(place.parents[kind] / name), f"{_INSIDE}/{kind}") for kind in _NEEDED]
    if place.version == 2:
        views = [(str(made[0]), _INSIDE)]
    return Cgroup(tuple(map(str, made)), tuple(views))


def _limit(place: Place, name: str, memory_bytes: int, processes: int, cpus: float) -> None:
    memory, pids = (place.parents[kind] / name for kind in _NEEDED)
    quota = int(cpus * _PERIOD)
    if place.version == 2:
        (memory / "memory.max").write_text(str(memory_bytes))
        if (memory / "memory.swap.max").exists():
            (memory / "memory.swap.max").write_text("0")
        if "cpu" in place.parents:
            (memory / "cpu.max").write_text(f"{quota} {_PERIOD}")
    else:
        (memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
        if (memory / "memory.memsw.limit_in_bytes").exists():
            (memory / "memory.memsw.limit_in_bytes").write_text(str(memory_bytes))
        if "cpu" in place.parents:
            (place.parents["cpu"] / name / "cpu.cfs_quota_us").write_text(str(quota))
    (pids / "pids.max").write_text(str(processes))


def remove_dead(place: Place) -> int:
    """Remove the cgroups whose driver and launcher were both killed; return how many."""
    removed = 0
    for parent in dict.fromkeys(place.parents.values()):
        for directory in parent.glob(f"{PREFIX}*"):
            owner = directory.name.removeprefix(PREFIX).replace("|", "/").rpartition(":")[0]
            if is_dead(owner):
                with contextlib.suppress(OSError):  # it still holds processes, which die with their launcher
                    directory.rmdir()
                    removed += 1
    return removed


def _existing(mount: Path, own: str) -> Path:
    """Return this process's own cgroup; in a container the path may be of outside its view: then the top of that."""
    inner = mount / own.lstrip("/")
    return inner if inner.is_dir() else mount


def _own_paths() -> dict[str, str]:
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    return {name: path for _, names, path in rows for name in names.split(",")}


def _mounts() -> dict[str, Path]:
    """Return where each controller of version 1 is mounted, and version 2 under the empty name."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point, (kind, _, options) = Path(before.split(" ")[4]), after.split(" ")[:3]
        if kind == "cgroup":
            found.update((name, point) for name in options.split(",") if name in (*_NEEDED, "cpu"))
        elif kind == "cgroup2":
            found[""] = point
    return found


def _words(file: Path) -> set[str]:
    try:
        return set(file.read_text().split())
    except OSError:
        return set()
