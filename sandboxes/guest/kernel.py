"""What the kernel says of this container: limits in force, out-of-memory kills, mounts, capabilities."""

import os
from typing import Dict, List, Optional

_MEMORY_LIMIT = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SWAP_LIMIT = ("/sys/fs/cgroup/memory.swap.max", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
_PIDS_LIMIT = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")
_MEMBERS = ("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs")
_OOM_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat")
_KERNEL_MOUNTS = ("/proc", "/sys", "/dev")


def oom_kills() -> int:
    """Return how many processes the kernel killed for memory; -1 if it does not say."""
    for path in _OOM_EVENTS:
        for line in _lines(path):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return -1


def limits() -> Dict[str, Optional[int]]:
    """Return the limits of the own cgroup (version 1 or 2); ``None`` where there is none or it cannot be read."""
    return {"memory": _limit(_MEMORY_LIMIT), "swap": _limit(_SWAP_LIMIT), "pids": _limit(_PIDS_LIMIT)}


def is_member() -> bool:
    """Return whether the limits that are shown are this process's own: it stands in each of their lists."""
    lists = [set(lines) for lines in map(_lines, _MEMBERS) if lines]
    return bool(lists) and all(str(os.getpid()) in members for members in lists)


def status() -> Dict[str, str]:
    """Return the fields of ``/proc/self/status``."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in _lines("/proc/self/status"))}


def interfaces() -> List[str]:
    """Return the network interfaces but the loopback."""
    names = [line.split(":")[0].strip() for line in _lines("/proc/net/dev") if ":" in line]
    return sorted(name for name in names if name != "lo")


def writable_mounts() -> List[str]:
    """Return where file systems are mounted for writing, but the kernel's own."""
    found = []
    for line in _lines("/proc/self/mountinfo"):
        fields = line.split(" ")
        point, options = fields[4], fields[5].split(",")
        if "rw" in options and not point.startswith(_KERNEL_MOUNTS):
            found.append(point)
    return sorted(found)


def highest_uid() -> int:
    """Return the highest uid that is mapped into this user namespace."""
    rows = [[int(field) for field in line.split()] for line in _lines("/proc/self/uid_map")]
    return max((inside + count - 1 for inside, _, count in rows), default=65535)


def total_swap() -> int:
    """Return the machine's swap space in bytes."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("SwapTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _limit(paths: "tuple[str, ...]") -> Optional[int]:
    for path in paths:
        for line in _lines(path):
            return int(line) if line.isdigit() else None
    return None


def _lines(path: str) -> List[str]:
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.readall() or b"").decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
