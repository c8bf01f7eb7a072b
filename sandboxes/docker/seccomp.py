"""Tightens an engine's own system call filter where that lets programs make namespaces, as Podman's does.

What the engine allows stays the bound: calls are taken out of its list, none is put in.
"""

from __future__ import annotations

import errno
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandboxes.bubblewrap.seccomp import ABSENT, FORBIDDEN
from sandboxes.rootfs import cache_directory
from schemas.base import digest
from schemas.errors import LimitUnsupported, StorageFailed

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

_ALLOW: Final = "SCMP_ACT_ALLOW"
_NAMESPACES: Final = 0x7E020000
"""The flags of ``clone`` that make namespaces; what is 0 under this mask makes none."""


def security_options(client: EngineClient) -> list[str]:
    """Return the option that gives a container the tightened filter; none where the engine's own will do.

    Raises ``LimitUnsupported`` if the engine's own filter cannot be read here, ``StorageFailed``.
    """
    if not client.engine.filter_is_loose:
        return []
    path = client.seccomp_path()
    try:
        own: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LimitUnsupported(
            f"the filter of system calls of {client.engine.name}, {path!r}, cannot be read ({error}), so it cannot be "
            "tightened: use a service on this machine, and its usual profile (the package that has containers.conf)"
        ) from error
    return [f"seccomp={_kept(json.dumps(tightened(own)))}"]


def tightened(profile: dict[str, Any]) -> dict[str, Any]:
    """Return an engine's profile without the calls that no sandbox has, and without new namespaces."""
    refused = {*FORBIDDEN, *ABSENT}
    rules = []
    for rule in profile["syscalls"]:
        names = [name for name in rule["names"] if name not in refused and name != "clone"]
        if names:
            rules.append({**rule, "names": names})
    flags = {"index": 0, "value": _NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules += [
        {"names": ["clone"], "action": _ALLOW, "args": [flags]},
        {"names": sorted(FORBIDDEN), "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM},
        {"names": sorted(ABSENT), "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
    ]
    return {**profile, "syscalls": rules}


def _kept(text: str) -> Path:
    """Write a profile below the cache, where the engine reads it, unless it is there."""
    path = cache_directory().parent / f"seccomp-{digest([text])[:16]}.json"
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".seccomp-", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)  # the service may be another user's
        Path(file.name).replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error}; set XDG_CACHE_HOME to a place that can") from error
    return path
