"""Runs beside a driver that started Ray, as a program of its own, and ends what of that Ray outlives the driver.

``python -I -S ray_warden.py MARK``: waits for the end of its standard input, which is the driver's end however it died,
then kills every process that has MARK in its environment. Ray's own watch is slow: its agents first try to report the
death to a control store that died as well (2.60.0: after 2 of 6 kills of a driver they were there for over 20 s).
"""

import os
import signal
import sys
import time
from pathlib import Path

CLEAN_END = b"."
"""What the driver sends when it has shut Ray down itself."""
GRACE_SECONDS = 1.0
"""For what ends by itself when the driver was killed: sandboxes are closed in order."""
QUIET_SCANS = 3
"""Scans in a row without a find, after which nothing can be starting another process."""
SCAN_SECONDS = 0.1


def marked(mark: bytes) -> list[int]:
    """Return the processes with ``mark`` in their environment, this one left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it ended, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def end_all(mark: bytes) -> None:
    """Kill until nothing with the mark is left."""
    quiet = 0
    while quiet < QUIET_SCANS:
        found = marked(mark)
        quiet = 0 if found else quiet + 1
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(SCAN_SECONDS)


def main(mark: str) -> None:
    """Wait for the driver's end, then clean up."""
    said = sys.stdin.buffer.read()
    if said != CLEAN_END:
        time.sleep(GRACE_SECONDS)
    end_all(mark.encode())


if __name__ == "__main__":
    main(sys.argv[1])
