"""Looks at the sandbox from inside, as a job would find it; the host compares with the profile."""

import json
import os
import resource
import socket
from typing import Dict

from . import kernel
from .channel import Channel

_NEW_USER_NAMESPACE = 0x10000000
_UNROUTED = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737: nobody answers there


def check_job(payload: bytes, channel: Channel) -> None:
    """Run as the sandbox's first job; the payload is the server's part of the report as JSON."""
    report = json.loads(payload.decode("utf-8"))
    report.update(look_as_job())
    channel.write(json.dumps(report).encode("utf-8"))


def look_as_job() -> Dict[str, object]:
    """Return what a process without rights sees of the sandbox."""
    status = kernel.status()
    return {
        "capabilities": int(status.get("CapEff", "-1"), 16),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp", ""),
        "uid": os.getuid(),
        "network": _network(),
        "root_writable": _writable("/"),
        "tmp_writable": _writable("/tmp"),  # noqa: S108 (looked at, not used)
        "rlimits": {
            "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
            "processes": resource.getrlimit(resource.RLIMIT_NPROC)[0],
        },
        "parent_readable": _readable("/proc/%d/environ" % os.getppid()),
        "new_namespaces": _makes_namespaces(),  # the last: it would see another sandbox after
    }


def check_server(scratch: str) -> Dict[str, object]:
    """Return what only the server can see."""
    space = os.statvfs(scratch)
    return {
        "limits": kernel.limits(),
        "member": kernel.is_member(),
        "total_swap": kernel.total_swap(),
        "interfaces": kernel.interfaces(),
        "writable_mounts": kernel.writable_mounts(),
        "server_root_writable": _writable("/"),
        "scratch_bytes": space.f_blocks * space.f_frsize,
        "scratch_inodes": space.f_files,
        "oom_kills_readable": kernel.oom_kills() >= 0,
    }


def _makes_namespaces() -> object:
    try:
        import ctypes  # here, since no job is to find it imported
    except ImportError as error:
        return "unknown (%s)" % error
    return bool(ctypes.CDLL(None).unshare(_NEW_USER_NAMESPACE) == 0)


def _network() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_UNROUTED)
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
    return ""


def _writable(directory: str) -> bool:
    path = os.path.join(directory, ".tracegen-probe")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(path)
    except OSError:
        return False
    return True


def _readable(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError:
        return False
    return True
