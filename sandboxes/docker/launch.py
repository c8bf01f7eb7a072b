"""Starts the container of a session, of its own settings."""

from __future__ import annotations

import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandboxes.api import ImageRef
from sandboxes.docker import hardening
from sandboxes.docker.channel import ContainerChannel
from sandboxes.docker.containers import start_container
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.sandbox import bootstrap_text
from sandboxes.session import GUEST_MODULE
from sandboxes.session_api import SessionSpec
from schemas.errors import UsageError

if TYPE_CHECKING:
    import docker

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


def start(client: docker.APIClient, spec: SessionSpec, image: ImageRef) -> ContainerChannel:
    """Return the channel of a session's container. Raises as ``start_container``."""
    return start_container(client, _creation(client, spec, image))


def _creation(client: docker.APIClient, spec: SessionSpec, image: ImageRef) -> dict[str, Any]:
    """Return the arguments of ``create_container``."""
    import docker.types

    files = docker.types.Ulimit(name="nofile", soft=hardening.OPEN_FILES, hard=hardening.OPEN_FILES)
    return {
        "image": image.reference,
        "entrypoint": [hardening.PYTHON, "-S", "-s", "-B", "-c", bootstrap_text(), GUEST_MODULE],
        "command": [],
        "stdin_open": True,  # with detach off, docker-py also sets StdinOnce: the input ends with the connection
        "detach": False,
        "user": "0:0",
        "working_dir": "/",
        "hostname": "sandbox",
        "labels": {"tracegen.run": secrets.token_hex(8), OWNER_LABEL: own_label(), "tracegen.role": "session"},
        "healthcheck": {"test": ["NONE"]},
        "host_config": client.create_host_config(ulimits=[files], **hardening.session_host_config(spec)),
    }
