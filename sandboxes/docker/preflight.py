"""Refuses to make an image for which the engine's disk has no room, before the disk is full for everybody."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import StorageFailed

if TYPE_CHECKING:
    import docker

RESERVE_BYTES: Final = 200 * 2**20
"""Left free for what else is written meanwhile: logs, other containers."""
_LOG = logging.getLogger(__name__)


def check_room(client: docker.APIClient, what: str, needed_bytes: int) -> None:
    """Raise ``StorageFailed`` if the engine's disk lacks ``needed_bytes`` and a reserve.

    An engine whose disk this process cannot see (another machine's) is not checked, and the log says so.
    """
    root = Path(client.info()["DockerRootDir"])
    try:
        free = shutil.disk_usage(root).free
    except OSError as error:
        _LOG.info("room for %s is not checked: the engine's disk is not to be seen from here (%s)", what, error)
        return
    if free < needed_bytes + RESERVE_BYTES:
        raise StorageFailed(
            f"{what} takes {needed_bytes / 1e6:,.0f} MB and a reserve of {RESERVE_BYTES / 1e6:,.0f} MB, and {root} has "
            f"{free / 1e6:,.0f} MB free: make room, for instance with `tracegen sandbox gc --older-than 1d`"
        )


def written_bytes(client: docker.APIClient, container: str) -> int:
    """Return what a container has written over its image, which a commit copies. Raises docker's ``NotFound``."""
    import docker.errors

    found = client.containers(all=True, size=True, filters={"id": container})
    if not found:
        raise docker.errors.NotFound(f"the container {container[:12]} is gone")
    return int(found[0].get("SizeRw") or 0)
