"""Opens pools and resolves images by the name of their backend."""

from collections.abc import Sequence
from pathlib import Path

from sandboxes.api import ImageRef, Pool, PoolSpec
from sandboxes.docker.images import resolve_docker_image
from sandboxes.docker.packages import unpack_packages, with_packages
from sandboxes.docker.pool import open_docker_pool
from sandboxes.process_pool import open_process_pool, process_image
from schemas.errors import UsageError

BACKENDS = ("docker", "process")


def open_pool(backend: str, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
    """Return a running pool of up to ``size`` sandboxes; the first one has started and passed its check.

    Raises ``UsageError``, ``EnvironmentLacking`` and ``StartFailed``.
    """
    _check(backend)
    opener = open_docker_pool if backend == "docker" else open_process_pool
    return opener(spec, image, size=size)


def resolve_image(backend: str, *, python: str | None = None, base: str | None = None) -> ImageRef:
    """Return what sandboxes of ``backend`` run: ``python`` is a version or an interpreter's path (default: this one's).

    ``base`` names an image (``docker`` only). Raises ``UsageError`` and ``EnvironmentLacking``.
    """
    _check(backend)
    if backend == "docker":
        return resolve_docker_image(python=python, base=base)
    if base is not None:
        raise UsageError("the process backend has no base image; drop --base, or use --sandbox docker")
    return process_image(python)


def install_packages(backend: str, base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
    """Return ``base`` with the packages (``NAME==VERSION``) over it, and their files, copied out below ``folder``.

    Raises ``UsageError`` (the process backend has no layers) and ``EnvironmentLacking``.
    """
    if backend != "docker":
        raise UsageError(
            f"the {backend} backend cannot install {', '.join(requirements)}: it runs what this machine has. Use "
            "--sandbox docker, or install them yourself where `tracegen` runs and trace module:NAME"
        )
    image = with_packages(base, requirements)
    return image, unpack_packages(image, folder)


def _check(backend: str) -> None:
    if backend not in BACKENDS:
        raise UsageError(f"unknown sandbox {backend!r}; there are: {', '.join(BACKENDS)}")
