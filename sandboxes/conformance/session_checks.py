"""Commands in a session: how they end, what comes back, what they share and what they must not reach."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sandboxes.conformance import programs
from sandboxes.conformance.bench import Bench, Check, CheckFailed, expect, named
from sandboxes.session_api import Command, Stream
from schemas.errors import UsageError


def a_command_tells_its_exit_code(bench: Bench) -> None:
    """A command is ``finished`` with its exit code."""
    result = bench.python("raise SystemExit(7)")
    expect((result.status, result.exit_code) == ("finished", 7), f"{result.status}, {result.exit_code}")


def a_command_tells_its_signal(bench: Bench) -> None:
    """A command that dies of a signal is ``killed`` by it."""
    result = bench.python("import os; os.kill(os.getpid(), 15)")
    expect((result.status, result.signal) == ("killed", 15), f"{result.status}, {result.signal}")


def streams_come_back_apart(bench: Bench) -> None:
    """Standard output and error come back byte by byte, each by itself."""
    result = bench.python("import os; os.write(1, bytes(range(256))); os.write(2, b'err')")
    expect((result.stdout, result.stderr) == (bytes(range(256)), b"err"), f"{result.stdout!r}, {result.stderr!r}")


def input_directory_and_variables_are_given(bench: Bench) -> None:
    """Standard input, working directory and environment are the command's."""
    text = "import os, sys; print(sys.stdin.read(), os.getcwd(), os.environ['GIVEN'])"
    result = bench.python(text, stdin=b"in", cwd="/tmp", environment={"GIVEN": "x y"})  # noqa: S108 (the sandbox's)
    expect(result.stdout == b"in /tmp x y\n", f"{result.stdout!r} {result.stderr!r}")


def a_missing_program_is_told(bench: Bench) -> None:
    """What cannot be started is ``not_started``, and said."""
    result = bench.command("no-such-program")
    expect(
        result.status == "not_started" and b"no-such-program" in result.stderr, f"{result.status}: {result.stderr!r}"
    )


def a_time_out_kills_all(bench: Bench) -> None:
    """A time-out ends the command and all that it started, daemons included."""
    result = bench.python(programs.LEFT_SLEEPING + "time.sleep(61)", seconds=1.0)
    expect(result.status == "timeout", f"it ended as {result.status}")
    expect(_running(bench) == b"[]\n", "processes are left")


def what_a_command_leaves_is_swept(bench: Bench) -> None:
    """What a command leaves running is killed at its end, and counted."""
    result = bench.python(programs.LEFT_SLEEPING)
    expect(result.status == "finished" and result.swept >= 1, f"{result.status}, {result.swept} swept")
    expect(_running(bench) == b"[]\n", "a process is left")


def _running(bench: Bench) -> bytes:
    """Return the sleeping Pythons of the sandbox beside the one that looks."""
    return bench.python(programs.SLEEPERS).stdout


def output_beyond_the_cap_is_counted(bench: Bench) -> None:
    """Output beyond ``output_bytes`` is dropped and counted, and does not stop the command."""
    result = bench.python("print('x' * 99_999); raise SystemExit(3)", output_bytes=1000)
    found = (result.exit_code, len(result.stdout), result.stdout_dropped)
    expect(found == (3, 1000, 99_000), f"exit code, kept, dropped: {found}")


def output_streams(bench: Bench) -> None:
    """Output is seen as it comes, before the command ends."""
    seen: list[tuple[Stream, bytes, float]] = []
    text = "import sys, time; print('early', flush=True); time.sleep(1.5); print('late')"
    command = Command(("python3", "-c", text), 30.0)
    bench.session.exec(command, on_output=lambda stream, data: seen.append((stream, data, time.monotonic())))
    expect(b"".join(data for _, data, _ in seen) == b"early\nlate\n", f"seen: {seen}")
    expect(seen[-1][2] - seen[0][2] > 1.0, "all came at the end")


