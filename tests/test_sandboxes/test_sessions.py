"""Sessions: commands end when they should, with all that they started, and say how."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sandboxes.api import ImageRef
from sandboxes.docker.sessions import open_docker_session
from sandboxes.session import ContainedSession
from sandboxes.session_api import Command, CommandResult, SessionSpec, Stream
from schemas.errors import BackendCannot, LimitUnsupported, SandboxLost, UsageError

pytestmark = pytest.mark.docker
SPEC = SessionSpec(memory_bytes=256 * 2**20, disk_bytes=32 * 2**20, processes=64, environment={"GIVEN": "session"})
SLEEPERS = """
import os
found = [p for p in os.listdir('/proc') if p.isdigit() and b'sleeper' in open(f'/proc/{p}/cmdline', 'rb').read()]
print(len(found))
"""
DAEMON = """
import os, sys, time
if not os.fork():
    os.setsid()
    if os.fork(): os._exit(0)
    os.closerange(0, 3)
    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', 'sleeper'])
os.wait()
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def session(docker_image: ImageRef) -> Iterator[ContainedSession]:
    with open_docker_session(SPEC, docker_image) as opened:
        yield opened


def python(text: str, *arguments: str, wall_seconds: float = 20.0, **rest: object) -> Command:
    return Command(["python3", "-c", text, *arguments], wall_seconds, **rest)  # type: ignore[arg-type]


def sleepers(session: ContainedSession) -> int:
    text = SLEEPERS.replace("sleeper'", "sleep' b'er'")  # this text is on its own command line
    return int(session.exec(python(text)).stdout)


def test_a_command_gets_what_it_was_given(session: ContainedSession) -> None:
    text = (
        "import os, sys; print(os.getuid(), os.getcwd(), os.environ['GIVEN'], os.environ['OWN'], sys.stdin.read());"
        " sys.stderr.write('aside'); sys.exit(7)"
    )
    result = session.exec(python(text, user=1234, cwd="/tmp", environment={"OWN": "x"}, stdin=b"typed"))
    assert (result.status, result.exit_code, result.stdout, result.stderr) == (
        "finished",
        7,
        b"1234 /tmp session x typed\n",
        b"aside",
    )


@pytest.mark.parametrize("user", [0, 1000])
def test_a_command_has_no_capability(session: ContainedSession, user: int) -> None:
    text = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('CapEff', 'CapPrm'))])"
    assert session.exec(python(text, user=user)).stdout == b"['0000000000000000', '0000000000000000']\n"


def test_a_command_that_cannot_start_says_why(session: ContainedSession) -> None:
    missing = session.exec(Command(["no-such-program"], 5.0))
    nowhere = session.exec(python("", cwd="/nowhere"))
    assert (missing.status, nowhere.status) == ("not_started", "not_started")
    assert b"no-such-program" in missing.stderr or b"No such file" in missing.stderr
    assert b"/nowhere" in nowhere.stderr
    assert session.exec(python("raise SystemExit(127)")).status == "finished"


def test_a_time_out_kills_the_command_and_its_daemon(session: ContainedSession) -> None:
    result = session.exec(python(DAEMON, "600", wall_seconds=1.0))
    assert (result.status, result.exit_code, result.signal) == ("timeout", None, signal.SIGKILL)
    assert sleepers(session) == 0


def test_a_daemon_left_behind_is_swept_and_another_command_is_not(session: ContainedSession) -> None:
    results: list[CommandResult] = []
    beside = threading.Thread(
        target=lambda: results.append(session.exec(python("import sys; sys.stdin.read()\nimport time; time.sleep(2)")))
    )
    beside.start()
    result = session.exec(python(DAEMON, "0.2"))
    assert (result.status, result.exit_code, result.swept) == ("finished", 0, 1)
    assert sleepers(session) == 0
    beside.join()
    assert results[0].status == "finished"


def test_output_is_capped_counted_and_streamed(session: ContainedSession) -> None:
    seen: list[tuple[Stream, bytes]] = []
    text = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('y' * 10)"
    result = session.exec(python(text, output_bytes=1000), on_output=lambda *each: seen.append(each))
    assert (len(result.stdout), result.stdout_dropped) == (1000, 2_999_000)
    assert (result.stderr, result.stderr_dropped) == (b"y" * 10, 0)
    assert b"".join(data for stream, data in seen if stream == "stdout") == result.stdout


def test_output_comes_while_the_command_runs(session: ContainedSession) -> None:
    class Enough(Exception):
        pass

    def stop(stream: Stream, data: bytes) -> None:
        raise Enough

    with pytest.raises(Enough):
        session.exec(
            python("import time; print('now', flush=True); time.sleep(600)", wall_seconds=600.0), on_output=stop
        )
    assert session.exec(python("print(1)")).stdout == b"1\n"


