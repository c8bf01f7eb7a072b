"""Runs as ``python -I -S launcher.py PLAN``: enters a user namespace and cgroups, then starts bubblewrap there.

A process of its own and single-threaded: it maps the users (which only a process outside the namespace can), lives
as long as the driver's end of a pipe, and leaves no process and no cgroup behind. Standard library only.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

_NEW_NAMESPACES = 0x10000000 | 0x00020000  # CLONE_NEWUSER | CLONE_NEWNS
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_BIND = 0x1000
_NO_SUID, _NO_DEVICES, _NO_EXECUTION = 2, 4, 8
_REMOVAL_SECONDS = 5.0
_LACKING = 3
"""Exit code that says: this machine does not allow it; standard error tells what."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Mapping(NamedTuple):
    """Who is who in the user namespace."""

    tool: bool
    """By ``newuidmap``, not by this process."""
    users: "list[list[int]]"
    """Rows of inner id, outer id, count."""
    groups: "list[list[int]]"


class Memory(NamedTuple):
    """A memory file system."""

    path: str
    size: int
    inodes: int
    mode: str
    owner: int
    executable: bool


class Plan(NamedTuple):
    """What the driver wants started."""

    command: "list[str]"
    """bubblewrap's up to its mounts, with every option that needs nothing of here."""
    tail: "list[str]"
    """bubblewrap's last options and what it runs."""
    root: str
    memories: "list[list[object]]"
    """Fields of ``Memory``."""
    mapping: "list[object]"
    """Fields of ``Mapping``."""
    cgroups: "list[str]"
    """Directories to enter and to remove at the end."""
    views: "list[list[str]]"
    """What of them is shown inside: directory, place."""
    limits: "dict[str, int]"
    """Resource limits by the names of ``resource``."""
    lifeline: int
    """At its end everything is killed."""
    stage: str
    """A directory that every user can reach; the mounts are prepared over it, in the namespace only."""


def main() -> None:
    """Start, wait, clean up, pass on the exit code."""
    plan = Plan(**json.loads(sys.argv[1]))
    mapping = Mapping(*plan.mapping)  # type: ignore[arg-type]
    try:
        code = _run(plan, mapping)
    finally:
        _remove(plan.cgroups)
    sys.exit(code)


def _run(plan: Plan, mapping: Mapping) -> int:
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    ready, is_ready = os.pipe()
    go, say_go = os.pipe()
    child = os.fork()
    if not child:
        os.close(ready)
        os.close(say_go)
        _become(plan, is_ready, go)
    os.close(is_ready)
    os.close(go)
    for fd in (0, 1):
        os.close(fd)  # the driver must see the end when the sandbox ends
    if os.read(ready, 1):
        try:
            _map(child, mapping)
        except (OSError, subprocess.SubprocessError) as error:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            _lack(f"users cannot be mapped into a user namespace: {error}")
        os.write(say_go, b"x")
    os.close(say_go)
    poll = select.poll()
    for fd in (plan.lifeline, woken):
        poll.register(fd, select.POLLIN)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) & 0xFF
        for fd, _ in poll.poll():
            if fd == plan.lifeline:
                os.kill(child, signal.SIGKILL)
                poll.unregister(fd)
            else:
                os.read(fd, 4096)


def _lack(message: str) -> NoReturn:
    sys.stderr.write(message)
    sys.stderr.flush()
    sys.exit(_LACKING)


def _map(child: int, mapping: Mapping) -> None:
    for name, rows in (("uid", mapping.users), ("gid", mapping.groups)):
        if mapping.tool:
            numbers = [str(number) for row in rows for number in row]
            subprocess.run([f"new{name}map", str(child), *numbers], check=True, stdin=subprocess.DEVNULL)
            continue
        if name == "gid" and os.geteuid() != 0:
            Path(f"/proc/{child}/setgroups").write_text("deny")
        Path(f"/proc/{child}/{name}_map").write_text("".join(f"{a} {b} {c}\n" for a, b, c in rows))


