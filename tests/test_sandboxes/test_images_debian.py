"""The Debian base for repositories, and apt in builds: no mirror's name in any image."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
from sandbox_jobs import says

from sandboxes import open_pool
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.docker.apt import apt_sources
from sandboxes.docker.build import build, configuration
from sandboxes.docker.debian_base import resolve_debian_base
from sandboxes.guest import builder
from schemas.errors import ImageUnavailable, UsageError

made_by_mmdebstrap = pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")
ONE_LINE = "deb http://user:hunter22@mirror.invalid/debian bookworm main\n"
DEB822 = "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\nComponents: main\n"


@pytest.fixture
def client(docker_image: ImageRef) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


@pytest.mark.docker
@pytest.mark.slow
@made_by_mmdebstrap
def test_repositories_have_git_and_compilers_and_no_mirror_is_named(
    spec: PoolSpec, client: "docker.APIClient", tmp_path: Path
) -> None:
    base = resolve_debian_base()
    assert resolve_debian_base() == base
    compiles = "echo 'int main(void) { return 7; }' > /srv/a.c && gcc -o /srv/a /srv/a.c; /srv/a; test $? = 7"
    commands = [
        ["sh", "-c", compiles],
        ["git", "init", "--quiet", "/srv/repository"],
        ["python3", "-m", "venv", "/srv/venv"],
        ["sh", "-c", "apt-get update -q && apt-get install -q -y --no-install-recommends hello && hello"],
        ["/srv/venv/bin/pip", "install", "--quiet", "iniconfig"],
    ]
    image = build(base, commands, network=True)
    try:
        with open_pool("docker", spec, image) as pool:
            assert says(pool, "__import__('subprocess').getoutput('hello; git --version')").startswith("Hello, world!")
        sources = apt_sources({})
        assert sources is not None
        hosts = set(re.findall(r"://([^/\s]+)", sources.read_text()))
        assert hosts
        for host in hosts:
            assert not _mentions(client, image.reference, host.encode()), "a mirror's name is in the image"
    finally:
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.remove_image(image.reference, force=True)


def _mentions(client: "docker.APIClient", image: str, text: bytes) -> bool:
    """Look where apt and mmdebstrap would write it: documentation of packages names Debian's own archive anyway."""
    container = client.create_container(image, ["true"])["Id"]
    try:
        for folder in ("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/log", "/root", "/run"):
            with tempfile.TemporaryFile() as saved:
                for chunk in client.get_archive(container, folder)[0]:
                    saved.write(chunk)
                saved.seek(0)
                if text in saved.read():
                    return True
        return False
    finally:
        client.remove_container(container, force=True)


@pytest.mark.docker
@pytest.mark.parametrize("sources", [ONE_LINE, DEB822])
def test_apt_in_a_build_reads_the_given_sources_from_memory(
    docker_image: ImageRef, client: "docker.APIClient", tmp_path: Path, sources: str
) -> None:
    given = tmp_path / "sources"
    given.write_text(sources)
    look = (
        "import os, pathlib; text = pathlib.Path(os.environ['APT_CONFIG']).read_text();"
        "file = text.split('SourceList \"')[1].split('\"')[0]; assert file.startswith('/run/tracegen/'), file;"
        f"assert pathlib.Path(file).read_text() == {sources!r};"
        "assert not [name for name in os.environ if name.startswith('TRACEGEN_')], os.environ;"
        "import sys; sys.exit('seen ' + text + ' hunter22')"
    )
    with pytest.raises(ImageUnavailable, match="seen") as failed:
        build(docker_image, [["python3", "-c", look]], environment={"TRACEGEN_APT_SOURCES": str(given)})
    assert ("hunter22" in str(failed.value)) == (sources is DEB822), "a password of the sources is not said"


@pytest.mark.docker
@pytest.mark.parametrize("forced", [True, False])
def test_an_images_own_sources_are_kept_unless_others_were_given_by_name(
    docker_image: ImageRef, tmp_path: Path, forced: bool
) -> None:
    given = tmp_path / "sources.list"
    given.write_text(ONE_LINE)
    look = f"import os, sys; sys.exit('configured' if 'APT_CONFIG' in os.environ else 'untouched') # {forced}"
    settings = configuration({"TRACEGEN_APT_SOURCES": str(given)})
    assert settings.pop(builder.FORCED) == "1"
    files = {"/etc/apt/sources.list": b"deb http://other.invalid/debian bookworm main\n"}
    environment = {"TRACEGEN_APT_SOURCES": str(given)} if forced else {}
    with pytest.raises(ImageUnavailable, match="configured" if forced else "untouched"):
        build(docker_image, [["python3", "-c", look]], files=files, environment=environment)


def test_sources_that_are_not_there_are_named() -> None:
    with pytest.raises(UsageError, match=r"TRACEGEN_APT_SOURCES is '/no/such/file'"):
        apt_sources({"TRACEGEN_APT_SOURCES": "/no/such/file"})


@pytest.mark.parametrize(("suite", "packages"), [("bookworm;reboot", []), ("bookworm", ["--option"]), ("B", ["git"])])
def test_names_of_suites_and_packages_are_checked(suite: str, packages: list[str]) -> None:
    with pytest.raises(UsageError, match="no name of a Debian suite or package"):
        resolve_debian_base(suite=suite, packages=packages)
