"""What stands below a supervisor, which is a subreaper: ancestry alone says whose a process is."""

import os
import signal
import time
from typing import Dict, FrozenSet, List, NamedTuple, Set, Tuple

_SWEEP_SECONDS = 5.0

Identity = Tuple[int, int]
"""Pid and start time; a pid alone may be given again."""


class Process(NamedTuple):
    """One row of ``/proc``."""

    parent: int
    state: str
    born: int


def sweep() -> "Tuple[int, int]":
    """Kill everything below this process; return how many there were and how many stayed."""
    killed: Set[int] = set()
    end = time.monotonic() + _SWEEP_SECONDS
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return len(killed), 0  # no child, so nothing below either
        alive = [pid for pid, _ in descendants()]
        if time.monotonic() > end:
            return len(killed), max(1, len(alive))
        kill_all(alive)
        killed.update(alive)
        time.sleep(0.001)


def kill_all(pids: "List[int]") -> None:
    """Kill each; one that is gone already is no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(spared: "FrozenSet[Identity]" = frozenset()) -> "FrozenSet[Identity]":
    """Return all below this process but the dead, and but ``spared`` and what is below those."""
    table = _processes()
    children: Dict[int, List[int]] = {}
    for pid, row in table.items():
        children.setdefault(row.parent, []).append(pid)
    found, wanted = [], [os.getpid()]
    while wanted:
        below = [pid for pid in children.get(wanted.pop(), []) if (pid, table[pid].born) not in spared]
        wanted += below
        found += [(pid, table[pid].born) for pid in below if table[pid].state != "Z"]
    return frozenset(found)


def reap_orphans(child: int) -> None:
    """Take away the dead that were adopted, so that they do not fill the table of processes."""
    for pid, row in _processes().items():
        if pid != child and (row.parent, row.state) == (os.getpid(), "Z"):
            os.waitpid(pid, os.WNOHANG)


def _processes() -> "Dict[int, Process]":
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(name)] = Process(int(fields[1]), fields[0].decode(), int(fields[19]))
    return found
