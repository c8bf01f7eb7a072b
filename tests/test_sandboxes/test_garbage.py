"""What ``reap`` and ``gc`` find and remove. Nothing is removed here that a test did not make."""

import io
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from pipelines.cli import main
from sandboxes.api import ImageRef
from sandboxes.docker import images
from sandboxes.docker.garbage import find_dead, find_garbage, sweep
from sandboxes.docker.images import DIGEST_LABEL, ROLE_LABEL, inspect
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.litter import Litter

pytestmark = pytest.mark.docker
NOT_BY_AGE = 1e9
DEAD = "4194305:1:" + own_label().split(":", 2)[2]
"""A pid that no kernel gives, on this boot."""
Make = Callable[..., str]


@pytest.fixture
def client(docker_image: ImageRef) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture
def make(client: "docker.APIClient") -> Iterator[Make]:
    """Makes tiny images, from nothing or from another image, with labels and perhaps a name; removes them after."""
    made: list[str] = []

    def image(labels: dict[str, str], name: str = "", parent: str = "") -> str:
        repository, _, tag = name.partition(":")
        if parent:
            container = client.create_container(parent, ["none"], labels=labels)["Id"]
            identity = client.commit(container, repository=repository or None, tag=tag or None)["Id"]
            client.remove_container(container)
        else:
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w") as archive:
                entry = tarfile.TarInfo("content")
                entry.size = 100_000
                archive.addfile(entry, io.BytesIO(secrets.token_bytes(entry.size)))
            content.seek(0)
            changes = [f"LABEL {key}={value}" for key, value in labels.items()]
            temporary = f"tracegen-test-{secrets.token_hex(4)}"
            client.import_image_from_data(content, temporary, "latest", changes)
            identity = _identity(client, temporary)
            if name:
                client.tag(identity, repository, tag)
                client.remove_image(temporary)
            else:
                # An image loses its last name only to another that takes it.
                client.import_image_from_data(io.BytesIO(bytes(10240)), temporary, "latest")
                made.append(_identity(client, temporary))
        made.append(identity)
        return str(identity)

    yield image
    for one in reversed(made):
        try:
            client.remove_image(one, force=True)
        except docker.errors.ImageNotFound:
            continue


def _identity(client: "docker.APIClient", name: str) -> str:
    found = inspect(client, name)
    assert found is not None
    return str(found["Id"])


def _name(repository: str = images.REPOSITORY) -> str:
    return f"{repository}:test-{secrets.token_hex(4)}"


def _found(litter: list[Litter]) -> set[str]:
    return {one.identity for one in litter}


def test_images_of_ours_go_by_age_or_budget(make: Make, client: "docker.APIClient") -> None:
    name = _name()
    image = make({ROLE_LABEL: "base"}, name)
    assert image in _found(find_garbage(0, None))
    assert image not in _found(find_garbage(3600, None))
    assert image not in _found(find_garbage(3600, 10**12))
    assert image in _found(find_garbage(3600, 0))
    mine = [one for one in find_garbage(0, None) if one.identity == image]
    assert (mine[0].names, mine[0].size_bytes) == ((name,), 100_000)
    assert sweep(mine).removed == tuple(mine)
    assert inspect(client, image) is None


def test_what_is_not_ours_or_in_use_stays(make: Make, client: "docker.APIClient") -> None:
    base = make({ROLE_LABEL: "base"}, _name())
    users = make({}, f"tracegen-test-users:{secrets.token_hex(4)}", base)
    nameless_users = make({}, parent=make({ROLE_LABEL: "base"}, _name()))
    renamed = make({ROLE_LABEL: "base"}, _name())
    client.tag(renamed, "tracegen-test-users", secrets.token_hex(4))
    strangers = make({}, f"tracegen-test-users:{secrets.token_hex(4)}")
    running = make({ROLE_LABEL: "base"}, _name())
    container = client.create_container(running, ["none"])["Id"]
    try:
        assert not {base, users, nameless_users, renamed, strangers, running} & _found(find_garbage(0, 0))
    finally:
        client.remove_container(container)


