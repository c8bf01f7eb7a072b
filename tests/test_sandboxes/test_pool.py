"""What every backend does with a job, on real pools."""

import dataclasses
import signal
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox_jobs import run, says, works

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool, PoolJob, PoolSpec
from sandboxes.guest.channel import RESULT_LOST
from schemas.errors import StartFailed, UsageError


def test_result_and_both_streams_come_back(pool: Pool) -> None:
    outcome = run(
        pool,
        "import os, sys\n"
        "channel.write(b'one'); channel.write(b''); channel.write(bytes([0, 255]))\n"
        "print('out', end=''); print('err', end='', file=sys.stderr); os.write(2, b'!')",
    )
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("finished", 0, None)
    assert outcome.result == b"one\0\xff"
    assert outcome.stdout == b"out"
    assert sorted(outcome.stderr) == sorted(b"err!")
    assert outcome.max_rss_bytes > 2**20
    assert outcome.wall_seconds > 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=3000))
def test_any_bytes_survive_the_round_trip(pool: Pool, payload: bytes) -> None:
    outcome = run(pool, f"data = {payload!r}\nimport os\nchannel.write(data); os.write(1, data)")
    assert (outcome.result, outcome.stdout) == (payload, payload)


def test_output_is_seekable_and_what_was_taken_is_not_reported(pool: Pool) -> None:
    outcome = run(
        pool,
        "import os\n"
        "os.write(1, b'taken')\n"
        "channel.write(os.pread(1, 100, 0)); os.ftruncate(1, 0)\n"
        "os.write(1, b'left')",
    )
    assert (outcome.result, outcome.stdout) == (b"taken", b"left")


def test_what_was_written_survives_the_programs_own_exit(pool: Pool) -> None:
    outcome = run(pool, "import os\nchannel.write(b'before')\nos._exit(7)")
    assert (outcome.status, outcome.exit_code, outcome.result) == ("finished", 7, b"before")


def test_what_was_written_survives_a_signal(pool: Pool) -> None:
    outcome = run(pool, "import os, signal\nchannel.write(b'before')\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert (outcome.status, outcome.signal, outcome.exit_code) == ("killed", signal.SIGSEGV, None)
    assert outcome.result == b"before"


def test_an_exception_of_the_guest_is_its_fault_with_its_traceback(pool: Pool) -> None:
    outcome = run(pool, "raise KeyError('lost')")
    assert (outcome.status, outcome.exit_code) == ("guest_fault", 1)
    assert b"KeyError: 'lost'" in outcome.stderr


def test_the_guests_deadline_ends_the_job(pool: Pool) -> None:
    outcome = run(pool, "channel.write(b'x')\nchannel.set_deadline(0.2)\nwhile True: pass", wall_seconds=30)
    assert (outcome.status, outcome.result) == ("timeout", b"x")
    assert outcome.wall_seconds < 20


def test_a_deadline_can_be_moved_back_and_ends_at_the_wall_limit(pool: Pool) -> None:
    moved = run(pool, "import time\nchannel.set_deadline(0.3)\nchannel.set_deadline(60)\ntime.sleep(0.6)")
    assert moved.status == "finished"
    assert run(pool, "channel.set_deadline(1e9)\nwhile True: pass", wall_seconds=0.4).status == "timeout"


def test_a_call_that_holds_the_interpreter_is_killed_too(pool: Pool) -> None:
    assert run(pool, "'x'.join(iter(str, None))", wall_seconds=0.4).status == "timeout"
    assert run(pool, "sum(iter(int, 1))", wall_seconds=0.4).status == "timeout"
    assert works(pool)


def test_a_program_that_blocks_every_signal_and_stops_itself_is_killed(pool: Pool) -> None:
    text = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "os.killpg(os.getpgrp(), signal.SIGSTOP)\nwhile True: pass"
    )
    assert run(pool, text, wall_seconds=0.4).status == "timeout"


def test_a_result_over_the_limit_ends_the_job(pool: Pool) -> None:
    outcome = run(pool, "while True: channel.write(b'x' * 65536)")
    assert outcome.status == "output_limit"
    assert len(outcome.result) == 2**20
    exact = run(pool, f"channel.write(b'x' * {2**20})")
    assert (exact.status, len(exact.result)) == ("finished", 2**20)


def test_a_flood_on_stdout_is_an_output_limit(pool: Pool) -> None:
    outcome = run(pool, "import os\nwhile True: os.write(1, b'x' * 65536)")
    assert outcome.status == "output_limit"
    assert outcome.stdout == b"x" * 2**20
    assert works(pool)


