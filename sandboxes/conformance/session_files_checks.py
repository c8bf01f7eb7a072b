"""What sessions do beside commands: shells that keep their state, transfers, snapshots."""

import dataclasses
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandboxes.conformance.bench import Bench, Check, CheckFailed, expect, named
from sandboxes.session_api import Command, Session, TransferLimits
from schemas.errors import DiskExceeded, TransferRefused

SECONDS = 10.0


def a_shell_keeps_its_state(bench: Bench) -> None:
    """Directory, variables and functions stay from text to text."""
    with bench.session.shell() as shell:
        shell.run("cd /tmp; GREETING=hello; greet() { echo $GREETING $1; }", wall_seconds=SECONDS)
        result = shell.run("greet you; pwd", wall_seconds=SECONDS)
    expect(result.stdout == b"hello you\n/tmp\n", f"{result.stdout!r} {result.stderr!r}")


def a_shell_tells_exit_codes_and_streams(bench: Bench) -> None:
    """Each text has its own exit code, output and error output, whatever it prints."""
    with bench.session.shell() as shell:
        first = shell.run("echo out; echo err >&2; (exit 7)", wall_seconds=SECONDS)
        second = shell.run("echo 'exit 0'; printf 'no newline'", wall_seconds=SECONDS)
    found = (first.exit_code, first.stdout, first.stderr)
    expect(found == (7, b"out\n", b"err\n"), f"the first: {found}")
    expect((second.exit_code, second.stdout) == (0, b"exit 0\nno newline"), f"the second: {second.stdout!r}")


def a_shell_survives_a_time_out(bench: Bench) -> None:
    """What a text started is killed at its time-out; the shell goes on with its state."""
    with bench.session.shell() as shell:
        shell.run("KEPT=yes", wall_seconds=SECONDS)
        slow = shell.run("sleep 60", wall_seconds=1.0)
        after = shell.run("echo $KEPT", wall_seconds=SECONDS)
    expect((slow.status, slow.alive) == ("timeout", True), f"{slow.status}, alive {slow.alive}")
    expect(after.stdout == b"yes\n", f"afterwards: {after.stdout!r}")


def a_shell_that_ends_says_so(bench: Bench) -> None:
    """After ``exit`` a shell is told as dead, and stays so."""
    with bench.session.shell() as shell:
        ended = shell.run("exit 3", wall_seconds=SECONDS)
        again = shell.run("echo x", wall_seconds=SECONDS)
    expect((ended.status, ended.exit_code, ended.alive) == ("died", 3, False), f"{ended.status}, {ended.exit_code}")
    expect((again.status, again.stdout) == ("died", b""), f"afterwards: {again.status}")


def a_file_goes_in_and_out(bench: Bench) -> None:
    """Bytes put are read by a command, and got back unchanged."""
    data = bytes(range(256)) * 1000
    bench.session.put("given", data)
    expect(bench.python("print(len(open('given', 'rb').read()))").stdout == b"256000\n", "it did not arrive")
    expect(bench.session.get("given") == data, "it came back changed")


def a_tree_goes_in_and_out(bench: Bench) -> None:
    """A directory keeps its files, its empty directories and what is executable."""
    with tempfile.TemporaryDirectory() as name:
        source, back = Path(name) / "source", Path(name) / "back"
        (source / "inner" / "empty").mkdir(parents=True)
        (source / "inner" / "text").write_text("content")
        (source / "tool").write_text("#!/bin/sh\n")
        (source / "tool").chmod(0o755)
        bench.session.put("tree", source)
        bench.session.get_tree("tree", back)
        expect((back / "inner" / "empty").is_dir(), "an empty directory is missing")
        expect((back / "inner" / "text").read_text() == "content", "a file came back changed")
        expect((back / "tool").stat().st_mode & 0o111, "what was executable is not")


