"""Sessions whose root takes files: watched, kept, forked, set back, and nothing of them left behind."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sandboxes import open_session
from sandboxes.api import ImageRef
from sandboxes.docker import snapshots, watchdog
from sandboxes.docker.garbage import find_dead, sweep
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.session_api import Command, CommandResult, Session, SessionSpec
from sandboxes.session_link import SessionLink
from schemas.errors import BackendCannot, DiskExceeded, SandboxLost, SnapshotFailed, TransferRefused, UsageError

pytestmark = pytest.mark.docker
SPEC = SessionSpec(memory_bytes=256 * 2**20, disk_bytes=64 * 2**20, processes=64, writable_root=True)
OVERFLOW = {
    "one file after another": "for n in range(100): open(f'f{n}', 'wb').write(bytes(2 * 2**20))",
    "a sparse file": "import os\nfor n in range(2):\n    open(f'f{n}', 'w').close(); os.truncate(f'f{n}', 40 * 2**20)",
    "deleted and held": (
        "import os\nheld = []\nfor n in range(60):\n    held.append(open('f', 'wb')); os.unlink('f'); "
        "held[-1].write(os.urandom(2 * 2**20)); held[-1].flush()"
    ),
}
DRIVER = """
import sys, time
from sandboxes import open_session
from sandboxes.api import ImageRef
from sandboxes.session_api import *
spec = SessionSpec(memory_bytes=2**28, disk_bytes=2**26, writable_root=True)
session = open_session("docker", spec, ImageRef(*sys.argv[1:]))
session.put("f", b"x")
first = session.snapshot()
child = session.fork(first)
second = child.snapshot()
print(first.name, second.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def session(docker_image: ImageRef) -> Iterator[Session]:
    with open_session("docker", SPEC, docker_image) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(docker_image: ImageRef) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


def python(session: Session, text: str, **rest: object) -> CommandResult:
    return session.exec(Command(["python3", "-c", text], 60.0, **rest))  # type: ignore[arg-type]


def kept(client: "docker.APIClient", owner: str = "") -> set[str]:
    """Return the names of the snapshots of one owner, by default of this process."""
    mine = {"label": f"{OWNER_LABEL}={owner or own_label()}"}
    found = client.images(name=snapshots.REPOSITORY, filters=mine)
    return {tag for image in found for tag in image["RepoTags"] or []}


def test_the_root_takes_files_and_every_other_limit_holds(session: Session) -> None:
    text = "open('/usr/new', 'w').write('x'); open('/etc/hosts', 'a').write('y')"
    assert python(session, text, user=0).status == "finished"
    assert session.get("/usr/new") == b"x"
    assert b"PermissionError" in python(session, "open('/usr/other', 'w')").stderr
    text = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')])"
    assert python(session, text).stdout.count(b"0000000000000000") == 4
    assert (session.check["interfaces"], session.check["server_root_writable"]) == ([], True)
    assert session.abilities == {"shell", "transfer", "snapshot"}
    assert session.check["limits"]["memory"] == SPEC.memory_bytes


@pytest.mark.parametrize("way", OVERFLOW)
def test_a_session_that_outgrows_its_disk_is_stopped(session: Session, way: str) -> None:
    with pytest.raises(DiskExceeded, match="disk_bytes") as stopped:
        python(session, OVERFLOW[way] + "\nimport time; time.sleep(60)")
    assert not stopped.value.retryable
    with pytest.raises(DiskExceeded):
        python(session, "")
    with pytest.raises(DiskExceeded):
        session.put("f", b"x")


def test_one_file_is_never_larger_than_the_disk(session: Session, tmp_path: Path) -> None:
    assert b"File too large" in python(session, "import os; os.truncate(os.open('f', 65), 50 * 2**30)").stderr
    large = tmp_path / "large"
    large.write_bytes(bytes(65 * 2**20))
    with pytest.raises((TransferRefused, DiskExceeded)):
        session.put("f", large)


def test_a_snapshot_keeps_files_and_a_fork_goes_its_own_way(session: Session, client: "docker.APIClient") -> None:
    before = kept(client)
    session.put("f", b"one")
    with session.fork() as other:
        assert other.get("f") == b"one"
        session.put("f", b"mine")
        other.put("f", b"other")
        assert (session.get("f"), other.get("f")) == (b"mine", b"other")
        assert python(other, "import os; print(os.stat('/work').st_uid)").stdout == b"1000\n"
        assert len(kept(client) - before) == 1
    assert kept(client) == before


def test_a_session_goes_back_to_a_snapshot_or_to_its_beginning(session: Session) -> None:
    session.put("f", b"one")
    one = session.snapshot()
    session.put("f", b"two")
    results: list[BaseException] = []

    def wait() -> None:
        try:
            python(session, "import time; time.sleep(60)")
        except SandboxLost as error:
            results.append(error)

    running = threading.Thread(target=wait)
    running.start()
    time.sleep(0.3)
    session.reset(one)
    running.join()
    assert "reset" in str(results[0])
    assert session.get("f") == b"one"
    session.reset(one)
    assert python(session, "print(open('f').read())").stdout == b"one\n"
    session.put("g", b"x")
    assert session.get("g") == b"x"


def test_without_a_snapshot_a_reset_goes_to_the_image(session: Session) -> None:
    session.put("f", b"one")
    one = session.snapshot()
    session.reset(one)
    assert session.get("f") == b"one"
    session.reset()
    with pytest.raises(TransferRefused, match="No such file"):
        session.get("f")
    session.reset(one)
    assert session.get("f") == b"one"


def test_snapshots_go_with_their_last_user(docker_image: ImageRef, client: "docker.APIClient") -> None:
    before = kept(client)
    session = open_session("docker", SPEC, docker_image)
    session.put("f", b"x")
    first, unused = session.snapshot(), session.snapshot()
    child = session.fork(first)
    grandchild = child.fork()
    assert len(kept(client) - before) == 3
    unused.close()
    unused.close()
    assert len(kept(client) - before) == 2
    session.close()
    assert len(kept(client) - before) == 2, "the child runs from it"
    assert child.get("f") == b"x"
    child.reset()
    assert child.get("f") == b"x"
    child.close()
    assert grandchild.get("f") == b"x"
    grandchild.close()
    assert kept(client) == before
    with (
        open_session("docker", SPEC, docker_image) as late,
        pytest.raises(SnapshotFailed, match="is gone"),
    ):
        late.fork(first)
    with pytest.raises(UsageError, match="closed"):
        session.snapshot()


def test_a_fork_while_a_command_runs_has_files_and_no_process(session: Session) -> None:
    text = (
        "import time\nopen('started', 'w').close()\n"
        "for n in range(400): open('log', 'a').write(f'{n:04}\\n'); time.sleep(0.01)"
    )
    results: list[CommandResult] = []
    running = threading.Thread(target=lambda: results.append(python(session, text)))
    running.start()
    while b"started" not in python(session, "import os; print(os.listdir())").stdout:
        time.sleep(0.01)
    with session.fork() as other:
        lines = other.get("log").split()
        assert lines == [b"%04d" % number for number in range(len(lines))]
        found = python(other, "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))").stdout
        assert int(found) == 4  # init, the server, the supervisor, the command
        assert len(other.get("log").split()) == len(lines)
    running.join()
    assert (results[0].status, results[0].exit_code) == ("finished", 0)
    assert len(session.get("log").split()) == 400


def test_a_session_that_cannot_be_measured_is_ended(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement that failed inside, as with no process left for it, stopped the watchdog and not the session."""

    def fail(link: SessionLink) -> dict[str, int]:
        raise link.error(SandboxLost, "a session could not be measured", "run")

    monkeypatch.setattr(watchdog, "_BLIND_SECONDS", 1.0)
    monkeypatch.setattr(watchdog, "measure", fail)
    with pytest.raises(SandboxLost, match="could not be measured for 1 s"):
        python(session, "import time; time.sleep(20)")


def test_a_fork_counts_what_its_snapshot_holds(session: Session) -> None:
    python(session, "open('f', 'wb').write(bytes(40 * 2**20))")
    with session.fork() as other, pytest.raises(DiskExceeded):
        python(other, "open('g', 'wb').write(bytes(40 * 2**20)); import time; time.sleep(60)")
    assert python(session, "print(1)").stdout == b"1\n"


def test_too_many_layers_are_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = session.snapshot().layers
    monkeypatch.setattr(snapshots, "MOST_LAYERS", layers)
    with session.fork() as other, pytest.raises(SnapshotFailed, match=f"{layers} are the most"):
        other.snapshot()


def test_a_snapshot_of_a_killed_container_fails(session: Session, client: "docker.APIClient") -> None:
    client.kill(session.name)  # type: ignore[attr-defined]
    with pytest.raises(SandboxLost):
        python(session, "")
    with pytest.raises(SnapshotFailed):
        session.snapshot()


def test_the_network_is_there_when_it_is_asked_for_only(docker_image: ImageRef) -> None:
    spec = SessionSpec(memory_bytes=2**28, disk_bytes=2**25, network="bridge")
    with open_session("docker", spec, docker_image) as session:
        assert session.check["interfaces"] != []
        assert "network" in session.abilities
        text = "import socket; print(len(socket.if_nameindex()))"
        assert int(python(session, text).stdout) >= 2
    with pytest.raises(UsageError, match="none and bridge"):
        open_session("docker", SessionSpec(network="host"), docker_image)  # type: ignore[arg-type]


def test_a_killed_driver_leaves_no_snapshot_after_reap(
    docker_image: ImageRef, client: "docker.APIClient", checkout: Path
) -> None:
    arguments = [docker_image.reference, docker_image.digest, docker_image.python]
    with subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], stdout=subprocess.PIPE, cwd=checkout) as driver:
        assert driver.stdout is not None
        names = set(driver.stdout.readline().decode().split())
        assert len(names) == 2
        own = "".join(label for label in _owners(client) if label.startswith(f"{driver.pid}:"))
        assert names == kept(client, own)
        assert not names & {name for one in find_dead() for name in one.names}
        driver.kill()
    end = time.monotonic() + 20
    while kept(client, own):
        assert time.monotonic() < end
        sweep([one for one in find_dead() if one.kind == "container" or names & set(one.names)])
    ours = [
        each for each in client.containers(all=True) if f"{driver.pid}:" in each["Labels"].get("tracegen.owner", "")
    ]
    assert ours == []


def _owners(client: "docker.APIClient") -> set[str]:
    found = client.images(name=snapshots.REPOSITORY)
    return {(image["Labels"] or {}).get(OWNER_LABEL, "") for image in found}


@pytest.mark.parametrize("spec", [SPEC, SessionSpec(network="bridge")])
def test_a_backend_without_it_refuses_it(spec: SessionSpec) -> None:
    with pytest.raises(BackendCannot, match="no writable root and no network"):
        open_session("bubblewrap", spec, ImageRef("", "", ""))
