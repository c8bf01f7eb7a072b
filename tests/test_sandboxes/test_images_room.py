"""Images for which the disk has no room are refused before anything is written."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.api import ImageRef
from sandboxes.docker import images
from sandboxes.docker.client import EngineClient
from sandboxes.docker.engine import connect
from sandboxes.docker.engines import DOCKER
from sandboxes.docker.host_base import HostFile, collect
from sandboxes.docker.preflight import check_room, written_bytes
from sandboxes.interpreters import own
from schemas.errors import StorageFailed

pytestmark = pytest.mark.docker
HUGE = 2**42
"""Beyond any disk that tests run on; a file system takes it as the size of a file without content."""


@pytest.fixture
def client(docker_image: ImageRef) -> Iterator[EngineClient]:
    client = connect(DOCKER)
    yield client
    client.close()


def test_a_base_beyond_the_disk_is_refused_with_numbers(client: EngineClient, tmp_path: Path) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", HUGE)
    tree = collect(own())
    large = dataclasses.replace(tree, files=(*tree.files, HostFile("large", tmp_path / "large")))
    before = {one["Id"] for one in client.images(filters={"label": "tracegen.role=base"})}
    with pytest.raises(StorageFailed, match=r"takes 4,398,\d\d\d MB .* has [\d,]+ MB free: .*`tracegen sandbox gc"):
        images._make(client, large)
    assert {one["Id"] for one in client.images(filters={"label": "tracegen.role=base"})} == before


def test_room_enough_is_no_error(client: EngineClient) -> None:
    check_room(client, "a test", 1)


def test_what_a_container_wrote_is_measured(client: EngineClient, docker_image: ImageRef) -> None:
    write = "open('/written', 'wb').write(bytes(3_000_000))"
    container = client.create_container(docker_image.reference, ["python3", "-c", write])["Id"]
    try:
        assert written_bytes(client, container) == 0
        client.start(container)
        assert client.wait(container)["StatusCode"] == 0
        assert written_bytes(client, container) == 3_000_000
    finally:
        client.remove_container(container, force=True)
