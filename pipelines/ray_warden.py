"""Runs beside a driver that started Ray, as a program of its own, and ends what of that Ray outlives the driver.

``python -I -S ray_warden.py MARK DRIVER``: reads its standard input, whose end is the driver's end however it died,
then kills every process of that Ray: it has MARK in its environment, or a title of Ray's and a file open in a session
directory, which Ray names for the process that started it (``session_TIME_DRIVER``). Either alone is not enough: a
title is written over the environment, in which the variables stand in any order. Ray's own watch is slow: its agents
first try to report the death to a control store that died as well (2.60.0: after 2 of 6 kills of a driver they were
there for over 20 s).
"""

import os
import re
import signal
import sys
import time
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


def members(mark: bytes, driver: str) -> list[int]:
    """Return the processes that belong to the Ray of this mark, or that this driver started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() or _titled(process, driver):
                found.append(int(process.name))
        except OSError:  # it ended, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def _titled(process: Path, driver: str) -> bool:
    # The Ray of an earlier driver with the same process id, if anything is left of it, is older than this program.
    if not (process / "cmdline").read_bytes().startswith(TITLE) or _started(process) < _started(Path("/proc/self")):
        return False
    directory = re.compile(f"/session_[0-9_-]+_{driver}/")
    return any(directory.search(str(link.readlink())) for link in (process / "fd").iterdir())


def _started(process: Path) -> int:
    """Return when a process started, in ticks of the machine's clock."""
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[19])


def end_all(mark: bytes, driver: str, scans: int) -> None:
    """Kill until nothing is found in so many scans in a row."""
    quiet = 0
    while quiet < scans:
        found = members(mark, driver)
        quiet = 0 if found else quiet + 1
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(SCAN_SECONDS)


def main(mark: str, driver: str) -> None:
    """Wait for the driver's end, then clean up."""
    clean = sys.stdin.buffer.read() == CLEAN_END
    time.sleep(0.0 if clean else GRACE_SECONDS)
    end_all(mark.encode(), driver, SCANS if clean else SCANS_AFTER_DEATH)


if __name__ == "__main__":
    main(*sys.argv[1:])
