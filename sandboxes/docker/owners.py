"""Whose a container is, and what is left of owners that died: found by label, removed by the next pool."""

from __future__ import annotations

import logging
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandboxes.docker.channel import remove, remove_volumes
from sandboxes.docker.engine import speaking
from sandboxes.docker.memories import VOLUME_PREFIX

if TYPE_CHECKING:
    import docker

    from sandboxes.docker.client import EngineClient

OWNER_LABEL = "tracegen.owner"
STALE_SECONDS = 3600.0
"""Age of a container that runs nothing, after which nobody can be about to start it."""

_LOG = logging.getLogger(__name__)


def own_label() -> str:
    """Return what identifies this process among all on this kernel: pid, start time, boot, pid namespace."""
    pid = os.getpid()
    return f"{pid}:{_started(pid)}:{_kernel()}"


def remove_orphans(client: EngineClient) -> int:
    """Remove the containers and volumes of dead owners; return how many containers. Raises ``BackendUnavailable``.

    A killed process's running containers end by themselves, since their input ends; one that was created but not
    started, or whose engine died too, stays.
    """
    found = orphans(client)
    for container in found:
        _LOG.info("container %s is removed: its owner is dead", container[:12])
        remove(client, container)
    remove_volumes(client, orphan_volumes(client))
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


def orphan_volumes(client: EngineClient) -> list[str]:
    """Return the names of volumes whose owner is dead, or cannot be seen from here and made them long ago.

    None of an engine whose memory file systems are no volumes. Raises ``BackendUnavailable``.
    """
    if not client.engine.has_volumes:
        return []
    with speaking("list volumes"):
        found = client.volumes(filters={"label": [OWNER_LABEL]}).get("Volumes") or []
    return [each["Name"] for each in found if each["Name"].startswith(VOLUME_PREFIX) and _is_left(each)]


def _is_left(volume: dict[str, Any]) -> bool:
    dead = is_dead(volume["Labels"][OWNER_LABEL])
    if dead is not None:
        return dead
    made = datetime.fromisoformat(re.sub(r"\.\d+", "", volume["CreatedAt"]))  # nanoseconds are beyond it
    return time.time() - made.timestamp() > STALE_SECONDS


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
