"""Opens pools and sessions and resolves images by the name of their backend."""

from collections.abc import Sequence
from pathlib import Path

from sandboxes.api import ImageRef, Pool, PoolSpec
from sandboxes.backends import get_backend
from sandboxes.session_api import Session, SessionSpec


def open_pool(backend: str, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
    """Return a running pool of up to ``size`` sandboxes; the first one has started and passed its check.

    Raises ``UsageError``, ``EnvironmentLacking`` and ``StartFailed``.
    """
    return get_backend(backend).open_pool(spec, image, size=size)


def open_session(backend: str, spec: SessionSpec, image: ImageRef) -> Session:
    """Return a running session whose limits hold. Raises ``UsageError``, ``EnvironmentLacking``, ``StartFailed``."""
    return get_backend(backend).open_session(spec, image)


def resolve_image(backend: str, *, python: str | None = None, base: str | None = None) -> ImageRef:
    """Return what sandboxes of ``backend`` run: ``python`` is a version or an interpreter's path (default: this one's).

    ``base`` names an image (engines only). Raises ``UsageError`` and ``EnvironmentLacking``.
    """
    return get_backend(backend).resolve_image(python=python, base=base)


def install_packages(backend: str, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
    """Return ``base`` with the packages (``NAME==VERSION``) over it, and their files, copied out below ``folder``.

    Raises ``UsageError`` (the process backend has no layers) and ``EnvironmentLacking``.
    """
    return get_backend(backend).install_packages(base, requirements, folder)
