"""Starts a hardened container and takes hold of its standard streams."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandboxes.docker import hardening, memories
from sandboxes.docker.channel import ContainerChannel, remove, remove_volumes
from sandboxes.docker.engine import refusal
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.docker.seccomp import security_options
from sandboxes.sandbox import bootstrap_text
from schemas.errors import ImageUnavailable, StartFailed

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

RUN_LABEL: Final = "tracegen.run"
ROLE_LABEL: Final = "tracegen.role"


def labels(role: str) -> dict[str, str]:
    """Return the labels of one run's containers."""
    return {RUN_LABEL: secrets.token_hex(8), OWNER_LABEL: own_label(), ROLE_LABEL: role}


@dataclass(slots=True, frozen=True)
class Plan:
    """What a container is to be."""

    image: str
    arguments: Sequence[str]
    """Of the guest: the module to serve, if not the fork server."""
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    host: Mapping[str, Any]
    """Arguments of docker-py's ``create_host_config``."""
    memories: Sequence[memories.Memory]


def start_container(client: EngineClient, plan: Plan) -> ContainerChannel:
    """Return the channel of a container that has started.

    Raises ``ImageUnavailable``, ``StorageFailed``, ``BackendUnavailable`` and ``StartFailed``; nothing is left then.
    """
    import docker.errors
    import requests

    volumes: list[str] = []
    try:
        volumes = memories.make_volumes(client, plan.memories, plan.labels)
        container: str = client.create_container(**_creation(client, plan, volumes))["Id"]
    except docker.errors.ImageNotFound as error:
        remove_volumes(client, volumes)
        raise ImageUnavailable(f"the image {plan.image!r} is gone: resolve it again") from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        remove_volumes(client, volumes)
        raise refusal("does not create the sandbox", error, client.engine) from error

    def undo() -> None:
        remove(client, container)
        remove_volumes(client, volumes)

    try:
        channel = ContainerChannel(client, container, volumes)
        undo = channel.close
        client.start(container)
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        undo()
        message = f"container {container[:12]} did not start: {error}{client.engine.remedy(error)}"
        raise StartFailed(
            message, backend=client.engine.name, container=container[:12], phase="start", retryable=True
        ) from error
    except BaseException:
        undo()
        raise
    return channel


def _creation(client: EngineClient, plan: Plan, volumes: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of ``create_container``."""
    import docker.types

    files = docker.types.Ulimit(name="nofile", soft=hardening.OPEN_FILES, hard=hardening.OPEN_FILES)
    safety = [*plan.host["security_opt"], *security_options(client)]
    mounts = memories.mounts(client, plan.memories, volumes, read_only=bool(plan.host["read_only"]))
    return {
        "image": plan.image,
        "entrypoint": [hardening.PYTHON, "-S", "-s", "-B", "-c", bootstrap_text(), *plan.arguments],
        "command": [],
        "stdin_open": True,  # with detach off, docker-py also sets StdinOnce: the input ends with the connection
        "detach": False,
        "user": "0:0",
        "working_dir": "/",
        "hostname": "sandbox",
        "environment": dict(plan.environment),
        "labels": dict(plan.labels),
        "healthcheck": {"test": ["NONE"]},
        "host_config": client.create_host_config(**{**plan.host, "security_opt": safety}, ulimits=[files], **mounts),
    }
