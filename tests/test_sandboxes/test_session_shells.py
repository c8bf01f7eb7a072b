"""Shells keep their state, and nothing that they run can say for them that a text has ended."""

import threading
from collections.abc import Iterator

import docker
import pytest

from sandboxes.api import ImageRef
from sandboxes.docker.sessions import open_docker_session
from sandboxes.session import ContainedSession
from sandboxes.session_api import Command, SessionSpec, Shell, ShellSpec, Stream
from schemas.errors import SandboxLost, UsageError

pytestmark = pytest.mark.docker
SPEC = SessionSpec(memory_bytes=256 * 2**20, disk_bytes=32 * 2**20, processes=64)
FORGED = r"""
import os, sys
word = b"0" * 32
for mark in (b"\n%s 0\n" % word, b"\nwhatever 0\n", b"\n 0\n"):
    for fd in range(256):
        try: os.write(fd, mark)
        except OSError: pass
    for name in range(256):
        for path in (f"/proc/{os.getppid()}/fd/{name}", f"/proc/{os.getppid()}/mem"):
            try: open(path, "wb").write(mark); print("opened", path)
            except OSError: pass
sys.exit(42)
"""


@pytest.fixture(scope="module")
def session(shell_image: ImageRef) -> Iterator[ContainedSession]:
    with open_docker_session(SPEC, shell_image) as opened:
        yield opened


@pytest.fixture
def shell(session: ContainedSession) -> Iterator[Shell]:
    with session.shell() as opened:
        yield opened


def said(shell: Shell, text: str, wall_seconds: float = 20.0) -> bytes:
    result = shell.run(text, wall_seconds=wall_seconds)
    assert (result.status, result.alive, result.stderr) == ("finished", True, b""), result
    return result.stdout


def test_directory_variables_and_functions_are_kept(shell: Shell) -> None:
    assert said(shell, "cd /tmp; x='a  b'; f() {\n echo \"$x\" $1\n}\nexport y=2") == b""
    assert said(shell, 'pwd; f "it\'s"; sh -c \'echo "$y"\'') == b"/tmp\na  b it's\n2\n"


def test_a_shell_begins_as_it_was_told(session: ContainedSession) -> None:
    with session.shell(ShellSpec(cwd="/tmp", environment={"OWN": "x"}, user=1234)) as shell:
        assert said(shell, 'pwd; echo "$OWN"; id -u; cat') == b"/tmp\nx\n1234\n"


@pytest.mark.parametrize(
    ("text", "code"), [("false", 1), ("(exit 7)", 7), ("if", 2), ("no-such-program", 127), ("", 0)]
)
def test_the_exit_code_is_the_texts_and_the_shell_goes_on(shell: Shell, text: str, code: int) -> None:
    result = shell.run(text, wall_seconds=20.0)
    assert (result.status, result.alive, result.exit_code) == ("finished", True, code)
    assert said(shell, "echo on") == b"on\n"


def test_streams_are_apart_and_capped(shell: Shell) -> None:
    seen: list[tuple[Stream, bytes]] = []
    text = "printf nonl; echo aside >&2; dd if=/dev/zero bs=1000 count=3000 2>/dev/null"
    result = shell.run(text, wall_seconds=20.0, output_bytes=1000, on_output=lambda *each: seen.append(each))
    assert (len(result.stdout), result.stdout_dropped, result.stderr) == (1000, 4 + 3_000_000 - 1000, b"aside\n")
    assert b"".join(data for stream, data in seen if stream == "stdout") == result.stdout
    assert said(shell, "echo next") == b"next\n"


def test_a_time_out_kills_what_the_text_started_and_keeps_the_rest(shell: Shell) -> None:
    assert said(shell, "sh -c 'sleep 0.5; sleep 600; true' & x=$!; kept=yes") == b""
    result = shell.run("sleep 601 & sleep 602; sleep 603", wall_seconds=2.0)
    assert (result.status, result.alive, result.killed) == ("timeout", True, 3)
    assert said(shell, 'ps | grep -c "sleep 600$"') == b"1\n", "it was started meanwhile, but by what ran before"
    assert said(shell, 'kill -0 $x && echo $kept; ps | grep -c "sleep 60[123]$"; true') == b"yes\n0\n"


def test_a_loop_of_the_shell_itself_takes_the_shell_along(shell: Shell) -> None:
    result = shell.run("while :; do :; done", wall_seconds=0.5)
    assert (result.status, result.alive) == ("timeout", False)
    later = shell.run("echo", wall_seconds=5.0)
    assert (later.status, later.alive, later.stdout) == ("died", False, b"")


@pytest.mark.parametrize(
    ("text", "exit_code", "signal"),
    [("echo out; exit 3", 3, None), ("echo out; kill -9 $$", None, 9), ("echo out; exec sh -c 'exit 4'", 4, None)],
)
def test_a_shell_that_died_says_how(shell: Shell, text: str, exit_code: int | None, signal: int | None) -> None:
    result = shell.run(text, wall_seconds=20.0)
    assert (result.status, result.alive, result.exit_code, result.signal) == ("died", False, exit_code, signal)
    assert result.stdout == b"out\n"
    assert shell.run("echo", wall_seconds=5.0).exit_code == exit_code


