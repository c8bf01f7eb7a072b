"""Images built by commands: found again, nothing left of failures, nothing of the configuration kept."""

import contextlib
import secrets
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import docker
import docker.errors
import pytest
from sandbox_jobs import says

from sandboxes import open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.build import build, configuration
from sandboxes.docker.images import inspect
from sandboxes.docker.owners import OWNER_LABEL
from sandboxes.docker.packages import with_packages
from schemas.errors import ImageUnavailable

pytestmark = pytest.mark.docker


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


def _python(text: str) -> list[str]:
    return ["python3", "-c", text]


def _everything(client: "docker.APIClient") -> tuple[set[str], set[str]]:
    containers = client.containers(all=True, filters={"label": "tracegen.role=build"})
    images = client.images(all=True, filters={"label": "tracegen.role=build"})
    dangling = client.images(all=True, filters={"dangling": True})
    return {one["Id"] for one in containers}, {one["Id"] for one in [*images, *dangling]}


def test_commands_make_one_layer_that_is_found_again(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient", forget: list[str]
) -> None:
    mark = secrets.token_hex(8)
    commands = [_python("open('/made', 'w').write(open('/usr/given').read() * 2)")]
    image = build(docker_image, commands, files={"/usr/given": mark.encode()})
    forget.append(image.reference)
    assert build(docker_image, commands, files={"/usr/given": mark.encode()}) == image
    found, base = inspect(client, image.reference), inspect(client, docker_image.reference)
    assert found is not None
    assert base is not None
    assert len(found["RootFS"]["Layers"]) == len(base["RootFS"]["Layers"]) + 1
    assert found["Config"]["Labels"][OWNER_LABEL] == ""
    with open_pool("docker", spec, image) as pool:
        assert says(pool, "open('/made').read()") == mark * 2
    other = build(docker_image, commands, files={"/usr/given": b"other" + mark.encode()})
    forget.append(other.reference)
    assert other.digest != image.digest


@pytest.mark.parametrize("wrong", ["raise SystemExit(3)", "import os; os.kill(1, 9); os.kill(os.getpid(), 9)"])
def test_a_failed_build_leaves_nothing(docker_image: ImageRef, client: "docker.APIClient", wrong: str) -> None:
    before = _everything(client)
    with pytest.raises(ImageUnavailable, match="python3 ended with"):
        build(docker_image, [_python(f"open('/{secrets.token_hex(4)}', 'w')"), _python(wrong)])
    assert _everything(client) == before


def test_a_missing_command_is_said(docker_image: ImageRef) -> None:
    with pytest.raises(ImageUnavailable, match="no-such-program"):
        build(docker_image, [["no-such-program"]])


def test_there_is_no_network_unless_it_was_asked_for(docker_image: ImageRef) -> None:
    reach = _python("import socket; socket.create_connection(('192.0.2.1', 80), 1)")
    with pytest.raises(ImageUnavailable, match="Network is unreachable"):
        build(docker_image, [reach])


SEE = """
import os, pathlib
seen = [os.environ[n] for n in ('PIP_INDEX_URL', 'https_proxy', 'GIT_CONFIG_VALUE_0')]
seen.append(pathlib.Path(os.environ['SSL_CERT_FILE']).read_text())
assert all('SECRET' in one for one in seen), seen
pathlib.Path.home().joinpath('.netrc').write_text(''.join(seen))
"""


def test_configuration_reaches_the_commands_and_no_layer_label_or_history(
    docker_image: ImageRef, client: "docker.APIClient", forget: list[str], tmp_path: Path
) -> None:
    secret = f"marker{secrets.token_hex(12)}"
    (tmp_path / "ca.pem").write_text("certificate\n" * 30_000 + secret)  # as large as a system's bundle
    given = {
        "PIP_INDEX_URL": f"https://user:{secret}@index.invalid/simple",
        "https_proxy": f"http://user:{secret}@proxy.invalid:3128",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.https://token:{secret}@git.invalid/.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://git.invalid/{secret}/",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "AWS_SECRET_ACCESS_KEY": "not taken over",
    }
    nonce = secrets.token_hex(4)
    look = (
        SEE.replace("'SECRET'", f"'{secret[:6]}'")
        + f"open('/{nonce}', 'w').write('AWS_SECRET_ACCESS_KEY' in os.environ and '1' or '0')"
    )
    image = build(docker_image, [_python(look)], environment=given)
    forget.append(image.reference)
    told = repr(inspect(client, image.reference)) + repr(client.history(image.reference))  # type: ignore[no-untyped-call]
    assert secret not in told
    with tempfile.TemporaryFile() as saved:
        for chunk in client.get_image(image.reference):
            saved.write(chunk)
        saved.seek(0)
        assert secret.encode() not in saved.read()  # layers are plain tar archives
        saved.seek(0)
        assert _file_in_a_layer(saved, nonce) == b"0"


def _file_in_a_layer(saved: IO[bytes], name: str) -> bytes:
    with tarfile.open(fileobj=saved) as image:
        for member in image.getmembers():
            if not member.name.endswith("layer.tar"):
                continue
            with tarfile.open(fileobj=image.extractfile(member)) as layer:
                if name in layer.getnames():
                    content = layer.extractfile(name)
                    assert content is not None
                    return content.read()
    raise AssertionError(f"no layer has {name}")


def test_an_error_names_no_secret(docker_image: ImageRef) -> None:
    given = {"PIP_INDEX_URL": "https://user:hunter22@index.invalid/simple"}
    tell = _python("import os, sys; sys.exit('refused: ' + os.environ['PIP_INDEX_URL'] + ' with hunter22')")
    with pytest.raises(ImageUnavailable, match=r"refused: \*\*\* with \*\*\*") as failed:
        build(docker_image, [tell], environment=given)
    assert "hunter22" not in str(failed.value)


def test_only_what_builds_need_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("deb mirror")
    given = {"HTTP_PROXY": "a", "no_proxy": "b", "PIP_INDEX_URL": "c", "TRACEGEN_APT_SOURCES": f"{tmp_path}/sources"}
    taken = configuration({**given, "TOKEN": "d", "PIP_TARGET": "e"})
    expected = {"HTTP_PROXY": "a", "no_proxy": "b", "PIP_INDEX_URL": "c"}
    assert taken == {**expected, "TRACEGEN_APT_SOURCES_000": "deb mirror", "TRACEGEN_APT_SOURCES_FORCED": "1"}


def test_a_failed_wheel_install_names_no_secret(docker_image: ImageRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter22@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ImageUnavailable) as failed:
        with_packages(docker_image, ["tinypack==0.0.1"])
    assert "hunter22" not in str(failed.value)
