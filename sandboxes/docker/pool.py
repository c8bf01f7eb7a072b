"""The ``docker`` backend: fork servers in hardened containers."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sandboxes.api import ImageRef, PoolSpec, label
from sandboxes.docker import hardening
from sandboxes.docker.channel import ContainerChannel, remove
from sandboxes.docker.engine import check_runtime, connect, refusal
from sandboxes.docker.owners import OWNER_LABEL, own_label, remove_orphans
from sandboxes.pool import SandboxPool
from sandboxes.sandbox import Sandbox, bootstrap_text
from schemas.errors import ImageUnavailable, LimitUnsupported, StartFailed

if TYPE_CHECKING:
    import docker

BACKEND = "docker"
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
        channel = _start_container(client, spec, image, labels)
        sandbox = Sandbox.start(BACKEND, channel, spec, image, scratch=hardening.SCRATCH, contained=True, hidden="")
    try:
        hardening.verify(sandbox.check, spec)
    except LimitUnsupported:
        channel.close()
        raise
    return sandbox


def _start_container(
    client: docker.APIClient, spec: PoolSpec, image: ImageRef, labels: dict[str, str]
) -> ContainerChannel:
    import docker.errors
    import requests

    try:
        container: str = client.create_container(**_creation(client, spec, image, labels))["Id"]
    except docker.errors.ImageNotFound as error:
        raise ImageUnavailable(f"the image {image.reference!r} is gone: resolve it again") from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise refusal("does not create the sandbox", error) from error
    undo: Callable[[], None] = partial(remove, client, container)
    try:
        channel = ContainerChannel(client, container)
        undo = channel.close
        client.start(container)
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        undo()
        message = f"container {container[:12]} did not start: {error}"
        raise StartFailed(message, backend=BACKEND, container=container[:12], phase="start", retryable=True) from error
    except BaseException:
        undo()
        raise
    return channel


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