def test_memory_is_limited_by_the_command_and_by_the_session(session: ContainedSession) -> None:
    fill = "data = b'x' * (400 * 2**20); print(len(data))"
    own = session.exec(python(fill, memory_bytes=200 * 2**20))
    assert b"MemoryError" in own.stderr
    assert session.exec(python(fill)).status == "out_of_memory"
    assert session.exec(python("print(1)")).stdout == b"1\n"


def test_only_the_work_directory_and_tmp_take_files_up_to_their_size(session: ContainedSession) -> None:
    text = (
        "import errno\n"
        "for path in ('/work/f', '/tmp/f', '/f', '/etc/f'):\n"
        "    try:\n"
        "        with open(path, 'wb') as file:\n"
        "            for _ in range(40): file.write(b'x' * 2**20)\n"
        "    except OSError as error: print(path, errno.errorcode[error.errno])\n"
        "import os; os.unlink('/work/f'); os.unlink('/tmp/f')"
    )
    result = session.exec(python(text))
    assert result.stdout == b"/work/f ENOSPC\n/tmp/f ENOSPC\n/f EROFS\n/etc/f EROFS\n", result


def test_a_killed_container_is_a_lost_sandbox(docker_image: ImageRef) -> None:
    client = docker.APIClient()
    with open_docker_session(SPEC, docker_image) as session:
        killer = threading.Timer(0.5, lambda: client.kill(session.name))
        killer.start()
        with pytest.raises(SandboxLost):
            session.exec(python("import time; time.sleep(600)", wall_seconds=600.0))
        with pytest.raises(SandboxLost):
            session.exec(python("print(1)"))
    client.close()


def test_closing_leaves_no_container(docker_image: ImageRef) -> None:
    client = docker.APIClient()
    session = open_docker_session(SPEC, docker_image)
    name = session.name
    session.close()
    session.close()
    assert [each for each in client.containers(all=True) if each["Id"].startswith(name)] == []
    with pytest.raises(UsageError, match="closed"):
        session.exec(python(""))
    client.close()


def test_a_killed_driver_leaves_no_container(docker_image: ImageRef) -> None:
    text = (
        "import sys, time\nfrom sandboxes.api import ImageRef\nfrom sandboxes.session_api import *\n"
        "from sandboxes.docker.sessions import open_docker_session\n"
        "session = open_docker_session(SessionSpec(memory_bytes=2**28, disk_bytes=2**25), ImageRef(*sys.argv[1:]))\n"
        "print(session.name, flush=True)\n"
        "session.exec(Command(['python3', '-c', 'import time; time.sleep(600)'], 600.0))"
    )
    arguments = [docker_image.reference, docker_image.digest, docker_image.python]
    client = docker.APIClient()
    with subprocess.Popen([sys.executable, "-c", text, *arguments], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        name = driver.stdout.readline().decode().strip()
        driver.kill()
    end = time.monotonic() + 10
    while left := [each for each in client.containers(all=True) if each["Id"].startswith(name)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    assert name
    client.close()


def test_an_unknown_runtime_is_refused_by_name(docker_image: ImageRef) -> None:
    with pytest.raises(LimitUnsupported, match=r"no runtime 'nonesuch'; it has: .*runc"):
        open_docker_session(SessionSpec(runtime="nonesuch"), docker_image)


@pytest.mark.parametrize("workdir", ["work", "/", "/tmp/x", "/a/../b", "/proc/x", "/a:b"])
def test_a_work_directory_that_is_not_plain_is_refused(docker_image: ImageRef, workdir: str) -> None:
    with pytest.raises(UsageError, match="workdir"):
        open_docker_session(SessionSpec(workdir=workdir), docker_image)


def test_the_documented_example_prints_what_it_says(
    docker_image: ImageRef, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (checkout / "docs" / "sessions.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(code, "docs/sessions.md", "exec"), {})
    assert capsys.readouterr().out.strip() == code.strip().rsplit("# ", 1)[1]


def test_a_daemon_is_there_to_be_counted_while_its_command_runs(session: ContainedSession) -> None:
    class Enough(Exception):
        pass

    found: list[int] = []

    def look(stream: Stream, data: bytes) -> None:
        found.append(sleepers(session))
        raise Enough

    text = DAEMON.replace("os.wait()", "os.wait(); time.sleep(0.5); print('up', flush=True)")
    with pytest.raises(Enough):
        session.exec(python(text, "600", wall_seconds=600.0), on_output=look)
    assert found == [2]  # the command, whose text has the word too, and its daemon


def test_what_a_session_cannot_do_is_refused_by_name(session: ContainedSession) -> None:
    assert "snapshot" not in session.abilities
    for deed in (session.snapshot, session.fork, session.reset):
        with pytest.raises(BackendCannot, match=f"does not offer {deed.__name__}"):
            deed()
