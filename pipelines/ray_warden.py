"""Runs beside a driver that started Ray, as a program of its own, and ends what of that Ray outlives the driver.

``python -I -S ray_warden.py MARK``: reads its standard input, whose end is the driver's end however it died, then kills
every process of that Ray: it has MARK in its environment, or a title of Ray's and a file open in the session directory
that the driver named on the way. Either alone is not enough: a title is written over the environment, in which the
variables stand in any order, and a driver may die before it knows the directory. Ray's own watch is slow: its agents
first try to report the death to a control store that died as well (2.60.0: after 2 of 6 kills of a driver they were
there for over 20 s).
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

CLEAN_END = b"."
"""What the driver sends when it has shut Ray down itself."""
TITLE = b"ray::"
GRACE_SECONDS = 1.0
"""For what ends by itself when the driver was killed: sandboxes are closed in order."""
SCANS = 3
"""Scans in a row without a find, after which nothing can be starting another process."""
SCANS_AFTER_DEATH = 15
"""The same when the driver was killed: on a busy machine a process can be between fork and exec for long."""
SCAN_SECONDS = 0.1


def members(mark: bytes, directories: Sequence[str]) -> list[int]:
    """Return the processes that belong to the Ray of this mark and these session directories."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() or _titled(process, directories):
                found.append(int(process.name))
        except OSError:  # it ended, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def _titled(process: Path, directories: Sequence[str]) -> bool:
    if not directories or not (process / "cmdline").read_bytes().startswith(TITLE):
        return False
    files = [str(link.readlink()) for link in (process / "fd").iterdir()]
    return any(file.startswith(f"{directory}/") for file in files for directory in directories)


def end_all(mark: bytes, directories: Sequence[str], scans: int) -> None:
    """Kill until nothing is found in so many scans in a row."""
    quiet = 0
    while quiet < scans:
        found = members(mark, directories)
        quiet = 0 if found else quiet + 1
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(SCAN_SECONDS)


def main(mark: str) -> None:
    """Wait for the driver's end, then clean up."""
    *directories, last = sys.stdin.buffer.read().split(b"\n")
    clean = last == CLEAN_END
    time.sleep(0.0 if clean else GRACE_SECONDS)
    end_all(mark.encode(), [os.fsdecode(each) for each in directories], SCANS if clean else SCANS_AFTER_DEATH)


if __name__ == "__main__":
    main(sys.argv[1])