def test_a_program_that_closes_every_descriptor_loses_only_what_follows(pool: Pool) -> None:
    closing = "import os\nchannel.write(b'before')\nos.closerange(0, 1000)\n"
    outcome = run(pool, closing + "channel.write(b'after')")
    assert (outcome.status, outcome.result) == ("guest_fault", b"before")
    # Another file now has the number of the result's descriptor: nothing may be written into it.
    reopened = "for _ in range(255): os.open('file', os.O_CREAT | os.O_RDWR)\nchannel.write(b'after')"
    outcome = run(pool, closing + reopened)
    assert (outcome.status, outcome.exit_code, outcome.result) == ("guest_fault", RESULT_LOST, b"before")
    assert works(pool)


def test_another_file_in_the_results_place_gets_nothing(pool: Pool) -> None:
    other = "import os\nfile = os.open('file', os.O_CREAT | os.O_RDWR)\nos.dup2(file, 250)\nchannel.write(b'first')"
    outcome = run(pool, other)
    assert (outcome.status, outcome.exit_code, outcome.result) == ("guest_fault", RESULT_LOST, b"")
    assert works(pool)


def test_a_program_that_moves_in_its_result_loses_nothing(pool: Pool) -> None:
    outcome = run(pool, "import os\nchannel.write(b'before')\nos.lseek(250, 2, 0)\nchannel.write(b'after')")
    assert (outcome.status, outcome.result) == ("finished", b"beforeafter")


def test_forks_of_the_program_cannot_write_into_its_result(pool: Pool) -> None:
    outcome = run(
        pool, "import os\npid = os.fork()\nchannel.write(b'c' if not pid else b'p')\npid and os.waitpid(pid, 0)"
    )
    assert outcome.result == b"p"


def test_address_space_is_limited_on_demand(pool: Pool) -> None:
    outcome = run(pool, "x = bytearray(1 << 29)", memory_bytes=300 * 2**20)
    assert outcome.exit_code == 1
    assert b"MemoryError" in outcome.stderr


def test_a_daemon_left_behind_is_killed(pool: Pool) -> None:
    started = says(
        pool,
        "os.read(told, 20).decode()",
        "import os, time\n"
        "told, tell = os.pipe()\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.write(tell, str(os.getpid()).encode())\n"
        "    time.sleep(100)",
    )
    assert says(pool, f"os.path.exists('/proc/{started}/root')", "import os") == "False"


@pytest.mark.parametrize("kind", ["deep", "locked", "links"])
def test_the_jobs_directory_is_emptied_whatever_is_in_it(pool: Pool, kind: str) -> None:
    makers = {
        "deep": "for _ in range(1500):\n    os.mkdir('d'); os.chdir('d')",
        "locked": "os.makedirs('a/b/c'); open('a/b/f', 'w').close(); os.chmod('a/b', 0); os.chmod('a', 0)",
        "links": "os.symlink('/', 'root'); os.mkfifo('pipe'); os.mkdir('~0'); os.symlink('..', '~0/up')",
    }
    retired = dict(pool.statistics.retired)
    made = run(pool, f"import os\n{makers[kind]}")
    assert (made.status, made.exit_code) == ("finished", 0), made
    assert says(pool, "os.listdir('.')", "import os") == "[]"
    assert pool.statistics.retired == retired


def test_a_job_starts_clean(pool: Pool) -> None:
    assert says(pool, "os.getcwd() == os.environ['HOME'] == os.environ['TMPDIR']", "import os") == "True"
    assert says(pool, "[e for e in sys.path if not e or not os.path.isabs(e)]", "import os, sys") == "[]"
    assert says(pool, "os.open('/dev/null', 0)", "import os") == "3"
    assert says(pool, "(sys.stdin.read(), input.__name__)", "import sys") == "('', 'input')"
    assert says(pool, "sorted(vars(__import__('__main__')))").count("main") == 0
    assert says(pool, "signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL", "import signal") == "True"
    assert says(pool, "gc.isenabled()", "import gc") == "True"


def test_nothing_of_ours_can_be_imported(pool: Pool) -> None:
    for name in ("_tracegen_sandbox.bootstrap", "sandboxes", "tracegen", "schemas"):
        outcome = run(pool, f"import {name}")
        assert b"ModuleNotFoundError" in outcome.stderr, (name, outcome)


