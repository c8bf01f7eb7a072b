"""The ``bubblewrap`` backend: no daemon, no root where the machine allows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.api import Finding, ImageRef, Isolation, Pool, PoolSpec
from sandboxes.bubblewrap.doctor import bubblewrap_findings
from sandboxes.bubblewrap.packages import install
from sandboxes.bubblewrap.pool import open_bubblewrap_pool
from sandboxes.bubblewrap.probe import version_in
from sandboxes.bubblewrap.sessions import open_bubblewrap_session
from sandboxes.interpreters import find
from sandboxes.rootfs import explicit, from_interpreter
from sandboxes.session_api import Session, SessionSpec
from schemas.errors import BackendCannot


class BubblewrapBackend:
    """Implements ``backends.Backend`` with namespaces on an unpacked root file system."""

    name: Final = "bubblewrap"
    isolation: Final[Isolation] = "namespaces"

    def findings(self) -> list[Finding]:
        """Say what the machine gives; starts one probe."""
        return bubblewrap_findings()

    def resolve_image(self, *, python: str | None = None, base: str | None = None, shell: bool = False) -> ImageRef:
        """Unpack a root file system of this machine's Python, or take the directory ``base``."""
        if base is not None:
            return explicit(Path(base), version_in)
        return from_interpreter(find(python), shell=shell)

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        """Start the first sandbox."""
        if spec.runtime:
            raise BackendCannot(
                f"bubblewrap has no runtime {spec.runtime!r}; drop --sandbox-runtime, or use --sandbox docker"
            )
        return open_bubblewrap_pool(spec, image, size=size)

    def open_session(self, spec: SessionSpec, image: ImageRef) -> Session:
        """Start a sandbox with a session server."""
        return open_bubblewrap_session(spec, image)

    def install_packages(self, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
        """Copy the root file system with the packages in it."""
        return install(base, requirements, folder)
