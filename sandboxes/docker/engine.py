"""The connection to the container engine, and its errors in the project's words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import BackendUnavailable

if TYPE_CHECKING:
    import docker

CONNECT_SECONDS = 2
CALL_SECONDS = 30
REMEDY = (
    "start it (`sudo systemctl start docker`), or set DOCKER_HOST; "
    "for code that you trust, --sandbox process needs no engine"
)


def connect() -> docker.APIClient:
    """Return a client of an engine that answered. Raises ``BackendUnavailable`` within seconds, saying what to do."""
    import docker
    import docker.utils

    settings = docker.utils.kwargs_from_env()
    try:
        client = docker.APIClient(version="auto", timeout=CONNECT_SECONDS, **settings)
    except (docker.errors.DockerException, OSError) as error:
        raise _unavailable(error) from error
    client.timeout = CALL_SECONDS
    return client


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turn the client's errors into ``BackendUnavailable``."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise BackendUnavailable(f"the container engine failed to {what}: {error}") from error


def _unavailable(error: Exception) -> BackendUnavailable:
    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    for cause in _causes(error):
        if isinstance(cause, PermissionError):
            return BackendUnavailable(
                f"no right to use the container engine at {where}: run `sudo usermod -aG docker $USER` and log in "
                "again; for code that you trust, --sandbox process needs no engine"
            )
        if isinstance(cause, FileNotFoundError):
            return BackendUnavailable(f"no container engine at {where}: install Docker, {REMEDY}")
        if isinstance(cause, ConnectionRefusedError):
            return BackendUnavailable(f"no container engine listens at {where}: {REMEDY}")
    return BackendUnavailable(f"the container engine at {where} does not answer ({error}): {REMEDY}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors behind an error; urllib3 keeps them among the arguments, not only in the chain."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        linked = (current.__cause__, current.__context__, *current.args)
        pending += [each for each in linked if isinstance(each, BaseException)]
