"""The files of sessions as images of the engine, which go when nobody uses them any more."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING, Final

from sandboxes.docker.engine import connect
from sandboxes.docker.garbage import SNAPSHOT
from sandboxes.docker.images import ROLE_LABEL
from sandboxes.docker.preflight import check_room, written_bytes
from schemas.errors import BackendUnavailable, SnapshotFailed

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient
    from sandboxes.docker.engines import Engine

REPOSITORY: Final = "tracegen-snapshot"
MOST_LAYERS: Final = 100
"""overlay2 takes 128; a fork of a fork of a fork adds one each time."""
COMMIT_SECONDS: Final = 900

_LOG = logging.getLogger(__name__)


class DockerSnapshot:
    """One committed image and the count of those who need it; implements ``session_api.Snapshot``."""

    def __init__(self, engine: Engine, identity: str, name: str, layers: int, written: int) -> None:
        self._engine = engine
        self.identity = identity
        self.name = name
        self.layers = layers
        self.written = written
        """Bytes over the image that the first session began from."""
        self._lock = threading.Lock()
        self._users = 1  # the session that took it
        self._given_up = False

    def close(self) -> None:
        """Give up the part of the session that took it."""
        with self._lock:
            if self._given_up:
                return
            self._given_up = True
        self.release()

    def acquire(self) -> None:
        """Need it. Raises ``SnapshotFailed`` if it is gone."""
        with self._lock:
            if not self._users:
                message = f"the snapshot {self.name} is gone: its session was closed and no other runs from it"
                raise SnapshotFailed(message, backend=self._engine.name, phase="start", retryable=False)
            self._users += 1

    def release(self) -> None:
        """Need it no more; the last one removes it."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        _remove(self._engine, self.name)


def take(client: EngineClient, container: str, layers_below: int, written_below: int) -> DockerSnapshot:
    """Commit a container, which stands still meanwhile. Raises ``SnapshotFailed`` and ``StorageFailed``."""
    import docker.errors
    import requests

    layers = layers_below + 1
    if layers > MOST_LAYERS:
        raise _failed(
            client,
            container,
            f"it would have {layers} layers, and {MOST_LAYERS} are the most: begin anew from an image",
        )
    tag = secrets.token_hex(8)
    own, repository = connect(client.engine), client.engine.own(REPOSITORY)
    own.timeout = COMMIT_SECONDS
    try:
        written = written_bytes(client, container)
        check_room(client, f"a snapshot of {container}", written)
        label = f"LABEL {ROLE_LABEL}={SNAPSHOT}"  # the owner's label comes with the container's
        identity = str(own.commit(container, repository=repository, tag=tag, changes=[label])["Id"])
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise _failed(client, container, str(error)) from error
    finally:
        own.close()
    return DockerSnapshot(client.engine, identity, f"{repository}:{tag}", layers, written_below + written)


def layers_of(client: EngineClient, reference: str) -> int:
    """Return how many layers an image has. Raises ``SnapshotFailed``."""
    import docker.errors
    import requests

    try:
        found = client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise _failed(client, reference, str(error)) from error
    return len(found["RootFS"].get("Layers") or [])


def _failed(client: EngineClient, container: str, reason: str) -> SnapshotFailed:
    message = f"no snapshot of {container} was taken: {reason}"
    return SnapshotFailed(message, backend=client.engine.name, container=container, phase="run", retryable=False)


def _remove(engine: Engine, name: str) -> None:
    """Remove an image; what cannot be removed now is found by ``tracegen sandbox reap`` when this process has ended."""
    import docker.errors
    import requests

    try:
        client = connect(engine)
        try:
            client.remove_image(name)
        finally:
            client.close()
    except docker.errors.ImageNotFound:
        return
    except (docker.errors.DockerException, requests.RequestException, BackendUnavailable) as error:
        _LOG.warning("the snapshot %s stays until `tracegen sandbox reap`: %s", name, error)
