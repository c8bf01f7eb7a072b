"""Kills what a job left behind and removes its directory."""

import contextlib
import functools
import itertools
import os
import signal
import stat
import sys
import time
from typing import Callable, List, Optional, Tuple

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_SECONDS = 2.0

KillAll = Callable[[], Tuple[List[int], bool]]
"""Kills once; returns the pids that were alive before, and whether dead ones wait for another process to bury them."""


def adopt_orphans() -> None:
    """Become the parent of what daemonises below this process, so that it can be found (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide() -> None:
    """Keep processes of the same user out of this one's memory and descriptors, and its interrupts to oneself."""
    _prctl(_PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def unhide() -> None:
    """Be an ordinary process again, in a fork of one that hides."""
    _prctl(_PR_SET_DUMPABLE, 1)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes  # contained servers never need it, and every fork copies what the server holds

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(%d) failed" % option)


def kill_group(leader: int) -> None:
    """Kill a process group whose leader was not yet waited for, so that its number cannot be another's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it died before it had a group of its own
        os.killpg(leader, signal.SIGKILL)


def sweep(uid: Optional[int]) -> int:
    """Kill what a job left behind by ``uid``, or by descent where jobs have none; return how many stayed.

    The dead count too until they are buried: as long, the next job's forks may be refused.
    """
    alone = _kill_everyone if os.getpid() == 1 else _kill_descendants
    kill: KillAll = alone if uid is None else functools.partial(_kill_uid, uid)
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        _reap()
        alive, unburied = kill()
        if not (alive or unburied) or time.monotonic() > end:
            return len(alive)
        time.sleep(0.001)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _kill_descendants() -> Tuple[List[int], bool]:
    # Orphans became this process's children (adopt_orphans); theirs do when they die, so the caller repeats.
    children = _children()
    for pid in children:
        os.kill(pid, signal.SIGKILL)  # not yet waited for, so the pid cannot be another process's
    return children, False


def _kill_everyone() -> Tuple[List[int], bool]:
    """Kill, as the first process of a pid namespace, all others in it at one stroke."""
    alive = [pid for pid in _pids() if pid != 1 and _owner(pid)[1]]
    if alive:
        with contextlib.suppress(ProcessLookupError):  # they have just died
            os.kill(-1, signal.SIGKILL)
    return alive, False


def _children() -> List[int]:
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []  # no Linux: the process group was killed, more is not known


def _kill_uid(uid: int) -> Tuple[List[int], bool]:
    ours = (1, os.getpid())  # the init process and the server: never a job's, whoever they run as
    owners = [(pid, *_owner(pid)) for pid in _pids() if pid not in ours]
    alive = [pid for pid, owner, lives in owners if owner == uid and lives]
    if alive:
        killer = os.fork()
        if not killer:
            # As that user, -1 means all that it owns, at one stroke: a fork bomb cannot outrun it.
            try:
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(killer, 0)
    return alive, any(owner == uid and not lives for _, owner, lives in owners)


def _pids() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _owner(pid: int) -> Tuple[int, bool]:
    """Return a process's real uid, and whether it is alive; -1 if it is gone."""
    try:
        with open("/proc/%d/status" % pid) as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except (FileNotFoundError, ProcessLookupError):
        return -1, False
    return int(fields["Uid"].split()[0]), fields["State"].split()[0] not in "ZX"


def remove_tree(path: str) -> bool:
    """Remove a directory of any depth; return whether it is gone.

    Directories are moved to the top and emptied there: no recursion, no long paths, two descriptors at most.
    """
    names = ("_%d" % number for number in itertools.count())
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            while _flatten(top, names.__next__):
                pass
        finally:
            os.close(top)
        os.rmdir(path)
    except OSError:
        return False
    return True


def _flatten(top: int, unique: Callable[[], str]) -> bool:
    """Empty the directories in ``top``, their subdirectories moved up into it; return whether there were any."""
    found = False
    for entry in os.listdir(top):
        if not _is_directory(entry, top):
            os.unlink(entry, dir_fd=top)
            continue
        found = True
        fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        try:
            for inner in os.listdir(fd):
                if _is_directory(inner, fd):
                    os.rename(inner, _free_name(top, unique), src_dir_fd=fd, dst_dir_fd=top)
                else:
                    os.unlink(inner, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(entry, dir_fd=top)
    return found


def _is_directory(name: str, parent: int) -> bool:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    directory = stat.S_ISDIR(status.st_mode)
    if directory and status.st_uid == os.geteuid():
        os.chmod(name, 0o700, dir_fd=parent)  # the program may have taken its own rights away
    return directory


def _free_name(top: int, unique: Callable[[], str]) -> str:
    while True:
        name = unique()
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
