"""A container's standard streams over one attached connection."""

from __future__ import annotations

import contextlib
import logging
import ssl
import struct
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandboxes.channel import ChannelClosed, wait_readable, wait_writable

if TYPE_CHECKING:
    import docker

_LOG = logging.getLogger(__name__)
_STREAM_HEAD = struct.Struct(">BxxxI")  # the engine's multiplexing: stream, three zeros, length
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)  # TLS engines buffer below the socket
_STDOUT = 1
_STDERR = 2
_ERROR_BYTES = 4000
_GONE_SECONDS = 15.0
_SILENT_SECONDS = 2.0
"""After which an engine that takes no connection is held for dead."""


class ContainerChannel:
    """Owns one container. The engine closes its input when this process dies, however it dies (``StdinOnce``)."""

    def __init__(self, client: docker.APIClient, container: str, volumes: Iterable[str] = ()) -> None:
        """``volumes`` are removed with it."""
        self.name = container[:12]
        self._client = client
        self._container = container
        self._volumes = tuple(volumes)
        self._errors = b""
        self._pending = 0  # bytes left of the chunk of stdout that is being read
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._closed = False
        self._attached: Any = client.attach_socket(
            container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        )
        self._socket: Any = getattr(self._attached, "_sock", self._attached)
        self._socket.setblocking(False)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of ``data``."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except _WOULD_BLOCK:
                wait_writable(self._socket.fileno(), deadline)
            except OSError as error:
                raise ChannelClosed(self._last_words(str(error))) from error

    def receive(self, count: int, deadline: float) -> bytes:
        """Return 1 to ``count`` bytes of stdout; what comes on stderr is kept for messages."""
        while True:
            if self._pending and self._buffer:
                data = bytes(self._buffer[: min(count, self._pending)])
                del self._buffer[: len(data)]
                self._pending -= len(data)
                return data
            if not self._pending and self._next_chunk():
                continue
            self._fill(deadline)

    def _next_chunk(self) -> bool:
        """Consume a chunk's head, or a whole chunk of stderr; return whether anything was consumed."""
        if len(self._buffer) < _STREAM_HEAD.size:
            return False
        stream, length = _STREAM_HEAD.unpack_from(self._buffer)
        if stream == _STDOUT:
            del self._buffer[: _STREAM_HEAD.size]
            self._pending = length
            return True
        if stream != _STDERR:
            raise ChannelClosed(f"the engine sent a chunk of stream {stream}")
        end = _STREAM_HEAD.size + length
        if len(self._buffer) < end:
            return False
        self._errors = (self._errors + bytes(self._buffer[_STREAM_HEAD.size : end]))[-_ERROR_BYTES:]
        del self._buffer[:end]
        return True

    def _fill(self, deadline: float) -> None:
        try:
            data = self._socket.recv(1 << 18)
        except _WOULD_BLOCK:
            wait_readable(self._socket.fileno(), deadline)
            return
        except OSError as error:
            raise ChannelClosed(self._last_words(str(error))) from error
        if not data:
            raise ChannelClosed(self._last_words("its output ended"))
        self._buffer += data

    def _last_words(self, reason: str) -> str:
        said = self._errors.decode("utf-8", "replace").strip()
        return f"{reason}; it said: {said}" if said else reason

    def kill(self) -> None:
        """Remove the container, which ends its streams."""
        remove(self._client, self._container)

    def close(self) -> None:
        """Close the connection and remove the container and its volumes."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        response = getattr(self._attached, "_response", None)  # docker-py keeps it there; closing it closes the socket
        if response is not None:
            response.close()
        self._attached.close()
        remove(self._client, self._container)
        remove_volumes(self._client, self._volumes)


def remove(client: docker.APIClient, container: str) -> None:
    """Kill and remove a container and wait until it is gone; that it is gone already is no error.

    A dead engine is a warning only: what it still holds is an orphan to the next pool (``owners``).
    """
    import docker.errors
    import requests

    start = time.monotonic()
    problem, patience = "it is still there", _GONE_SECONDS
    while time.monotonic() - start < patience:
        try:
            # 409: the engine is already removing it (auto_remove).
            with contextlib.suppress(docker.errors.APIError):
                client.remove_container(container, force=True, v=True)
            client.inspect_container(container)
        except docker.errors.NotFound:
            return
        except requests.ConnectionError as error:
            problem, patience = str(error), _SILENT_SECONDS
        except (docker.errors.APIError, requests.RequestException) as error:
            problem = str(error)
        time.sleep(0.02)
    _LOG.warning("container %s is not gone, the next run will remove it: %s", container[:12], problem)


def remove_volumes(client: docker.APIClient, volumes: Iterable[str]) -> None:
    """Remove volumes that no container has any more; what cannot be removed now is an orphan to the next pool."""
    import docker.errors
    import requests

    for name in volumes:
        try:
            client.remove_volume(name)
        except docker.errors.NotFound:
            continue
        except (docker.errors.APIError, requests.RequestException) as error:
            _LOG.warning("volume %s is not gone, the next run will remove it: %s", name, error)
