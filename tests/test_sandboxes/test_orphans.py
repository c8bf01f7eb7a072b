"""Containers of killed processes are found and removed, those of live ones and of strangers are not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from sandbox_jobs import works

from sandboxes import findings, open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.owners import OWNER_LABEL, orphans, own_label

pytestmark = pytest.mark.docker

KILLED_BEFORE_START = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {support!r})
import docker
from sandbox_jobs import text_spec
from sandboxes import open_pool, resolve_image
image = resolve_image("docker")
docker.APIClient.start = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
open_pool("docker", text_spec(Path({directory!r})), image)
"""


@pytest.fixture
def client(docker_image: ImageRef) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


def _states(client: "docker.APIClient", pid: int) -> list[str]:
    found = client.containers(all=True, filters={"label": OWNER_LABEL})
    return [each["State"] for each in found if each["Labels"][OWNER_LABEL].startswith(f"{pid}:")]


def test_what_a_driver_killed_between_create_and_start_leaves_is_removed_by_the_next_pool(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient", checkout: Path, tmp_path: Path
) -> None:
    text = KILLED_BEFORE_START.format(support=str(checkout / "tests" / "support"), directory=str(tmp_path))
    with open_pool("docker", spec, docker_image) as living:
        with subprocess.Popen([sys.executable, "-c", text], cwd=checkout) as driver:
            driver.wait(60)
        assert _states(client, driver.pid) == ["created"]
        assert any(finding.subject == "docker left-overs" for finding in findings())
        with open_pool("docker", spec, docker_image) as other:
            assert works(other)
        assert _states(client, driver.pid) == []
        assert works(living)
        assert living.statistics.retired == {}, "a live owner's container was taken"


@pytest.mark.parametrize("place", ["another boot", "another pid namespace"])
def test_of_owners_elsewhere_nothing_is_taken(
    docker_image: ImageRef, client: "docker.APIClient", checkout: Path, place: str
) -> None:
    _, _, boot, namespace = own_label().split(":", 3)
    elsewhere = f"1:1:other:{namespace}" if place == "another boot" else f"1:1:{boot}:pid:[1]"
    created = client.create_container(docker_image.reference, ["true"], labels={OWNER_LABEL: elsewhere})["Id"]
    try:
        assert created not in orphans(client)
    finally:
        client.remove_container(created)