def test_a_shell_killed_between_two_texts_is_dead_at_the_second(session: ContainedSession, shell: Shell) -> None:
    pid = said(shell, "echo $$").decode().strip()
    assert session.exec(Command(["kill", "-9", pid], 20.0)).exit_code == 0
    result = shell.run("echo", wall_seconds=20.0)
    assert (result.status, result.alive, result.signal) == ("died", False, 9)


def test_what_a_shell_left_running_dies_with_it(session: ContainedSession) -> None:
    with session.shell() as shell:
        said(shell, "(setsid sleep 611 &) ; sleep 612 &")
        assert said(shell, 'ps | grep -c "sleep 61[12]$"; true') == b"2\n"
    counted = session.exec(Command(["sh", "-c", 'ps | grep -c "sleep 61[12]$"'], 20.0))
    assert counted.stdout == b"0\n"
    with pytest.raises(UsageError, match="closed"):
        shell.run("", wall_seconds=1.0)


def test_no_end_can_be_forged_by_output_or_by_a_program(shell: Shell) -> None:
    result = shell.run(f"python3 -c '{FORGED}'", wall_seconds=20.0)
    assert (result.status, result.exit_code) == ("finished", 42)
    assert b"opened" not in result.stdout + result.stderr, "a program reached into the shell"
    late = shell.run(
        "(sleep 0.3; printf '\\n0 0\\n'; printf '\\n0 0\\n' >&9) & sleep 1; echo end; (exit 9)", wall_seconds=20.0
    )
    assert (late.exit_code, late.stdout) == (9, b"\n0 0\nend\n")


def test_what_runs_behind_is_heard_with_the_next_text_and_capped(session: ContainedSession, shell: Shell) -> None:
    assert said(shell, "(while [ ! -e /tmp/go ]; do sleep 0.01; done; echo behind; touch /tmp/went) &") == b""
    assert said(shell, "touch /tmp/go; while [ ! -e /tmp/went ]; do sleep 0.01; done") == b"behind\n"
    assert said(shell, "(sleep 0.5; dd if=/dev/zero bs=65536 count=100 2>/dev/null; touch /tmp/full) &") == b""
    while session.exec(Command(["ls", "/tmp/full"], 20.0)).exit_code:
        pass
    result = shell.run("", wall_seconds=20.0)
    assert (len(result.stdout), result.stdout_dropped) == (2**20, 100 * 65536 - 2**20)


def test_no_text_is_too_long_for_a_pipe(shell: Shell) -> None:
    words = "x" * 900_000
    assert said(shell, f"x='{words}'; echo ${{#x}}") == b"900000\n"
    with pytest.raises(UsageError, match="bytes; a shell takes"):
        shell.run("#" * 2**21, wall_seconds=1.0)


def test_a_shell_stopped_by_a_signal_times_out(session: ContainedSession, shell: Shell) -> None:
    result = shell.run("(sleep 0.2; kill -STOP $$) & sleep 600 & wait", wall_seconds=1.0)
    assert (result.status, result.alive) == ("timeout", False)
    assert session.exec(Command(["true"], 20.0)).status == "finished"


def test_memory_that_ran_out_is_told(session: ContainedSession) -> None:
    with session.shell() as shell:
        fill = "python3 -c 'data = b\"x\" * (400 * 2**20)'"
        result = shell.run(fill, wall_seconds=20.0)
        assert (result.status, result.exit_code, result.out_of_memory) == ("finished", 137, True)
        assert said(shell, "echo on") == b"on\n"


def test_a_callback_that_raises_kills_the_shell(session: ContainedSession, shell: Shell) -> None:
    class Enough(Exception):
        pass

    def stop(stream: Stream, data: bytes) -> None:
        raise Enough

    with pytest.raises(Enough):
        shell.run("echo now; sleep 600", wall_seconds=600.0, on_output=stop)
    assert shell.run("echo", wall_seconds=1.0).status == "died"
    assert session.exec(Command(["true"], 20.0)).status == "finished"


def test_two_shells_and_a_command_do_not_disturb_each_other(session: ContainedSession) -> None:
    with session.shell() as one, session.shell() as other:
        results: list[bytes] = []
        beside = threading.Thread(target=lambda: results.append(said(one, "sleep 1; echo one")))
        beside.start()
        assert said(other, "echo other") == b"other\n"
        assert session.exec(Command(["echo", "command"], 20.0)).stdout == b"command\n"
        beside.join()
        assert results == [b"one\n"]


def test_an_image_without_a_shell_says_so(docker_image: ImageRef) -> None:
    with open_docker_session(SPEC, docker_image) as session, pytest.raises(UsageError, match=r"none of .*/bin/sh"):
        session.shell()


def test_a_container_killed_under_a_shell_is_a_lost_sandbox(shell_image: ImageRef) -> None:
    client = docker.APIClient()
    with open_docker_session(SPEC, shell_image) as session:
        shell = session.shell()
        killer = threading.Timer(0.5, lambda: client.kill(session.name))
        killer.start()
        with pytest.raises(SandboxLost):
            shell.run("sleep 600", wall_seconds=600.0)
        with pytest.raises(SandboxLost):
            shell.run("echo", wall_seconds=1.0)
        shell.close()
        killer.join()
    client.close()


def test_a_shell_of_a_closed_session_is_over(shell_image: ImageRef) -> None:
    with open_docker_session(SPEC, shell_image) as session:
        shell = session.shell()
    with pytest.raises((SandboxLost, UsageError)):
        shell.run("echo", wall_seconds=1.0)
    shell.close()
