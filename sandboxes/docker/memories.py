"""The memory file systems of a container, bounded in bytes and inodes.

A tmpfs or, where the engine's knows no limit on inodes, a volume that it mounts with the kernel's own options.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

VOLUME_PREFIX: Final = "tracegen-"
_EMPTY: Final = "ro,size=4096,notmpcopyup,noexec,nosuid,nodev"


@dataclass(slots=True, frozen=True)
class Memory:
    """One memory file system, empty at the start."""

    place: str
    size_bytes: int
    inodes: int
    mode: str
    user: int = 0
    executable: bool = False

    def flags(self) -> str:
        """Return the flags of its mount."""
        return f"{'exec' if self.executable else 'noexec'},nosuid,nodev"

    def tmpfs(self) -> str:
        """Return the options of a tmpfs."""
        return f"size={self.size_bytes},{self._common()}"

    def volume(self) -> str:
        """Return the options of a volume; Podman before 4.8 takes ``size`` for a quota, so it is given in pages."""
        return f"nr_blocks={-(-self.size_bytes // os.sysconf('SC_PAGE_SIZE'))},{self._common()}"

    def _common(self) -> str:
        owner = f",uid={self.user},gid={self.user}" if self.user else ""
        return f"nr_inodes={self.inodes},mode={self.mode},{self.flags()}{owner}"


def make_volumes(client: EngineClient, memories: Sequence[Memory], labels: Mapping[str, str]) -> list[str]:
    """Return the names of volumes made for them, in their order; none where a tmpfs does. Raises docker's errors."""
    made: list[str] = []
    if not client.engine.has_volumes:
        return made
    try:
        for memory in memories:
            name = VOLUME_PREFIX + secrets.token_hex(12)
            options = {"type": "tmpfs", "device": "tmpfs", "o": memory.volume()}
            client.create_volume(name, driver="local", driver_opts=options, labels=dict(labels))
            made.append(name)
    except BaseException:
        for name in made:
            client.remove_volume(name)
        raise
    return made


def mounts(client: EngineClient, memories: Sequence[Memory], volumes: Sequence[str], read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_host_config`` that mount them; ``volumes`` is what ``make_volumes`` gave."""
    places = {memory.place for memory in memories}
    covers = {place: _EMPTY for place in client.engine.covered if read_only and place not in places}
    if not volumes:
        return {"tmpfs": {memory.place: memory.tmpfs() for memory in memories} | covers}
    binds = {
        name: {"bind": memory.place, "mode": f"rw,nocopy,{memory.flags()}"}
        for name, memory in zip(volumes, memories, strict=True)
    }
    return {"tmpfs": covers, "binds": binds}
