"""The ``process`` backend as one of several: trusted code without isolation."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from sandboxes.api import Finding, ImageRef, Isolation, Pool, PoolSpec
from sandboxes.process_pool import open_process_pool, process_image
from sandboxes.session_api import Session, SessionSpec
from sandboxes.weaknesses import check_accepted
from schemas.errors import BackendCannot, UsageError


class ProcessBackend:
    """Implements ``backends.Backend`` with child processes of this one."""

    name: Final = "process"
    isolation: Final[Isolation] = "none"

    def findings(self) -> list[Finding]:
        """Say where it runs."""
        if sys.platform.startswith("linux"):
            return [Finding("process", "ok", "isolates nothing: for code that you trust")]
        return [Finding("process", "missing", f"no Linux ({sys.platform})", "use another sandbox")]

    def resolve_image(self, *, python: str | None = None, base: str | None = None, shell: bool = False) -> ImageRef:
        """Find the interpreter."""
        if base is not None:
            raise UsageError("the process backend has no base image; drop --base, or use --sandbox docker")
        return process_image(python)

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        """Start the first process."""
        if spec.runtime:
            _refuse(f"has no runtime {spec.runtime!r}; drop --sandbox-runtime, or use --sandbox docker")
        check_accepted(self.name, spec.accepts, {})
        return open_process_pool(spec, image, size=size)

    def open_session(self, spec: SessionSpec, image: ImageRef) -> Session:
        """Refuse: commands without isolation are a shell."""
        _refuse("has no sessions: they would run commands on this machine itself. Use --sandbox docker or bubblewrap")

    def install_packages(self, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
        """Refuse: there are no layers."""
        _refuse(
            f"cannot install {', '.join(requirements)}: it runs what this machine has. Use "
            "--sandbox docker, or install them yourself where `tracegen` runs and trace module:NAME"
        )


def _refuse(what: str) -> NoReturn:
    raise BackendCannot(f"the process backend {what}")
