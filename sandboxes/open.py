"""Opens pools and resolves images by the name of their backend."""

from sandboxes.api import ImageRef, Pool, PoolSpec
from sandboxes.docker.images import resolve_docker_image
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


def _check(backend: str) -> None:
    if backend not in BACKENDS:
        raise UsageError(f"unknown sandbox {backend!r}; there are: {', '.join(BACKENDS)}")
