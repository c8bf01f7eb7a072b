"""Whose a container is, and what is left of owners that died: found by label, removed by the next pool."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandboxes.docker.channel import remove
from sandboxes.docker.engine import speaking

if TYPE_CHECKING:
    import docker

OWNER_LABEL = "tracegen.owner"
STALE_SECONDS = 3600.0
"""Age of a container that runs nothing, after which nobody can be about to start it."""

_LOG = logging.getLogger(__name__)


def own_label() -> str:
    """Return what identifies this process among all on this kernel: pid, start time, boot, pid namespace."""
    pid = os.getpid()
    return f"{pid}:{_started(pid)}:{_kernel()}"


def remove_orphans(client: docker.APIClient) -> int:
    """Remove the containers of dead owners; return how many. Raises ``BackendUnavailable``.

    A killed process's running containers end by themselves, since their input ends; one that was created but not
    started, or whose engine died too, stays.
    """
    found = orphans(client)
    for container in found:
        _LOG.info("container %s is removed: its owner is dead", container[:12])
        remove(client, container)
    return len(found)


def orphans(client: docker.APIClient) -> list[str]:
    """Return the ids of the containers of dead owners. Raises ``BackendUnavailable``."""
    with speaking("list containers"):
        found = client.containers(all=True, filters={"label": OWNER_LABEL})
    return [each["Id"] for each in found if _is_orphan(each)]


def _is_orphan(container: dict[str, Any]) -> bool:
    dead = is_dead(container["Labels"][OWNER_LABEL])
    if dead is not None:
        return dead
    return bool(container["State"] != "running" and time.time() - container["Created"] > STALE_SECONDS)


def is_dead(owner: str) -> bool | None:
    """Return whether the process of a label is gone; ``None`` for one of another machine, boot or pid namespace."""
    pid, _, rest = owner.partition(":")
    started, _, kernel = rest.partition(":")
    if kernel != _kernel():
        return None  # whether it lives cannot be seen from here
    return not pid.isdecimal() or _started(int(pid)) != started


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return "gone"


def _kernel() -> str:
    """Return what makes a pid mean one process: the boot and the pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
