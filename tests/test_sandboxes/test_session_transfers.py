"""Files go into a session and out of it whole or not at all, and nothing but files and directories does."""

import os
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes.api import ImageRef
from sandboxes.docker.sessions import open_docker_session
from sandboxes.session import ContainedSession
from sandboxes.session_api import Command, SessionSpec, TransferLimits, Transferred
from schemas.errors import SandboxLost, TransferRefused, UsageError

pytestmark = pytest.mark.docker
SPEC = SessionSpec(memory_bytes=256 * 2**20, disk_bytes=64 * 2**20, processes=64)
PARTS = st.binary(min_size=1, max_size=60).filter(
    lambda part: not set(part) & set(b"/\0") and part not in (b".", b"..")
)
TREES = st.dictionaries(st.lists(PARTS, min_size=1, max_size=4).map(b"/".join), st.binary(max_size=300), max_size=8)
LISTING = """
import os
for place, below, names in os.walk(b'/work'):
    for name in below + names: print(os.path.join(place, name).decode('ascii', 'backslashreplace'))
"""


@pytest.fixture(scope="module")
def session(docker_image: ImageRef) -> Iterator[ContainedSession]:
    with open_docker_session(SPEC, docker_image) as opened:
        yield opened


@pytest.fixture(autouse=True)
def cleared(session: ContainedSession) -> Iterator[None]:
    yield
    python(
        session,
        "import os, shutil\nfor name in os.listdir('/work'):\n    path = '/work/' + name\n"
        "    os.unlink(path) if os.path.islink(path) or not os.path.isdir(path) else shutil.rmtree(path)",
    )


def python(session: ContainedSession, text: str, **rest: object) -> bytes:
    result = session.exec(Command(["python3", "-c", text], 20.0, **rest))  # type: ignore[arg-type]
    assert result.exit_code == 0, result
    return result.stdout


def listing(session: ContainedSession) -> bytes:
    return python(session, LISTING)


def write(place: Path, files: dict[bytes, bytes]) -> None:
    for name, data in files.items():
        path = place / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def tree_of(place: Path) -> dict[bytes, bytes]:
    return {os.fsencode(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=TREES)
def test_a_tree_comes_back_as_it_went(
    session: ContainedSession, tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes]
) -> None:
    plain = {name: data for name, data in files.items() if not any(other.startswith(name + b"/") for other in files)}
    folder = tmp_path_factory.mktemp("tree")
    (folder / "in").mkdir()
    write(folder / "in", plain)
    place = f"trees/{folder.name}"
    sent = session.put(place, folder / "in")
    fetched = session.get_tree(place, folder / "out") if plain else sent
    assert sent == fetched
    assert (sent.files, sent.bytes) == (len(plain), sum(map(len, plain.values())))
    assert not plain or tree_of(folder / "out") == plain


def test_files_keep_bytes_and_the_right_to_execute(session: ContainedSession, tmp_path: Path) -> None:
    data = os.urandom(9_000_001)
    assert session.put("a/new/place/file", data) == Transferred(1, 0, len(data))
    assert session.get("/work/a/new/place/file") == data
    session.put("a/new/place/file", b"replaced")
    assert session.get("a/new/place/file") == b"replaced"
    script = tmp_path / "script"
    interpreter = python(session, "import sys; print(sys.executable)").decode().strip()
    script.write_text(f"#!{interpreter}\nprint('ran')")
    script.chmod(0o4755)
    session.put("script", script)
    assert session.exec(Command(["./script"], 20.0)).stdout == b"ran\n"
    assert (
        python(session, "import os; print(oct(os.stat('script').st_mode), os.stat('script').st_uid)")
        == b"0o100755 1000\n"
    )
    session.put("d", b"", user=1000)
    session.get_tree("/work", tmp_path / "out")
    assert (tmp_path / "out" / "script").stat().st_mode & 0o7111 == 0o111


