"""The ``docker`` backend: fork servers in hardened containers."""

from __future__ import annotations

import os
import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from sandboxes.api import ImageRef, PoolSpec, label
from sandboxes.docker import hardening
from sandboxes.docker.containers import BACKEND, start_container
from sandboxes.docker.engine import check_runtime, connect
from sandboxes.docker.owners import OWNER_LABEL, own_label, remove_orphans
from sandboxes.pool import SandboxPool
from sandboxes.sandbox import Sandbox, bootstrap_text
from schemas.errors import LimitUnsupported

if TYPE_CHECKING:
    import docker

_STARTS = threading.BoundedSemaphore(max(2, min(4, os.cpu_count() or 1)))
"""Many starts at once are slower than few after each other (moby issues 42096, 42817)."""


def open_docker_pool(spec: PoolSpec, image: ImageRef, *, size: int) -> SandboxPool:
    """Return a pool of containers. Raises ``BackendUnavailable``, ``ImageUnavailable``, ``LimitUnsupported``."""
    client = connect()
    try:
        check_runtime(client, spec.runtime)
        remove_orphans(client)
    except BaseException:
        client.close()
        raise
    labels = {"tracegen.run": secrets.token_hex(8), OWNER_LABEL: own_label(), "tracegen.role": "function-pool"}
    launch = partial(_launch, client, spec, image, labels)
    return SandboxPool(label(BACKEND, spec.runtime), image, spec, launch, size=size, release=client.close)


def _launch(client: docker.APIClient, spec: PoolSpec, image: ImageRef, labels: dict[str, str]) -> Sandbox:
    with _STARTS:
        channel = start_container(client, _creation(client, spec, image, labels))
        sandbox = Sandbox.start(BACKEND, channel, spec, image, scratch=hardening.SCRATCH, contained=True, hidden="")
    try:
        hardening.verify(sandbox.check, spec)
    except LimitUnsupported:
        channel.close()
        raise
    return sandbox


def _creation(client: docker.APIClient, spec: PoolSpec, image: ImageRef, labels: dict[str, str]) -> dict[str, Any]:
    """Return the arguments of ``create_container``."""
    import docker.types

    files = docker.types.Ulimit(name="nofile", soft=hardening.OPEN_FILES, hard=hardening.OPEN_FILES)
    return {
        "image": image.reference,
        "entrypoint": [hardening.PYTHON, "-S", "-s", "-B", "-c", bootstrap_text()],
        "command": [],
        "stdin_open": True,  # with detach off, docker-py also sets StdinOnce: the input ends with the connection
        "detach": False,
        "user": "0:0",
        "working_dir": "/",
        "hostname": "sandbox",
        "environment": hardening.environment(spec),
        "labels": labels,
        "healthcheck": {"test": ["NONE"]},
        "host_config": client.create_host_config(ulimits=[files], **hardening.host_config(spec)),
    }
