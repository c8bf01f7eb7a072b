"""Base images made from this machine's Python."""

import dataclasses
import io
import sys
import tarfile
from pathlib import Path

import docker
import pytest
from interpreters import at_hand
from sandbox_jobs import says

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.host_base import HostFile, HostTree, collect
from sandboxes.interpreters import find
from schemas.errors import LimitUnsupported

pytestmark = pytest.mark.docker
STANDARD = (
    "ssl, sqlite3, ctypes, lzma, bz2, zlib, hashlib, decimal, unicodedata, asyncio, multiprocessing, uuid, curses"
)


def test_the_image_is_found_again(docker_image: ImageRef) -> None:
    assert resolve_image("docker") == docker_image
    assert docker_image.python.rsplit(".", 1)[0] == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_an_explicit_image_keeps_its_content_digest(docker_image: ImageRef) -> None:
    assert resolve_image("docker", base=docker_image.reference) == docker_image


def test_the_standard_library_works_in_the_image(spec: PoolSpec, docker_image: ImageRef) -> None:
    with open_pool("docker", spec, docker_image) as pool:
        for name in STANDARD.split(", "):
            assert says(pool, "1", f"import {name}") == "1"
        assert says(pool, "pwd.getpwuid(0).pw_name", "import pwd") == "root"
        assert says(pool, "json.__cached__.endswith('.pyc') and json.__file__", "import json").startswith(
            "/usr/local/lib"
        )


def test_an_image_that_another_layout_gave_works(spec: PoolSpec) -> None:
    """Debian's own Python, beside the one that runs this."""
    system = Path("/usr/bin/python3")
    if not system.exists() or system.samefile(find(None).executable):
        pytest.skip("no second layout on this machine")
    image = resolve_image("docker", python=str(system))
    with open_pool("docker", spec, image) as pool:
        assert says(pool, "sys.prefix", "import sys, ssl, sqlite3, ctypes, lzma, bz2, json") == "/usr/local"


def test_an_image_derived_from_a_made_one_is_another_image(spec: PoolSpec, docker_image: ImageRef) -> None:
    client = docker.APIClient()
    container = client.create_container(docker_image.reference, command=["python3"])["Id"]
    try:
        made = client.commit(container, repository="tracegen-test")  # inherits the labels
        image = resolve_image("docker", base="tracegen-test:latest")
        assert image == ImageRef(made["Id"], made["Id"], docker_image.python)
        with open_pool("docker", spec, image) as pool:
            assert says(pool, "1") == "1"
    finally:
        client.remove_container(container, force=True)
        client.remove_image("tracegen-test:latest")
        client.close()


def test_an_image_that_declares_a_volume_is_refused(spec: PoolSpec, docker_image: ImageRef) -> None:
    client = docker.APIClient()
    container = client.create_container(docker_image.reference, command=["python3"])["Id"]
    try:
        client.commit(container, repository="tracegen-test-volume", conf={"Volumes": {"/data": {}}})
        image = resolve_image("docker", base="tracegen-test-volume:latest")
        with pytest.raises(LimitUnsupported, match="/data"):
            open_pool("docker", spec, image)
    finally:
        client.remove_container(container, force=True)
        client.remove_image("tracegen-test-volume:latest")
        client.close()


@pytest.fixture(scope="module")
def tree() -> HostTree:
    return collect(find(None))


def test_the_content_digest_says_nothing_of_times_and_byte_code(tree: HostTree, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "a.pyc").write_bytes(b"x")
    small = dataclasses.replace(
        tree, files=(HostFile("usr/a.py", tmp_path / "a.py"), HostFile("usr/__pycache__/a.pyc", tmp_path / "a.pyc"))
    )
    content, key = small.content_digest(), small.key()
    (tmp_path / "a.pyc").write_bytes(b"other")
    assert (small.content_digest(), small.key()) == (content, key)
    (tmp_path / "a.py").touch()
    assert small.content_digest() == content
    assert small.key() != key
    (tmp_path / "a.py").write_text("2")
    assert small.content_digest() != content


def test_the_image_holds_what_programs_need_and_no_more(tree: HostTree) -> None:
    targets = [file.target for file in tree.files]
    assert len(targets) == len(set(targets))
    minor = tree.interpreter.minor
    assert f"usr/local/lib/python{minor}/zoneinfo/__init__.py" in targets
    assert f"usr/local/lib/python{minor}/pydoc_data/topics.py" in targets
    assert not [target for target in targets if "site-packages" in target or "/test/" in target or "idlelib" in target]
    archive = io.BytesIO()
    tree.write_tar(archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as names:
        assert set(targets) <= set(names.getnames())
        assert all((member.uid == 0 and member.isreg()) or member.isdir() or member.issym() for member in names)


@pytest.mark.parametrize("version", [each.version for each in at_hand()])
def test_every_python_becomes_an_image(spec: PoolSpec, docker_image: ImageRef, version: str) -> None:
    image = resolve_image("docker", python=find(version).executable)
    assert image.python == version
    with open_pool("docker", spec, image) as pool:
        assert says(pool, "'%d.%d.%d' % sys.version_info[:3]", "import sys, ssl, sqlite3, ctypes, lzma") == version