def test_an_archive_is_unpacked_inside(session: ContainedSession, tmp_path: Path) -> None:
    write(tmp_path / "tree", {b"src/a.py": b"print(1)", b"README": b"x"})
    with tarfile.open(tmp_path / "t.tgz", "w:gz") as archive:
        archive.add(tmp_path / "tree", ".")
    assert session.put_archive("/work/repo", tmp_path / "t.tgz") == Transferred(2, 1, 9)
    assert session.get("repo/src/a.py") == b"print(1)"
    link = tmp_path / "link.tar"
    with tarfile.open(link, "w") as archive:
        archive.add(tmp_path / "tree", "tree")
        info = tarfile.TarInfo("tree/evil")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    before = listing(session)
    with pytest.raises(TransferRefused, match="'tree/evil'"):
        session.put_archive("other", link)
    assert listing(session) == before


TRICKS = {
    "link": "os.symlink('/etc/passwd', 'd/bad')",
    "link to a directory": "os.symlink('/etc', 'd/bad')",
    "dangling": "os.symlink('nowhere', 'd/bad')",
    "pipe": "os.mkfifo('d/bad')",
    "socket": "import socket\nwith socket.socket(socket.AF_UNIX) as one: one.bind('d/bad')",
    "sparse": "open('d/bad', 'w').close(); os.truncate('d/bad', 50 * 2**30)",
    "many": "[open('d/bad%d' % n, 'w').close() for n in range(60)]",
    "deep": "os.makedirs('d/' + 'bad/' * 12)",
    "large": "open('d/bad', 'w').close(); os.truncate('d/bad', 2 * 2**20)",
    "unreadable": "os.chmod(os.open('d/bad', os.O_CREAT), 0)",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_is_not_plain_or_too_much_does_not_come_out(session: ContainedSession, tmp_path: Path, trick: str) -> None:
    python(session, f"import os\nos.mkdir('d')\nopen('d/a', 'w').close()\n{TRICKS[trick]}")
    limits = TransferLimits(most_bytes=2**20, most_files=50, depth=10)
    with pytest.raises(TransferRefused, match=r"bad|50 files|'d"):
        session.get_tree("d", tmp_path / "out", limits=limits)
    assert list(tmp_path.iterdir()) == []
    if trick not in ("many", "deep"):
        with pytest.raises(TransferRefused):
            session.get("d/bad", limits=limits)


@pytest.mark.parametrize("trick", ["link", "pipe", "sparse", "many", "deep", "large"])
def test_what_is_not_plain_or_too_much_does_not_go_in(
    session: ContainedSession, tmp_path: Path, trick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("first")
    exec(TRICKS[trick], {"os": os})
    limits = TransferLimits(most_bytes=2**20, most_files=50, depth=10)
    with pytest.raises(TransferRefused, match="nothing of it is kept"):
        session.put("new", tmp_path / "d", limits=limits)
    assert listing(session) == b""
    if trick == "link":
        with pytest.raises(TransferRefused):
            session.put("new", tmp_path / "d" / "bad")


def test_a_full_session_keeps_nothing_of_what_did_not_fit(session: ContainedSession, tmp_path: Path) -> None:
    write(tmp_path / "tree", {b"a": b"small", b"b/large": bytes(40 * 2**20)})
    for source in (tmp_path / "tree", bytes(40 * 2**20)):
        with pytest.raises(TransferRefused, match="No space left"):
            session.put("new", source)
        assert listing(session) == b""


@pytest.mark.parametrize("place", ["/etc/new", "/new", "/proc/new", "there/file/below", "there"])
def test_where_nothing_can_be_put_nothing_is(session: ContainedSession, tmp_path: Path, place: str) -> None:
    session.put("there/file", b"x")
    write(tmp_path / "tree", {b"file": b"other", b"aaa": b"y"})
    before = listing(session)
    with pytest.raises(TransferRefused):
        session.put(place, tmp_path / "tree")
    assert listing(session) == before


def test_paths_and_sources_that_make_no_sense_are_usage_errors(session: ContainedSession, tmp_path: Path) -> None:
    for path in ("", "../etc", "a\0b"):
        with pytest.raises(UsageError, match="path"):
            session.put(path, b"")
    with pytest.raises(UsageError, match="there is no"):
        session.put("x", tmp_path / "nothing")
    with pytest.raises(UsageError, match="there already"):
        session.get_tree("/work", tmp_path)
    with pytest.raises(UsageError, match="depth"):
        session.get("x", limits=TransferLimits(depth=5000))
    with pytest.raises(UsageError, match="user not below 0"):
        session.put("x", b"", user=-1)
    with pytest.raises(TransferRefused, match="No such file"):
        session.get("x")


def test_a_link_in_the_session_leads_no_further_than_its_user_may_go(session: ContainedSession) -> None:
    python(session, "import os; os.symlink('/etc', 'way')")
    with pytest.raises(TransferRefused):
        session.put("way/new", b"x")
    with pytest.raises(TransferRefused, match="a symbolic link"):
        session.get("way")


def test_a_transfer_out_of_time_is_refused_and_cleared(session: ContainedSession) -> None:
    python(session, "import os; os.mkdir('d'); open('d/f', 'wb').truncate(30 * 2**20)")
    before = listing(session)
    with pytest.raises(TransferRefused, match="longer than"):
        session.put("new", bytes(20 * 2**20), limits=TransferLimits(seconds=0.001))
    assert listing(session) == before


def test_a_program_that_kills_the_transfer_gains_nothing(session: ContainedSession) -> None:
    killer = (
        "import os, signal, time\nend = time.monotonic() + 3\nmine = {os.getpid(), os.getppid()}\n"
        "while time.monotonic() < end:\n    for name in os.listdir('/proc'):\n"
        "        if name.isdigit() and int(name) not in mine:\n"
        "            try: os.kill(int(name), 9)\n            except OSError: pass\n"
    )
    beside = threading.Thread(target=lambda: session.exec(Command(["python3", "-c", killer], 20.0)))
    beside.start()
    refused = 0
    while beside.is_alive():
        try:
            session.put("new", bytes(20 * 2**20))
            session.get("new")
        except TransferRefused:
            refused += 1
    beside.join()
    assert refused
    assert listing(session) in (b"", b"/work/new\n")


def test_a_file_that_changes_under_the_transfer_harms_nobody(session: ContainedSession) -> None:
    text = (
        "import os, time\nend = time.monotonic() + 3\nwhile time.monotonic() < end:\n"
        "    with open('f', 'wb') as file: file.write(bytes(3 * 2**20))\n    os.truncate('f', 10)"
    )
    beside = threading.Thread(target=lambda: session.exec(Command(["python3", "-c", text], 20.0)))
    beside.start()
    ends = []
    while beside.is_alive():
        try:
            session.get("f")
            ends.append("whole")
        except TransferRefused as error:
            ends.append(str(error))
    assert "whole" in ends
    assert all(each == "whole" or "shorter" in each or "No such file" in each for each in ends)


def test_other_commands_go_on_while_a_large_transfer_stands_still(session: ContainedSession, tmp_path: Path) -> None:
    python(session, "open('f', 'wb').write(bytes(30 * 2**20))")
    started, go_on = threading.Event(), threading.Event()

    def wait_once(talk: Any) -> None:
        talk.take(10)
        started.set()
        go_on.wait(20)
        while talk.take(2**20):
            pass

    def slowly() -> None:
        session._transfer("/work/f", 1000, TransferLimits())._receive("get", wait_once)

    beside = threading.Thread(target=slowly)
    beside.start()
    assert started.wait(20)
    assert python(session, "print(1)") == b"1\n"
    go_on.set()
    beside.join()


def test_a_container_killed_in_the_middle_of_a_transfer_leaves_nothing_here(
    docker_image: ImageRef, tmp_path: Path
) -> None:
    client = docker.APIClient()
    for deed in ("put", "get_tree"):
        with open_docker_session(SPEC, docker_image) as session:
            session.put("d/f", bytes(25 * 2**20))
            killer = threading.Timer(0.02, lambda name=session.name: client.kill(name))
            killer.start()
            with pytest.raises(SandboxLost):
                _again_and_again(session, deed, tmp_path)
            killer.join()
            assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    client.close()


def _again_and_again(session: ContainedSession, deed: str, folder: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if deed == "put":
            session.put("d/f", bytes(25 * 2**20))
        else:
            session.get_tree("d", folder / str(time.monotonic_ns()))