def files_stay_between_commands(bench: Bench) -> None:
    """What one command writes, the next reads."""
    bench.python("open('kept', 'w').write('here')")
    expect(bench.python("print(open('kept').read())").stdout == b"here\n", "the file is gone")


def commands_run_side_by_side(bench: Bench) -> None:
    """Two commands run at a time, each with its own output."""
    text = "import time, sys; a = time.monotonic(); time.sleep(1); print(a, time.monotonic(), sys.argv[1])"
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda n: bench.command("python3", "-c", text, n).stdout.split(), ["one", "two"]))
    expect([each[2] for each in found] == [b"one", b"two"], f"outputs: {found}")
    expect(max(float(one[0]) for one in found) < min(float(one[1]) for one in found), "one waited for the other")


def commands_reach_no_network(bench: Bench) -> None:
    """A session has no network unless it was asked for."""
    result = bench.python("import socket; socket.create_connection(('192.0.2.1', 80), 2)")
    expect(result.exit_code == 1 and b"OSError" in result.stderr, f"{result.exit_code}: {result.stderr[-200:]!r}")


def commands_are_nobody(bench: Bench) -> None:
    """A command has the user that it was given and no capability, as root too."""
    expect(bench.python(programs.RIGHTS).stdout == b"1000 0\n", "the default user is not 1000 without capabilities")


def memory_of_a_session_is_limited(bench: Bench) -> None:
    """Memory beyond the session's is ``out_of_memory``."""
    result = bench.python("held = []\nwhile True: held.append(bytearray(b'x' * 8_000_000))", seconds=30.0)
    expect(result.status == "out_of_memory", f"it ended as {result.status}")
    expect(bench.python("print(1)").stdout == b"1\n", "the next command failed")


def disk_of_a_session_is_limited(bench: Bench) -> None:
    """Files beyond the session's disk are refused."""
    most = bench.session_spec.disk_bytes
    result = bench.python(f"open('large', 'wb').write(b'x' * {2 * most})", seconds=60.0, memory_bytes=None)
    bench.python("import os; os.path.exists('large') and os.remove('large')")
    expect(result.exit_code != 0, "twice the disk was written")


def processes_of_a_session_are_limited(bench: Bench) -> None:
    """A fork bomb meets a limit."""
    made = int(bench.python(programs.FORKS, seconds=30.0).stdout or b"500")
    expect(made < bench.session_spec.processes, f"{made} processes were made")


def closing_ends_commands(bench: Bench) -> None:
    """``close`` ends what runs, and a closed session says that it is closed."""
    ended: list[Exception] = []

    def stay() -> None:
        try:
            session.exec(Command(("python3", "-c", "import time; time.sleep(60)"), 60.0))
        except Exception as error:  # whatever it is: the caller was told
            ended.append(error)

    session = bench.backend.open_session(bench.session_spec, bench.image)
    waiter = threading.Thread(target=stay)
    waiter.start()
    time.sleep(1)
    session.close()
    waiter.join(30)
    session.close()
    expect(ended, "the running command was not told")
    try:
        session.exec(Command(("python3", "-c", "1"), 5.0))
    except UsageError:
        return
    raise CheckFailed("a closed session took a command")


CHECKS: list[Check] = named(
    "session",
    [
        a_command_tells_its_exit_code,
        a_command_tells_its_signal,
        streams_come_back_apart,
        input_directory_and_variables_are_given,
        a_missing_program_is_told,
        a_time_out_kills_all,
        what_a_command_leaves_is_swept,
        output_beyond_the_cap_is_counted,
        output_streams,
        files_stay_between_commands,
        commands_run_side_by_side,
        commands_reach_no_network,
        commands_are_nobody,
        memory_of_a_session_is_limited,
        disk_of_a_session_is_limited,
        processes_of_a_session_are_limited,
        closing_ends_commands,
    ],
)