def test_a_fresh_sandbox_has_run_nothing(spec: PoolSpec, process_image: ImageRef) -> None:
    with open_pool("process", spec, process_image) as pool:
        server = says(pool, "os.getppid()", "import os")
        assert says(pool, "os.getppid()", "import os") == server
        fresh = pool.run(PoolJob(b"import os\nchannel.write(str(os.getppid()).encode())", 10), fresh=True)
        assert fresh.result.decode() != server
        assert pool.statistics.retired == {"fresh": 1}
        assert says(pool, "os.getppid()", "import os") == fresh.result.decode()


def test_a_sandbox_is_replaced_when_it_has_done_its_jobs(spec: PoolSpec, process_image: ImageRef) -> None:
    with open_pool("process", dataclasses.replace(spec, jobs_per_sandbox=2), process_image) as pool:
        servers = [says(pool, "os.getppid()", "import os") for _ in range(5)]
    assert [servers.index(each) for each in servers] == [0, 0, 2, 2, 4]
    assert pool.statistics.retired == {"worn": 2}


@pytest.mark.parametrize("seed", [0, 1, 4294967295])
def test_the_hash_seed_is_honoured(spec: PoolSpec, process_image: ImageRef, seed: int) -> None:
    with open_pool("process", dataclasses.replace(spec, hash_seed=seed), process_image) as pool:
        first = says(pool, "hash('tracegen')")
        # The environment that programs see is the same in every sandbox.
        assert says(pool, "os.environ['PYTHONHASHSEED']", "import os") == "0"
    with open_pool("process", dataclasses.replace(spec, hash_seed=seed), process_image) as pool:
        assert says(pool, "hash('tracegen')") == first
    with open_pool("process", dataclasses.replace(spec, hash_seed=7), process_image) as pool:
        assert says(pool, "hash('tracegen')") != first


def test_map_keeps_the_order_and_the_number(spec: PoolSpec, process_image: ImageRef) -> None:
    jobs = [
        PoolJob(f"import time\ntime.sleep({(7 - n) % 3} / 20)\nchannel.write(b'{n}')".encode(), 10) for n in range(8)
    ]
    with open_pool("process", spec, process_image, size=2) as pool:
        assert [outcome.result for outcome in pool.map(iter(jobs))] == [b"%d" % n for n in range(8)]
        assert pool.statistics.sandboxes_started == 2


def test_a_pool_serves_more_threads_than_it_has_sandboxes(spec: PoolSpec, process_image: ImageRef) -> None:
    results: list[str] = []
    with open_pool("process", spec, process_image, size=2) as pool:
        threads = [threading.Thread(target=lambda: results.append(says(pool, "1"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pool.statistics.sandboxes_started <= 2
    assert results == ["1"] * 6


def test_the_environment_of_the_driver_stays_outside(
    spec: PoolSpec, process_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    with open_pool("process", spec, process_image) as pool:
        assert says(pool, "'SECRET_KEY' in os.environ", "import os") == "False"


def test_a_guest_that_cannot_be_imported_says_why(spec: PoolSpec, process_image: ImageRef) -> None:
    with pytest.raises(StartFailed, match=r"No module named '_test_guest\.elsewhere'"):
        open_pool("process", dataclasses.replace(spec, entry="_test_guest.elsewhere:run"), process_image)


def test_wrong_arguments_are_named(spec: PoolSpec, process_image: ImageRef) -> None:
    with pytest.raises(UsageError, match=r"'podmen'; there are: docker, .*process"):
        open_pool("podmen", spec, process_image)
    with pytest.raises(UsageError, match="no base image"):
        resolve_image("process", base="python:3.11-slim")
    with pytest.raises(UsageError, match=r"no Python 4\.7"):
        resolve_image("process", python="4.7")
    with pytest.raises(UsageError, match="at least 1"):
        open_pool("process", spec, process_image, size=0)
    with open_pool("process", spec, process_image) as pool:
        for wall in (0.0, float("nan"), float("inf")):
            with pytest.raises(UsageError, match="wall_seconds"):
                pool.run(PoolJob(b"", wall))
    with pytest.raises(UsageError, match="closed"):
        pool.run(PoolJob(b"", 1))


def test_the_process_image_says_what_a_program_can_see(process_image: ImageRef) -> None:
    assert process_image.reference == ""
    assert process_image.executable == sys.executable
    assert process_image.python == ".".join(map(str, sys.version_info[:3]))
