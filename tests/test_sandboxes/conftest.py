"""Pools for the tests."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import look_around
from engine_image import bubblewrap_or_skip, image_or_skip, podman_or_skip
from podman_service import PodmanService
from sandbox_jobs import text_spec
from session_images import shell_image_or_skip

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool, PoolSpec


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PoolSpec:
    return text_spec(tmp_path_factory.mktemp("guest"))


@pytest.fixture(scope="session")
def docker_image() -> ImageRef:
    return image_or_skip()


@pytest.fixture(scope="session")
def shell_image() -> ImageRef:
    return shell_image_or_skip()


@pytest.fixture(scope="session")
def process_image() -> ImageRef:
    return resolve_image("process")


@pytest.fixture(scope="session")
def bubblewrap_image() -> ImageRef:
    return bubblewrap_or_skip()


@pytest.fixture(scope="session")
def podman_service() -> Iterator[PodmanService]:
    """A service of the tests' own, which ``--sandbox podman`` uses from now on."""
    with podman_or_skip() as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINER_HOST", service.address)
        yield service


@pytest.fixture(scope="session")
def podman_image(podman_service: PodmanService) -> ImageRef:
    return resolve_image("podman")


@pytest.fixture(scope="module")
def docker_pool(spec: PoolSpec, docker_image: ImageRef) -> Iterator[Pool]:
    with open_pool("docker", spec, docker_image) as pool:
        yield pool


@pytest.fixture(
    scope="module",
    params=[
        "process",
        pytest.param("bubblewrap", marks=pytest.mark.docker),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def pool(request: pytest.FixtureRequest, spec: PoolSpec) -> Iterator[Pool]:
    """Each backend in turn."""
    image: ImageRef = request.getfixturevalue(f"{request.param}_image")
    with open_pool(request.param, spec, image) as opened:
        yield opened


@pytest.fixture(scope="session")
def checkout() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["docker", "bubblewrap", pytest.param("podman", marks=pytest.mark.slow)])
def attacked(request: pytest.FixtureRequest, spec: PoolSpec) -> Iterator[Pool]:
    """A pool that attacks run in, of each backend that contains them."""
    image: ImageRef = request.getfixturevalue(f"{request.param}_image")
    small = dataclasses.replace(spec, memory_bytes=192 * 2**20, scratch_bytes=16 * 2**20, warm_spare=True)
    with open_pool(request.param, small, image) as opened:
        yield opened


@pytest.fixture(scope="module")
def untouched(attacked: Pool) -> str:
    """What a job sees that comes before any attack."""
    return look_around(attacked)