def test_children_go_before_their_parents(make: Make) -> None:
    base = make({ROLE_LABEL: "base"}, _name())
    layer = make({ROLE_LABEL: "packages"}, _name("tracegen-packages"), base)
    mine = [one for one in find_garbage(0, None) if one.identity in (base, layer)]
    assert [one.identity for one in mine] == [layer, base]
    assert not sweep(mine).kept


def test_what_lost_its_name_goes_at_any_age(make: Make) -> None:
    nameless = make({ROLE_LABEL: "base"})
    assert nameless in _found(find_garbage(NOT_BY_AGE, None))


def test_snapshots_go_with_their_owner(make: Make, docker_image: ImageRef, client: "docker.APIClient") -> None:
    _, _, _, namespace = own_label().split(":", 3)
    owners = {"dead": DEAD, "living": own_label(), "elsewhere": f"1:1:another-boot:{namespace}"}
    made = {
        name: make({ROLE_LABEL: "snapshot", OWNER_LABEL: owner}, parent=docker_image.reference)
        for name, owner in owners.items()
    }
    gone = set(made.values()) & _found(find_dead())
    assert gone == {made["dead"]}
    assert set(made.values()) & _found(find_garbage(NOT_BY_AGE, None)) == {made["dead"]}
    assert set(made.values()) & _found(find_garbage(0, None)) == {made["dead"], made["elsewhere"]}
    assert not sweep([one for one in find_dead() if one.identity == made["dead"]]).kept
    assert inspect(client, made["living"])


def test_a_dead_owners_container_goes_and_its_snapshot_after_it(
    make: Make, docker_image: ImageRef, client: "docker.APIClient"
) -> None:
    labels = {ROLE_LABEL: "snapshot", OWNER_LABEL: DEAD}
    snapshot = make(labels, parent=docker_image.reference)
    container = client.create_container(snapshot, ["none"], labels={OWNER_LABEL: DEAD})["Id"]
    mine = [one for one in find_dead() if one.identity in (container, snapshot)]
    assert [one.identity for one in mine] == [container, snapshot]
    assert not sweep(mine).kept
    assert not {container, snapshot} & _found(find_dead())


def test_what_came_into_use_meanwhile_is_kept_and_said(make: Make, client: "docker.APIClient") -> None:
    image = make({ROLE_LABEL: "base"}, _name())
    mine = [one for one in find_garbage(0, None) if one.identity == image]
    container = client.create_container(image, ["none"])["Id"]
    try:
        ((kept, problem),) = sweep(mine).kept
        assert kept.identity == image
        assert container[:12] in problem
    finally:
        client.remove_container(container)


def test_a_new_base_does_not_remove_what_was_derived_from_an_older_one(make: Make, client: "docker.APIClient") -> None:
    content = secrets.token_hex(8)
    labels = {ROLE_LABEL: "base", DIGEST_LABEL: content}
    lonely, parent = make(labels), make(labels)
    derived = make({}, parent=parent)  # inherits the labels
    images._forget_older(client, content)
    assert inspect(client, derived)
    assert inspect(client, lonely) is None


def test_the_verb_says_what_would_go_and_removes_nothing(
    make: Make, client: "docker.APIClient", capsys: pytest.CaptureFixture[str]
) -> None:
    name = _name()
    image = make({ROLE_LABEL: "base"}, name)
    assert main(["sandbox", "gc", "--older-than", "0s", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"would remove image {name} (0.1 MB, made by tracegen)" in said
    assert inspect(client, image)
    assert main(["sandbox", "gc", "--older-than", "400d", "--keep-bytes", "1TB", "--dry-run"]) == 0
    assert name not in capsys.readouterr().out
    assert main(["sandbox", "reap", "--dry-run"]) == 0


@pytest.mark.parametrize("wrong", [["--older-than", "7"], ["--keep-bytes", "20"], ["--keep-bytes", "-1GB"]])
def test_ages_and_sizes_have_units(wrong: list[str], checkout: Path) -> None:
    command = [sys.executable, "-m", "pipelines", "sandbox", "gc", "--dry-run", *wrong]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "allowed: a number and" in done.stderr or "expected one argument" in done.stderr
