"""The connection to the container engine, and its errors in the project's words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import BackendUnavailable, LimitUnsupported, StorageFailed

if TYPE_CHECKING:
    import docker

CONNECT_SECONDS = 2
CALL_SECONDS = 30
DEFAULT_HOST = "unix:///var/run/docker.sock"
_PROCESS = "for code that you trust, --sandbox process needs no engine"
_START = f"start it (`sudo systemctl start docker`) or set DOCKER_HOST; {_PROCESS}"


def connect() -> docker.APIClient:
    """Return a client of an engine that answered. Raises ``BackendUnavailable`` within seconds, saying what to do."""
    import docker
    import docker.utils

    where = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if where.startswith("unix://"):
        _try_socket(where)
    try:
        client = docker.APIClient(version="auto", timeout=CONNECT_SECONDS, **docker.utils.kwargs_from_env())
    except (docker.errors.DockerException, OSError) as error:
        raise BackendUnavailable(f"the container engine at {where} does not answer: {_START} ({error})") from error
    client.timeout = CALL_SECONDS
    return client


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turn the client's errors into ``BackendUnavailable``, or ``StorageFailed`` where its disk is full."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise refusal(f"failed to {what}", error) from error


def refusal(what: str, error: Exception) -> BackendUnavailable | StorageFailed:
    """Return an engine's error in the project's words; a full disk is a thing of its own, since room can be made."""
    if "no space left on device" in str(error).lower():
        remedy = "make room, for instance with `tracegen sandbox gc --older-than 1d`, and repeat"
        return StorageFailed(f"the disk of the container engine is full, it {what}: {remedy} ({error})")
    return BackendUnavailable(f"the container engine {what}: {error}")


def check_runtime(client: docker.APIClient, runtime: str) -> None:
    """Raise ``LimitUnsupported`` if the engine does not know an OCI runtime; an empty name is its default."""
    if not runtime:
        return
    with speaking("name its runtimes"):
        known = sorted(client.info().get("Runtimes") or {})
    if runtime not in known:
        raise LimitUnsupported(
            f"the container engine has no runtime {runtime!r}; it has: {', '.join(known)}. "
            "Add it to the engine's configuration, or leave runtime empty"
        )


def _try_socket(where: str) -> None:
    """Connect once by hand: the client library buries the reason of a refusal."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(where.removeprefix("unix://"))
        except PermissionError as error:
            remedy = f"run `sudo usermod -aG docker $USER` and log in again; {_PROCESS}"
            raise BackendUnavailable(f"no right to use the container engine at {where}: {remedy}") from error
        except FileNotFoundError as error:
            raise BackendUnavailable(f"no container engine at {where}: install Docker, {_START}") from error
        except OSError as error:
            raise BackendUnavailable(f"no container engine listens at {where}: {_START} ({error})") from error