def transfers_are_limited(bench: Bench) -> None:
    """A file beyond the limit is refused, and nothing of it is kept."""
    few = TransferLimits(most_bytes=1000)
    bench.python("open('long', 'w').write('x' * 1001)")
    _refused(lambda: bench.session.get("long", limits=few))
    _refused(lambda: bench.session.put("much", b"x" * 1001, limits=few))
    expect(bench.python("import os; print(os.path.exists('much'))").stdout == b"False\n", "a part of it was kept")


def links_and_devices_are_not_followed(bench: Bench) -> None:
    """A link to outside, a pipe and a path out of the directory are refused."""
    bench.python(
        "import os; os.path.lexists('link') or os.symlink('/etc/passwd', 'link'); os.path.exists('p') or os.mkfifo('p')"
    )
    _refused(lambda: bench.session.get("link"))
    _refused(lambda: bench.session.get("p"))
    with tempfile.TemporaryDirectory() as name:
        _refused(lambda: bench.session.put_archive("in", _archive(Path(name), "../escaped")))
        _refused(lambda: bench.session.put_archive("in", _archive(Path(name), "/absolute")))


def a_snapshot_keeps_files_and_forks_go_their_own_way(bench: Bench) -> None:
    """A fork begins with a snapshot's files, and neither sees what the other writes then."""
    with _writable(bench) as session:
        session.put("kept", b"before")
        snapshot = session.snapshot()
        session.put("kept", b"after")
        with session.fork(snapshot) as other:
            expect(other.get("kept") == b"before", "the fork has other files than the snapshot")
            other.put("others", b"x")
            expect(session.get("kept") == b"after", "the session went back as well")
            expect(_exec(session, "import os; print(os.path.exists('others'))") == b"False\n", "they share files")


def a_reset_goes_back(bench: Bench) -> None:
    """A reset ends what runs and gives the files of the snapshot, without one those of the beginning."""
    with _writable(bench) as session:
        session.put("kept", b"before")
        snapshot = session.snapshot()
        session.put("kept", b"after")
        session.reset(snapshot)
        expect(session.get("kept") == b"before", "the files are not the snapshot's")
        session.reset()
        expect(_exec(session, "import os; print(os.path.exists('kept'))") == b"False\n", "the files are not the first")


def disk_under_a_writable_root_is_watched(bench: Bench) -> None:
    """A session that outgrows its disk is stopped."""
    with _writable(bench) as session:
        program = "import time\nfor n in range(99):\n    open(str(n), 'wb').write(b'x' * 2**20); time.sleep(0.1)"
        try:
            session.exec(Command(("python3", "-c", program), 60.0))
        except DiskExceeded:
            return
    raise CheckFailed("it wrote three times its disk")


def _writable(bench: Bench) -> Session:
    spec = dataclasses.replace(bench.session_spec, writable_root=True)
    return bench.backend.open_session(spec, bench.image)


def _exec(session: Session, text: str) -> bytes:
    return session.exec(Command(("python3", "-c", text), SECONDS)).stdout


def _archive(folder: Path, member: str) -> Path:
    path = folder / "archive.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    return path


def _refused(action: Callable[[], object]) -> None:
    try:
        action()
    except TransferRefused:
        return
    raise CheckFailed("it was not refused")


CHECKS: list[Check] = [
    *named(
        "shell",
        [
            a_shell_keeps_its_state,
            a_shell_tells_exit_codes_and_streams,
            a_shell_survives_a_time_out,
            a_shell_that_ends_says_so,
        ],
    ),
    *named(
        "transfer",
        [
            a_file_goes_in_and_out,
            a_tree_goes_in_and_out,
            transfers_are_limited,
            links_and_devices_are_not_followed,
        ],
    ),
    *named(
        "snapshot",
        [
            a_snapshot_keeps_files_and_forks_go_their_own_way,
            a_reset_goes_back,
            disk_under_a_writable_root_is_watched,
        ],
    ),
]
