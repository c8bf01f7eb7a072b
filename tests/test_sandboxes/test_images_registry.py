"""Images pushed to and pulled from a registry on the loopback: Debian's ``docker-registry`` as a process."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import pytest
from sandbox_jobs import says

from pipelines.cli import main
from sandboxes import open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.build import build
from sandboxes.docker.images import inspect
from sandboxes.docker.registry import pull, push
from schemas.errors import ImageUnavailable, UsageError

_PROGRAM = shutil.which("docker-registry", path=os.pathsep.join([os.environ["PATH"], str(Path(sys.prefix) / "bin")]))
pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(_PROGRAM is None, reason="needs the package docker-registry (scripts/ensure-test-tools.sh)"),
]
PASSWORDS = "user:$2b$04$9D90CC7m0rnWDew8Y457BeqPGoGPcJiCdRFqN/ZK6Spe5kgUwpYcq\n"
"""``secret``, by bcrypt."""
SETTINGS = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: {root}/passwords}}}}
"""


@dataclass
class Registry:
    repository: str
    storage: Path


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry that wants a password, and a client configuration that has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    storage = tmp_path / "registry"
    storage.mkdir()
    (storage / "passwords").write_text(PASSWORDS)
    (tmp_path / "settings.yml").write_text(SETTINGS.format(root=storage, port=port))
    secret = base64.b64encode(b"user:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {f"127.0.0.1:{port}": {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert _PROGRAM is not None
    command = [_PROGRAM, "serve", str(tmp_path / "settings.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait(port)
            yield Registry(f"127.0.0.1:{port}/team/base", storage)
        finally:
            server.terminate()


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the registry did not start")


@pytest.fixture
def image(docker_image: ImageRef, tmp_path: Path) -> Iterator[ImageRef]:
    """An image of this test alone, small above the base."""
    image = build(docker_image, [], files={"/mark": tmp_path.name.encode()})
    yield image
    client = docker.APIClient()
    if inspect(client, image.reference) is not None:
        client.remove_image(image.reference, force=True)
    client.close()


def _forget(image: str) -> None:
    client = docker.APIClient()
    client.remove_image(image, force=True)
    assert inspect(client, image) is None
    client.close()


def test_what_was_pushed_is_pulled_by_digest_and_runs(
    registry: Registry, image: ImageRef, spec: PoolSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", "push", image.reference, registry.repository]) == 0
    name = capsys.readouterr().out.strip()
    assert name.startswith(f"{registry.repository}@sha256:")
    here = pull(name)
    _forget(image.reference)
    assert main(["sandbox", "pull", name]) == 0
    again = pull(name)
    assert again == here == ImageRef(name, name.partition("@")[2], image.python)
    with open_pool("docker", spec, again) as pool:
        assert says(pool, "open('/mark').read()") == tmp_path.name
    _forget(name)


def test_other_bytes_than_the_digests_are_refused(registry: Registry, image: ImageRef) -> None:
    name = push(image.reference, registry.repository)
    _forget(image.reference)
    content = name.partition("@sha256:")[2]
    (manifest,) = registry.storage.glob(f"**/blobs/sha256/*/{content}/data")
    manifest.write_bytes(manifest.read_bytes().replace(b"application/", b"Application/", 1))
    with pytest.raises(ImageUnavailable, match="pulled"):
        pull(name)


def test_without_a_password_nothing_is_pushed(
    registry: Registry, image: ImageRef, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    with pytest.raises(ImageUnavailable, match=r"docker login"):
        push(image.reference, registry.repository)
    client = docker.APIClient()
    found = inspect(client, image.reference)
    client.close()
    assert found is not None
    assert not [tag for tag in found["RepoTags"] if "127.0.0.1" in tag]


@pytest.mark.parametrize("wrong", ["team", "UPPER/x", "host/name:tag", "host/name@sha256:12"])
def test_names_are_checked(wrong: str) -> None:
    with pytest.raises(UsageError, match="allowed: HOST/NAME"):
        push("x", wrong)
    with pytest.raises(UsageError, match="allowed: HOST/NAME@sha256"):
        pull(wrong)
