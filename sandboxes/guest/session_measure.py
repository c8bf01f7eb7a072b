"""What a session holds of the disk that no walk over its files finds. Needs the server's rights (``SYS_PTRACE``)."""

import json
import os
import stat
from typing import Dict, Iterator, Tuple

_MOUNTED = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv")  # engines' files, not the root's


def measure() -> bytes:
    """Return as JSON the bytes of deleted files that are still held, and what is free on the disk below the root."""
    sizes: Dict[Tuple[int, int], int] = {}
    root = os.stat("/").st_dev
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            for status in _held(pid):
                if stat.S_ISREG(status.st_mode) and not status.st_nlink and status.st_dev == root:
                    sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    for path in _MOUNTED:
        try:
            status = os.stat(path)
        except FileNotFoundError:  # no engine mounts all of them
            continue
        if status.st_dev != root:
            sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    space = os.statvfs("/")
    return json.dumps({"hidden": sum(sizes.values()), "free": space.f_bavail * space.f_frsize}).encode()


def _held(pid: str) -> "Iterator[os.stat_result]":
    """Yield what a process has open; one that ends meanwhile holds nothing."""
    folder = "/proc/%s/fd" % pid
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.stat("%s/%s" % (folder, name))
        except OSError:
            continue
