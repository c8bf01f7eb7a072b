"""Bases made from this machine with more than one Python in them: a shell, or further versions."""

import contextlib
from collections.abc import Iterator

import docker
import docker.errors
import pytest
from interpreters import at_hand
from sandbox_jobs import says

from sandboxes import open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.host_base import HostTree, busybox, collect
from sandboxes.docker.images import python_says, resolve_docker_image
from sandboxes.interpreters import own, probe
from schemas.errors import ImageUnavailable

pytestmark = pytest.mark.docker
OTHERS = [each for each in at_hand() if each.minor != own().minor and each.base_prefix != "/usr"]


@pytest.fixture
def client(docker_image: ImageRef) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture
def forget(client: "docker.APIClient") -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for name in made:
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.remove_image(name, force=True)


def test_a_base_with_a_shell_runs_commands_and_is_another_image(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient", forget: list[str]
) -> None:
    assert busybox() is not None, "make docker-engine installs busybox-static"
    image = resolve_docker_image(python=own().executable, base=None, shell=True)
    forget.append(image.reference)
    assert image.digest != docker_image.digest
    assert resolve_docker_image(python=own().executable, base=None, shell=True) == image
    program = (
        "import subprocess; print(subprocess.check_output('echo a b | tr a-z A-Z; ls /bin/sh', shell=True, text=True))"
    )
    assert python_says(client, image.reference, program).split() == ["A", "B", "/bin/sh"]
    with open_pool("docker", spec, image) as pool:
        assert says(pool, "6 * 7") == "42"


def test_the_base_of_pools_has_no_shell(docker_image: ImageRef, client: "docker.APIClient") -> None:
    assert python_says(client, docker_image.reference, "import os; print(os.path.lexists('/bin/sh'))") == "False"


def test_without_a_busybox_it_is_said_what_to_install(docker_image: ImageRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImageUnavailable, match="busybox-static"):
        resolve_docker_image(python=own().executable, base=None, shell=True)


@pytest.mark.skipif(not OTHERS, reason="one Python only on this machine")
def test_two_pythons_stand_in_one_image(client: "docker.APIClient", docker_image: ImageRef, forget: list[str]) -> None:
    other = OTHERS[-1]
    image = resolve_docker_image(python=own().executable, base=None, others=[other.executable])
    forget.append(image.reference)
    assert image.python == own().version
    program = (
        "import subprocess; text = 'import ssl, sqlite3, platform; print(platform.python_version())';"
        f"run = ['python{other.minor}', '-c', text];"
        "print(subprocess.check_output(run, text=True))"
    )
    assert python_says(client, image.reference, program) == other.version
    assert image.digest != docker_image.digest


def test_pythons_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds of one version cannot both be ``python3.X``."""
    twins = [each for each in (probe("/usr/bin/python3"), own()) if each and each.minor == own().minor]
    if len(twins) < 2 or twins[0].version == twins[1].version:
        pytest.skip("no two builds of one version here")
    with pytest.raises(ImageUnavailable, match="is both"):
        collect(twins[0], others=[twins[1]])


def test_one_python_and_no_shell_are_what_they_were(docker_image: ImageRef) -> None:
    tree: HostTree = collect(own())
    assert tree.links == ()
    assert tree.content_digest() == docker_image.digest
