"""Starts sandboxes: a launcher with its plan, whose standard streams are the channel of the server inside."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandboxes.bubblewrap import cgroups, launcher, seccomp
from sandboxes.bubblewrap.survey import ONE_UID, RLIMITS, Survey
from sandboxes.docker import hardening
from sandboxes.process_channel import ProcessChannel
from sandboxes.sandbox import bootstrap_text
from schemas.errors import BackendUnavailable, LimitUnsupported, StartFailed

BACKEND: Final = "bubblewrap"
USER: Final = 1000
"""Inside, where one user is mapped only."""
_LACKING: Final = 3
_STAGES: Final = ("/tmp", "/var/tmp", "/mnt", "/srv")  # noqa: S108 (a mount point in a private namespace)
_NAMESPACES: Final = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True, frozen=True)
class Request:
    """What one sandbox is to be."""

    root: str
    memory_bytes: int
    processes: int
    cpus: float
    memories: tuple[launcher.Memory, ...]
    environment: dict[str, str]
    module: Sequence[str] = ()
    """Of the guest, if not the fork server."""


class BubblewrapChannel(ProcessChannel):
    """A launcher. It kills the sandbox and removes its cgroup when the lifeline ends, also by this process's death."""

    def __init__(self, found: Survey, weak: Sequence[str], request: Request) -> None:
        """Raises ``LimitUnsupported``, ``BackendUnavailable``."""
        self._group = _group(found, weak, request)
        reading, self._lifeline = os.pipe()
        filter_fd = os.memfd_create("seccomp")
        try:
            os.write(filter_fd, seccomp.program())
            os.lseek(filter_fd, 0, os.SEEK_SET)
            plan = _plan(found, weak, request, self._group, filter_fd, reading)
            super().__init__(
                [sys.executable, "-I", "-S", launcher.__file__, json.dumps(plan._asdict())],
                environment={"PATH": os.environ.get("PATH", _PATH)},
                directory="/",
                forget=self._leave_nothing,
                descriptors=(reading, filter_fd),
            )
        except OSError as error:
            raise BackendUnavailable(f"bubblewrap's launcher cannot be started: {error}") from error
        finally:
            os.close(reading)
            os.close(filter_fd)

    def kill(self) -> None:
        """Have the launcher kill the sandbox."""
        with self._lock:
            self._cut()

    def close(self) -> None:
        """Have it killed and wait until it is gone."""
        self.kill()
        super().close()

    def explain(self, error: StartFailed) -> Exception:
        """Return what a failed start means, once the launcher has ended."""
        if self.exit_code() == _LACKING:
            return BackendUnavailable(
                f"bubblewrap does not run here: {error}. Allow user namespaces (sysctl user.max_user_namespaces, "
                "kernel.apparmor_restrict_unprivileged_userns; in a container its seccomp profile), or use another "
                "--sandbox"
            )
        return error

    def _cut(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _leave_nothing(self) -> None:
        self._cut()
        for directory in self._group.directories if self._group else ():
            with contextlib.suppress(OSError):  # the launcher has done it, unless it was killed
                Path(directory).rmdir()


def _group(found: Survey, weak: Sequence[str], request: Request) -> cgroups.Cgroup | None:
    if RLIMITS in weak or found.place is None:
        return None
    cgroups.remove_dead(found.place)
    try:
        return cgroups.make(found.place, request.memory_bytes, request.processes, request.cpus)
    except OSError as error:
        raise LimitUnsupported(
            f"no cgroup for a bubblewrap sandbox can be made: {error}; give this user the right, or accept "
            f"per-process limits with --sandbox-accept {RLIMITS}"
        ) from error


def _plan(
    found: Survey, weak: Sequence[str], request: Request, group: cgroups.Cgroup | None, filter_fd: int, lifeline: int
) -> launcher.Plan:
    command = [found.program, *_NAMESPACES, "--hostname", "sandbox", "--die-with-parent", "--clearenv"]
    for name, value in request.environment.items():
        command += ["--setenv", name, value]
    command += ["--cap-drop", "ALL"]
    users = found.users
    if ONE_UID in weak:
        command += ["--unshare-user", "--uid", str(USER), "--gid", str(USER), "--as-pid-1"]
    else:
        command += [word for name in hardening.NEEDED_CAPABILITIES for word in ("--cap-add", f"CAP_{name}")]
    python = [hardening.PYTHON, "-S", "-s", "-B", "-c", bootstrap_text(), *request.module]
    limits = {"RLIMIT_NOFILE": hardening.OPEN_FILES, "RLIMIT_CORE": 0}
    if group is None:
        limits |= {"RLIMIT_AS": request.memory_bytes, "RLIMIT_NPROC": request.processes}
    return launcher.Plan(
        command=command,
        tail=["--chdir", "/", "--seccomp", str(filter_fd), "--", *python],
        root=request.root,
        memories=[list(memory) for memory in request.memories],
        mapping=[users.tool, [list(row) for row in users.users], [list(row) for row in users.groups]],
        cgroups=list(group.directories) if group else [],
        views=[list(view) for view in group.views] if group else [],
        limits=limits,
        lifeline=lifeline,
        stage=next((each for each in _STAGES if Path(each).is_dir()), "/"),
    )
