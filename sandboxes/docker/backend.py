"""The backends over engines that speak Docker's API: hardened containers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.api import Finding, ImageRef, Isolation, Pool, PoolSpec
from sandboxes.docker.doctor import engine_findings
from sandboxes.docker.engines import Engine
from sandboxes.docker.images import resolve_docker_image
from sandboxes.docker.packages import unpack_packages, with_packages
from sandboxes.docker.pool import open_docker_pool
from sandboxes.docker.sessions import open_docker_session
from sandboxes.session_api import Session, SessionSpec
from sandboxes.weaknesses import check_accepted


class EngineBackend:
    """Implements ``backends.Backend`` over one container engine."""

    isolation: Final[Isolation] = "containers"

    def __init__(self, engine: Engine) -> None:
        self.engine: Final = engine

    @property
    def name(self) -> str:
        """Return what ``--sandbox`` calls it."""
        return self.engine.name

    def findings(self) -> list[Finding]:
        """Ask the engine; starts nothing."""
        return engine_findings(self.engine)

    def resolve_image(self, *, python: str | None = None, base: str | None = None, shell: bool = False) -> ImageRef:
        """Find, pull or make the image."""
        return resolve_docker_image(python=python, base=base, shell=shell, engine=self.engine)

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        """Start the first container."""
        check_accepted(self.name, spec.accepts, {})
        return open_docker_pool(self.engine, spec, image, size=size)

    def open_session(self, spec: SessionSpec, image: ImageRef) -> Session:
        """Start a container with a session server."""
        check_accepted(self.name, spec.accepts, {})
        return open_docker_session(spec, image, self.engine)

    def install_packages(self, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
        """Lay the packages over the image as one layer."""
        image = with_packages(base, requirements, self.engine)
        return image, unpack_packages(image, folder, self.engine)
