"""Sessions whose root takes files: watched for their size, kept as snapshots, forked and set back."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from sandboxes.api import ImageRef
from sandboxes.docker import hardening, launch, snapshots
from sandboxes.docker.engine import connect
from sandboxes.docker.snapshots import DockerSnapshot
from sandboxes.docker.watchdog import Watchdog
from sandboxes.session import ContainedSession
from sandboxes.session_api import Ability, Session, SessionSpec, Snapshot
from schemas.errors import SandboxLost, UsageError

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient


class WritableSession(ContainedSession):
    """A session on the engine's disk; implements all of ``session_api.Session``."""

    def __init__(
        self, client: EngineClient, spec: SessionSpec, image: ImageRef, origin: DockerSnapshot | None = None
    ) -> None:
        """Start from ``image``, or from ``origin``, acquired for this session; the client is closed with it."""
        self._client = client
        self._first = origin
        """Needed for as long as the session lives: ``reset`` goes back to it."""
        self._origin = origin
        """What it runs from now."""
        self._taken: list[DockerSnapshot] = []
        self._change = threading.RLock()
        self._open = True
        self._launch(spec, image)

    @property
    def abilities(self) -> frozenset[Ability]:
        """Return what this session can do beside ``exec``."""
        return super().abilities | {"snapshot"}

    def snapshot(self) -> Snapshot:
        """Keep the files of the root as they are now; ``/tmp`` and processes are not in it."""
        with self._change:
            return self._take()

    def fork(self, snapshot: Snapshot | None = None) -> Session:
        """Open another session from a snapshot. Raises ``SnapshotFailed`` and what opening a session does."""
        with self._change:
            origin = self._known(snapshot) if snapshot is not None else self._take()
            origin.acquire()
            if snapshot is None:
                self._taken.remove(origin)
                origin.close()  # only the fork needs it
        client = connect(self._client.engine)
        try:
            return WritableSession(client, self.spec, self.image, origin)
        except BaseException:
            client.close()
            origin.release()
            raise

    def reset(self, snapshot: Snapshot | None = None) -> None:
        """Go on in a new container, from ``snapshot`` or from where this session began; the old one is removed."""
        with self._change:
            self._check_open()
            origin = self._known(snapshot) if snapshot is not None else self._first
            if origin is not None and origin is not self._first:
                origin.acquire()
            self._end("the session was reset")
            before, self._origin = self._origin, origin
            if before is not None and before is not self._first:
                before.release()
            self._launch(self.spec, self.image)

    def close(self) -> None:
        """Remove the container, and the snapshots that nobody else runs from."""
        with self._change:
            if not self._open:
                return
            self._open = False
            self._end("the session was closed")
            for each in self._taken:
                each.close()
            for origin in {self._first, self._origin}:
                if origin is not None:
                    origin.release()
            self._client.close()

    def _launch(self, spec: SessionSpec, image: ImageRef) -> None:
        begun = self._origin
        from_here = image if begun is None else dataclasses.replace(image, reference=begun.name)
        channel = launch.start(self._client, spec, from_here)
        super().__init__(self._client.engine.name, channel, spec, image, lambda: None)
        try:
            hardening.verify_session(self.check, spec, self._client.engine)
        except BaseException:
            self.link.close()
            raise
        self._watchdog = Watchdog(self._client, self.link, spec.disk_bytes, begun.written if begun else 0)

    def _end(self, reason: str) -> None:
        self.link.lose(self.link.error(SandboxLost, reason, "run", retryable=False))
        self._watchdog.stop()
        self.link.close()

    def _take(self) -> DockerSnapshot:
        self._check_open()
        begun = self._origin
        layers = begun.layers if begun else snapshots.layers_of(self._client, self.image.reference)
        taken = snapshots.take(self._client, self.name, layers, begun.written if begun else 0)
        self._taken.append(taken)
        return taken

    def _check_open(self) -> None:
        if not self._open:
            raise UsageError("the session is closed; open another")

    @staticmethod
    def _known(snapshot: Snapshot) -> DockerSnapshot:
        if not isinstance(snapshot, DockerSnapshot):
            raise UsageError(f"{snapshot!r} is no snapshot of this backend")
        return snapshot
