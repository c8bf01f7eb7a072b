"""Stops a session with a writable root that outgrows its limit: the engine has no quota of its own for that."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from sandboxes.docker.preflight import RESERVE_BYTES, written_bytes
from sandboxes.session_link import SessionLink
from sandboxes.session_transfer import measure
from schemas.errors import DiskExceeded, SandboxError, SandboxLost, UsageError

if TYPE_CHECKING:
    import docker

INTERVAL_SECONDS: Final = 0.5
_SHARE: Final = 4
"""Between two measurements pass as many times as long as one takes."""
_BLIND_SECONDS: Final = 30.0
"""After which a session that cannot be measured is stopped."""


class Watchdog:
    """Measures one container until it is stopped."""

    def __init__(self, client: docker.APIClient, link: SessionLink, most: int, below: int) -> None:
        """``below``: what the snapshot that it began from has over the image already."""
        self._client = client
        self._link = link
        self._most = most
        self._below = below
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watchdog-{link.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; the thread is gone afterwards."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        import docker.errors
        import requests

        seen, pause = time.monotonic(), INTERVAL_SECONDS
        while not self._stopped.wait(pause):
            start = time.monotonic()
            try:
                self._check()
                seen = time.monotonic()
            except (
                SandboxError,
                UsageError,
                docker.errors.DockerException,
                requests.RequestException,
                ValueError,
            ) as error:
                if self._link.over:
                    return  # whoever uses it is told why
                if start - seen > _BLIND_SECONDS:
                    message = f"the session's size could not be measured for {_BLIND_SECONDS:g} s: {error}"
                    self._link.lose(self._link.error(SandboxLost, message, "run"))
                    return
            pause = max(INTERVAL_SECONDS, _SHARE * (time.monotonic() - start))

    def _check(self) -> None:
        visible = self._below + written_bytes(self._client, self._link.name)
        held = measure(self._link)
        if visible + held["hidden"] > self._most:
            what = f"the session wrote {visible:,} bytes and holds {held['hidden']:,} of deleted files"
            self._lose(f"{what}; at most {self._most:,} (disk_bytes) are allowed, so it was stopped")
        elif held["free"] < RESERVE_BYTES:
            what = f"the engine's disk has {held['free']:,} bytes free"
            self._lose(f"{what}; {RESERVE_BYTES:,} are kept for others, so the session was stopped")

    def _lose(self, message: str) -> None:
        self._link.lose(self._link.error(DiskExceeded, message, "run", retryable=False))