def _become(plan: Plan, is_ready: int, go: int) -> None:
    """Become bubblewrap; never returns."""
    try:
        for directory in plan.cgroups:
            Path(directory, "cgroup.procs").write_text("0")
        if _LIBC.unshare(_NEW_NAMESPACES):
            _lack(f"a user namespace cannot be made: {os.strerror(ctypes.get_errno())}")
        os.write(is_ready, b"x")
        if not os.read(go, 1):
            os._exit(_LACKING)
        root = os.open(plan.root, os.O_PATH | os.O_DIRECTORY)  # as the user who owns it
        views = [os.open(directory, os.O_PATH | os.O_DIRECTORY) for directory, _ in plan.views]
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        with contextlib.suppress(PermissionError):  # denied where one user is mapped only
            os.setgroups([])
        mounts = _stage(plan, root, views)
        for name, value in plan.limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.execvp(plan.command[0], [*plan.command, *mounts, *plan.tail])  # noqa: S606 (running it is the purpose)
    except SystemExit as error:
        os._exit(int(error.code or 0))
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        sys.stderr.flush()
    finally:
        os._exit(1)


def _stage(plan: Plan, root: int, views: "list[int]") -> "list[str]":
    """Mount what bubblewrap cannot make itself where it can be reached; return its options for all mounts."""
    _mount("none", "/", "", _PRIVATE, "")
    _mount("tmpfs", plan.stage, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=0755,size=1m")
    own = Path(plan.stage, "root")
    own.mkdir()
    _mount(f"/proc/self/fd/{root}", str(own), "", _BIND, "")
    options = ["--tmpfs", "/"]
    for entry in sorted(own.iterdir()):
        options += _shown(entry)
    options += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    for number, fields in enumerate(plan.memories):
        memory = Memory(*fields)  # type: ignore[arg-type]
        place = Path(plan.stage, f"memory{number}")
        place.mkdir()
        flags = _NO_SUID | _NO_DEVICES | (0 if memory.executable else _NO_EXECUTION)
        data = f"size={memory.size},nr_inodes={memory.inodes},mode={memory.mode},uid={memory.owner},gid={memory.owner}"
        _mount("tmpfs", str(place), "tmpfs", flags, data)
        options += ["--bind", str(place), memory.path]
    if views:
        options += ["--tmpfs", "/sys"]
    for number, fd in enumerate(views):
        place = Path(plan.stage, f"view{number}")
        place.mkdir()
        _mount(f"/proc/self/fd/{fd}", str(place), "", _BIND, "")
        options += ["--ro-bind", str(place), plan.views[number][1]]
    return [*options, *(["--remount-ro", "/sys"] if views else []), "--remount-ro", "/"]


def _shown(entry: Path) -> "list[str]":
    """Return the options that show one entry of the root file system; kernel file systems and ours are made anew."""
    place = f"/{entry.name}"
    if entry.name.startswith(".") or entry.name in ("proc", "sys", "dev", "tmp", "run"):
        return ["--dir", place] if entry.name in ("tmp", "run") else []
    if entry.is_symlink():
        return ["--symlink", str(entry.readlink()), place]
    return ["--ro-bind", str(entry), place]


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    names = [text.encode() for text in (source, target, kind, data)]
    if _LIBC.mount(names[0], names[1], names[2] or None, flags, names[3] or None):
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {source} on {target} failed: {os.strerror(number)}")


def _remove(cgroups: "list[str]") -> None:
    """Remove the cgroups once the last process is gone."""
    end = time.monotonic() + _REMOVAL_SECONDS
    left = list(cgroups)
    while left and time.monotonic() < end:
        for directory in list(left):
            try:
                Path(directory).rmdir()
                left.remove(directory)
            except FileNotFoundError:
                left.remove(directory)
            except OSError:
                time.sleep(0.01)  # its processes are still dying
    for directory in left:
        sys.stderr.write(f"\nthe cgroup {directory} could not be removed")


if __name__ == "__main__":
    main()
