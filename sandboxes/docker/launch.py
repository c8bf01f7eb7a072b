"""Starts the container of a session, of its own settings."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandboxes.api import ImageRef
from sandboxes.docker import hardening
from sandboxes.docker.channel import ContainerChannel
from sandboxes.docker.containers import Plan, labels, start_container
from sandboxes.session import GUEST_MODULE
from sandboxes.session_api import SessionSpec
from schemas.errors import UsageError

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

_LEAST_DISK = 2**20


def check_session_spec(spec: SessionSpec) -> None:
    """Raise ``UsageError`` for what no backend could do."""
    path = PurePosixPath(spec.workdir)
    inner = (hardening.SESSION_TEMPORARY, "/proc", "/sys", "/dev")
    plain = str(path) == spec.workdir and path.is_absolute() and ".." not in path.parts and path.name
    if not plain or any(path.is_relative_to(each) for each in inner) or set(spec.workdir) & set(":,\0"):
        raise UsageError(f"workdir {spec.workdir!r}: give a plain absolute directory outside {', '.join(inner)}")
    if spec.disk_bytes < _LEAST_DISK or spec.memory_bytes <= 0 or spec.processes <= 0 or spec.cpus <= 0:
        raise UsageError(f"a session's limits must be above 0, and disk_bytes at least {_LEAST_DISK}")
    if spec.network not in ("none", "bridge"):
        raise UsageError(f"network {spec.network!r}: there are none and bridge")


def start(client: EngineClient, spec: SessionSpec, image: ImageRef) -> ContainerChannel:
    """Return the channel of a session's container. Raises as ``start_container``."""
    plan = Plan(
        image=image.reference,
        arguments=(GUEST_MODULE,),
        environment={},
        labels=labels("session"),
        host=hardening.session_host_config(spec),
        memories=hardening.session_memories(spec),
    )
    return start_container(client, plan)
