"""The connection to a container engine, and its errors in the project's words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sandboxes.docker.engines import DOCKER, ENGINES, Engine
from schemas.errors import BackendCannot, BackendUnavailable, LimitUnsupported, StorageFailed

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

CONNECT_SECONDS = 2
CALL_SECONDS = 30
_PROCESS = "for code that you trust, --sandbox process needs no engine"


def connect(engine: Engine = DOCKER) -> EngineClient:
    """Return a client of an engine that answered. Raises ``BackendUnavailable`` within seconds, saying what to do."""
    where = engine.address(os.environ)
    if where.startswith("ssh://"):
        raise BackendUnavailable(f"no connection by {where}: forward its socket (ssh -L) and name that instead")
    if where.startswith("unix://"):
        _try_socket(engine, where)
    # Here: it takes 60 ms, for which those who use no engine need not wait.
    import docker
    import docker.utils

    from sandboxes.docker.client import EngineClient

    followed = {name: os.environ[name] for name in engine.client_variables if name in os.environ}
    settings = docker.utils.kwargs_from_env({"DOCKER_HOST": where, **followed})
    try:
        client = EngineClient(engine, version="auto", timeout=CONNECT_SECONDS, **settings)
        said: dict[str, Any] = client.version()
    except (docker.errors.DockerException, OSError) as error:
        problem = f"the container engine at {where} does not answer"
        raise BackendUnavailable(f"{problem}: {engine.start}; {_PROCESS} ({error})") from error
    _check_kind(engine, where, said)
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


def refusal(what: str, error: Exception, engine: Engine = DOCKER) -> BackendUnavailable | StorageFailed:
    """Return an engine's error in the project's words; a full disk is a thing of its own, since room can be made."""
    if "no space left on device" in str(error).lower():
        remedy = "make room, for instance with `tracegen sandbox gc --older-than 1d`, and repeat"
        return StorageFailed(f"the disk of the container engine is full, it {what}: {remedy} ({error})")
    return BackendUnavailable(f"the container engine {what}: {error}{engine.remedy(error)}")


def check_runtime(client: EngineClient, runtime: str) -> None:
    """Raise ``LimitUnsupported`` if the engine does not know an OCI runtime; an empty name is its default.

    An engine that takes no runtime for a single container raises ``BackendCannot`` for any but its default.
    """
    if not runtime:
        return
    with speaking("name its runtimes"):
        info = client.info()
    if not client.engine.has_runtimes:
        if runtime != info.get("DefaultRuntime"):
            raise BackendCannot(
                f"{client.engine.name} runs every container with {info.get('DefaultRuntime')!r}, not {runtime!r}: its "
                f"service ignores a container's own choice. Start the service with --runtime {runtime}, or leave "
                "runtime empty"
            )
        return
    known = sorted(info.get("Runtimes") or {})
    if runtime not in known:
        raise LimitUnsupported(
            f"the container engine has no runtime {runtime!r}; it has: {', '.join(known)}. "
            "Add it to the engine's configuration, or leave runtime empty"
        )


def _check_kind(engine: Engine, where: str, said: dict[str, Any]) -> None:
    """Raise ``BackendUnavailable`` if another of our engines answers: each differs in what it silently ignores."""
    components = {str(one.get("Name")) for one in said.get("Components") or []}
    for other in ENGINES.values():
        if other is not engine and other.component in components:
            raise BackendUnavailable(
                f"at {where} answers {other.name}, not {engine.name}: use --sandbox {other.name} with "
                f"{other.variable}={where}, or set {engine.variable} to a socket of {engine.name}"
            )


def _try_socket(engine: Engine, where: str) -> None:
    """Connect once by hand: the client library buries the reason of a refusal."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        what, start = f"container engine ({engine.name})", f"{engine.start}; {_PROCESS}"
        try:
            probe.connect(where.removeprefix("unix://"))
        except PermissionError as error:
            raise BackendUnavailable(f"no right to use the {what} at {where}: {engine.permit}; {_PROCESS}") from error
        except FileNotFoundError as error:
            raise BackendUnavailable(f"no {what} at {where}: {engine.install}, {start}") from error
        except OSError as error:
            raise BackendUnavailable(f"no {what} listens at {where}: {start} ({error})") from error
