"""Who is who in a sandbox's user namespace: which ids of this machine its users are mapped to."""

import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WIDTH: Final = 65_536
_LOWEST: Final = 1_900_000_000
"""Above what distributions give to users, their subordinate ids and containers; each sandbox takes one of many ranges,
so that users of two sandboxes are never the same to the kernel."""
_RANGES: Final = 3_000
_SHARED: Final = 10_000
"""In a container whose own ids end early: the ids from here up, the same for all sandboxes."""


@dataclass(slots=True, frozen=True)
class Users:
    """The rows of both maps: inner id, outer id, count."""

    users: tuple[tuple[int, int, int], ...]
    groups: tuple[tuple[int, int, int], ...]
    tool: bool
    """Written by ``newuidmap`` and ``newgidmap``, which are set-uid."""

    @property
    def several(self) -> bool:
        """Return whether each job can have a user of its own."""
        return sum(count for _, _, count in self.users) > 1


def find_users() -> tuple[Users, str]:
    """Return the best map that this user may make; and, if it holds one user only, why."""
    if os.geteuid() == 0:
        return _as_root()
    own = ((0, os.geteuid(), 1),), ((0, os.getegid(), 1),)
    alone = Users(*own, tool=False)
    if not shutil.which("newuidmap") or not shutil.which("newgidmap"):
        return alone, "newuidmap is not installed (Debian: uidmap)"
    ranges = [_subordinate(Path(f"/etc/{name}")) for name in ("subuid", "subgid")]
    if ranges[0] is None or ranges[1] is None:
        return alone, f"/etc/subuid and /etc/subgid have no range for {_name()} (usermod --add-subuids)"
    (first_user, users), (first_group, groups) = ranges[0], ranges[1]
    return Users((*own[0], (1, first_user, users)), (*own[1], (1, first_group, groups)), tool=True), ""


def _as_root() -> tuple[Users, str]:
    highest = _highest()
    if highest >= _LOWEST + _RANGES * _WIDTH:
        rows = ((0, _LOWEST + secrets.randbelow(_RANGES) * _WIDTH, _WIDTH),)
        return Users(rows, rows, tool=False), ""
    if highest >= 2 * _SHARED:
        rows = ((0, _SHARED, highest - _SHARED + 1),)
        return Users(rows, rows, tool=False), ""
    rows = ((0, 0, 1),)
    return Users(rows, rows, tool=False), f"this user namespace has ids up to {highest} only"


def _highest() -> int:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    rows = [[int(field) for field in line.split()] for line in lines]
    return max((inside + count - 1 for inside, _, count in rows), default=0)


def _subordinate(file: Path) -> tuple[int, int] | None:
    """Return the first id and the number of a user's largest range."""
    try:
        rows = [line.split(":") for line in file.read_text().splitlines()]
    except OSError:
        return None
    mine = [(int(row[1]), int(row[2])) for row in rows if len(row) == 3 and row[0] in (_name(), str(os.geteuid()))]
    return max(mine, key=lambda each: each[1], default=None)


def _name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
