"""The ``docker`` backend: hardened containers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.api import Finding, ImageRef, Isolation, Pool, PoolSpec
from sandboxes.docker.doctor import engine_findings
from sandboxes.docker.images import resolve_docker_image
from sandboxes.docker.packages import unpack_packages, with_packages
from sandboxes.docker.pool import open_docker_pool
from sandboxes.docker.sessions import open_docker_session
from sandboxes.session_api import Session, SessionSpec
from sandboxes.weaknesses import check_accepted


class DockerBackend:
    """Implements ``backends.Backend`` over a Docker engine."""

    name: Final = "docker"
    isolation: Final[Isolation] = "containers"

    def findings(self) -> list[Finding]:
        """Ask the engine; starts nothing."""
        return engine_findings()

    def resolve_image(self, *, python: str | None = None, base: str | None = None, shell: bool = False) -> ImageRef:
        """Find, pull or make the image."""
        return resolve_docker_image(python=python, base=base, shell=shell)

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        """Start the first container."""
        check_accepted(self.name, spec.accepts, {})
        return open_docker_pool(spec, image, size=size)

    def open_session(self, spec: SessionSpec, image: ImageRef) -> Session:
        """Start a container with a session server."""
        return open_docker_session(spec, image)

    def install_packages(self, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
        """Lay the packages over the image as one layer."""
        image = with_packages(base, requirements)
        return image, unpack_packages(image, folder)
