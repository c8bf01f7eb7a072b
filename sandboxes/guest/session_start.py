"""The last steps before a program of the session runs: streams, limits, no rights."""

import ctypes
import os
import resource
import signal
import sys
import traceback
from typing import Callable, Dict

from .session_frames import Order

_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, of two sets of three words
_LIBC = ctypes.CDLL(None, use_errno=True)
MESSAGE_BYTES = 4000


def drop_rights(user: int) -> None:
    """Become ``user`` with no capability; no_new_privs keeps root from getting any back by exec."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if _LIBC.capset(head, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset failed")


def become(order: Order, descriptors: "Dict[int, int]", failing: int, begin: "Callable[[], None]") -> None:
    """Turn a fork into what ``begin`` executes, with ``descriptors`` (number there: number here); never return.

    What goes wrong before is written to ``failing``, which is closed at the exec.
    """
    try:
        os.setsid()
        for target, fd in descriptors.items():
            os.dup2(fd, target)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the kernel takes a command before its supervisor or the server
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if order.memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
        if order.file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_bytes, order.file_bytes))
        if order.user >= 0:
            drop_rights(order.user)
        os.umask(0o022)
        os.chdir(order.cwd)
        begin()
    except BaseException as error:
        os.write(failing, ("%s: %s" % (type(error).__name__, error)).encode("utf-8", "replace")[:MESSAGE_BYTES])
    finally:
        os._exit(127)


def perform(task: "Callable[[], None]", failing: int) -> None:
    """Run a task of ours where a program would run: exit code 0, or 1 and why on standard error."""
    os.close(failing)
    try:
        task()
    except OSError as error:
        _say("%s%s" % (error.strerror or error, ": %r" % (error.filename,) if error.filename else ""))
        os._exit(1)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(2)
    os._exit(0)


def _say(message: str) -> None:
    os.write(2, message.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES])
