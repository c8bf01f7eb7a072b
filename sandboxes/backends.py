"""The backends by name, behind one Protocol. None ever stands in for another: what one cannot do, it refuses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from sandboxes.api import Finding, ImageRef, Isolation, Pool, PoolSpec
from sandboxes.bubblewrap.backend import BubblewrapBackend
from sandboxes.docker.backend import EngineBackend
from sandboxes.docker.engines import DOCKER, PODMAN
from sandboxes.process_backend import ProcessBackend
from sandboxes.session_api import Session, SessionSpec
from schemas.errors import UsageError


class Backend(Protocol):
    """One way to isolate programs. What it does not offer at all raises ``BackendCannot``."""

    @property
    def name(self) -> str:
        """Return what ``--sandbox`` calls it."""
        ...

    @property
    def isolation(self) -> Isolation:
        """Return what stands between a program and the machine."""
        ...

    def findings(self) -> list[Finding]:
        """Return what works of it here and what to do about the rest; one ``missing`` means that it cannot be used."""
        ...

    def resolve_image(self, *, python: str | None = None, base: str | None = None, shell: bool = False) -> ImageRef:
        """Return what its sandboxes run; ``shell``: with ``/bin/sh``, unless ``base`` is given.

        Raises ``UsageError`` and ``EnvironmentLacking``.
        """
        ...

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        """Return a running pool. Raises ``UsageError``, ``EnvironmentLacking`` and ``StartFailed``."""
        ...

    def open_session(self, spec: SessionSpec, image: ImageRef) -> Session:
        """Return a running session. Raises ``UsageError``, ``EnvironmentLacking`` and ``StartFailed``."""
        ...

    def install_packages(self, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
        """Return ``base`` with packages over it, and their files, copied out below ``folder``."""
        ...


_TABLE: Final[tuple[Backend, ...]] = (
    EngineBackend(DOCKER),
    EngineBackend(PODMAN),
    BubblewrapBackend(),
    ProcessBackend(),
)
"""In the order in which one is recommended."""
BACKENDS: Final[dict[str, Backend]] = {backend.name: backend for backend in _TABLE}


def get_backend(name: str) -> Backend:
    """Return a backend by its name. Raises ``UsageError`` naming those that there are."""
    if name not in BACKENDS:
        raise UsageError(f"unknown sandbox {name!r}; there are: {', '.join(BACKENDS)}")
    return BACKENDS[name]
