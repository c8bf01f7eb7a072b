"""Starts a container and takes hold of its standard streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sandboxes.docker.channel import ContainerChannel, remove
from sandboxes.docker.engine import refusal
from schemas.errors import ImageUnavailable, StartFailed

if TYPE_CHECKING:
    import docker

BACKEND: Final = "docker"


def start_container(client: docker.APIClient, creation: Mapping[str, Any]) -> ContainerChannel:
    """Return the channel of a container that has started; ``creation`` is the arguments of ``create_container``.

    Raises ``ImageUnavailable``, ``StorageFailed``, ``BackendUnavailable`` and ``StartFailed``; nothing is left then.
    """
    import docker.errors
    import requests

    try:
        container: str = client.create_container(**creation)["Id"]
    except docker.errors.ImageNotFound as error:
        raise ImageUnavailable(f"the image {creation['image']!r} is gone: resolve it again") from error
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
