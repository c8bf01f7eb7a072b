"""Jobs: how they end, what comes back, what is cut, and how pools hand out sandboxes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sandboxes.api import PoolJob
from sandboxes.conformance import programs
from sandboxes.conformance.bench import RESULT, Bench, Check, CheckFailed, expect, job, named
from schemas.errors import SandboxLost, UsageError


def a_result_comes_back_byte_by_byte(bench: Bench) -> None:
    """What a job writes is returned unchanged, zero bytes and frame-like ones among it."""
    outcome = bench.run("channel.write(bytes(range(256)) * 40)\nchannel.write(b'\\0\\0\\0\\1\\x11')")
    expect(outcome.result == bytes(range(256)) * 40 + b"\0\0\0\1\x11", f"{len(outcome.result)} bytes came back")


def a_payload_of_megabytes_arrives(bench: Bench) -> None:
    """A payload of 5 MB reaches the job whole."""
    filler = "#" * 5_000_000
    outcome = bench.run(f"{filler}\nchannel.write(b'read')")
    expect(outcome.result == b"read", f"it ended as {outcome.status}")


def an_exit_code_is_told(bench: Bench) -> None:
    """A job that ends its process is ``finished`` with its exit code."""
    outcome = bench.run("import os; os._exit(7)")
    expect((outcome.status, outcome.exit_code) == ("finished", 7), f"{outcome.status}, exit code {outcome.exit_code}")


def a_signal_is_told(bench: Bench) -> None:
    """A job that dies of a signal is ``killed`` by it."""
    outcome = bench.run("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    expect((outcome.status, outcome.signal) == ("killed", 15), f"{outcome.status}, signal {outcome.signal}")


def a_crash_in_c_is_told(bench: Bench) -> None:
    """A segmentation fault ends the job alone."""
    outcome = bench.run("import ctypes; ctypes.string_at(0)")
    expect((outcome.status, outcome.signal) == ("killed", 11), f"{outcome.status}, signal {outcome.signal}")


def an_endless_loop_is_stopped(bench: Bench) -> None:
    """A job that does not end is a ``timeout``."""
    outcome = bench.run("while True: pass", seconds=0.5)
    expect(outcome.status == "timeout", f"it ended as {outcome.status}")


def an_endless_loop_in_c_is_stopped(bench: Bench) -> None:
    """So is one in C, where no Python signal handler runs."""
    outcome = bench.run("sum(iter(int, 1))", seconds=0.5)
    expect(outcome.status == "timeout", f"it ended as {outcome.status}")


def a_job_that_ignores_signals_is_stopped(bench: Bench) -> None:
    """So is one that blocks and ignores all it can."""
    text = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: time.sleep(9)"
    outcome = bench.run(text, seconds=0.5)
    expect(outcome.status == "timeout", f"it ended as {outcome.status}")


def a_jobs_own_deadline_holds(bench: Bench) -> None:
    """``set_deadline`` ends a job before its wall limit."""
    began = time.monotonic()
    outcome = bench.run("channel.set_deadline(0.3)\nwhile True: pass")
    took = time.monotonic() - began
    expect(outcome.status == "timeout" and took < 8, f"it ended as {outcome.status} after {took:.1f} s")


def what_was_written_survives_a_death(bench: Bench) -> None:
    """A result written before a kill comes back."""
    outcome = bench.run("channel.write(b'before'); import os; os.kill(os.getpid(), 9)")
    expect((outcome.status, outcome.result) == ("killed", b"before"), f"{outcome.status}, {outcome.result!r}")


def standard_streams_are_kept_apart(bench: Bench) -> None:
    """What goes to descriptors 1 and 2 comes back as ``stdout`` and ``stderr``, not in the result."""
    outcome = bench.run("import os; os.write(1, b'out'); os.write(2, b'err'); channel.write(b'result')")
    found = (outcome.stdout, outcome.stderr, outcome.result)
    expect(found == (b"out", b"err", b"result"), f"came back as {found}")


def standard_input_is_empty(bench: Bench) -> None:
    """A job that reads its input finds the end."""
    expect(bench.says("repr(sys.stdin.read())", "import sys") == "''", "the input is not empty")


def too_much_output_is_labelled(bench: Bench) -> None:
    """A stream that outgrows the limit is ``output_limit``."""
    outcome = bench.run(f"import os\nwhile True: os.write(1, b'x' * {RESULT // 4})")
    expect(outcome.status == "output_limit", f"it ended as {outcome.status}")


def too_large_a_result_is_labelled(bench: Bench) -> None:
    """So is a result that does."""
    outcome = bench.run(f"while True: channel.write(b'x' * {RESULT // 4})")
    expect(outcome.status == "output_limit", f"it ended as {outcome.status}")
    expect(len(outcome.result) <= RESULT, f"{len(outcome.result)} bytes came back")


def an_error_of_the_guest_is_told(bench: Bench) -> None:
    """An exception that leaves the guest is ``guest_fault``, with its traceback."""
    outcome = bench.run("raise KeyError('planned')")
    expect((outcome.status, b"planned" in outcome.stderr) == ("guest_fault", True), f"it ended as {outcome.status}")


def times_and_memory_are_measured(bench: Bench) -> None:
    """CPU time, wall time and memory of a busy job are told."""
    outcome = bench.run(programs.BUSY)
    expect(
        outcome.cpu_seconds >= 0.2 and outcome.wall_seconds >= 0.2, f"{outcome.cpu_seconds} s, {outcome.wall_seconds} s"
    )
    expect(outcome.max_rss_bytes > 50_000_000, f"{outcome.max_rss_bytes} bytes at most")


def address_space_is_limited(bench: Bench) -> None:
    """A job's own memory limit makes the allocation fail, and no more."""
    outcome = bench.run("try: x = bytearray(10**9)\nexcept MemoryError: channel.write(b'refused')", memory=400_000_000)
    expect(outcome.result == b"refused", f"it ended as {outcome.status}")


def every_job_starts_afresh(bench: Bench) -> None:
    """What a job does to modules, builtins and its environment is gone for the next."""
    bench.run("import builtins, json, os; builtins.left = json.left = 1; os.environ['LEFT'] = '1'")
    seen = bench.says(
        "(hasattr(builtins, 'left'), hasattr(json, 'left'), 'LEFT' in os.environ)", "import builtins, json, os"
    )
    expect(seen == "(False, False, False)", f"left over: {seen}")


def the_directory_is_empty_and_ones_own(bench: Bench) -> None:
    """A job's working directory is its home, takes files, and is empty again for the next."""
    setup = "import os; open('left', 'w').write('x'); os.makedirs('deep/er')"
    expect(bench.says("sorted(os.listdir())", setup) == "['deep', 'left']", "the directory takes no files")
    seen = bench.says("(os.listdir(), os.getcwd() == os.environ['HOME'])", "import os")
    expect(seen == "([], True)", f"left over: {seen}")


def daemons_are_swept(bench: Bench) -> None:
    """A process that left its session is dead when its job's outcome comes."""
    pid = int(bench.run(programs.DAEMON).result or b"0")
    expect(pid > 0, "no daemon was made")
    expect(bench.says(f"is_alive({pid})", programs.ALIVE) == "False", "it is still there")


def the_hash_seed_is_the_pools(bench: Bench) -> None:
    """``PYTHONHASHSEED`` is what the pool was made with, and jobs see the same environment everywhere."""
    with bench.another(hash_seed=1) as other:
        seen = {bench.says("hash('text')"), bench.says("hash('text')", pool=other)}
        expect(len(seen) == 2, "two seeds give one hash")
        texts = {bench.says("sorted(os.environ.items())", programs.PLACELESS, pool) for pool in (bench.pool, other)}
        expect(len(texts) == 1, "environments differ")


def another_python_path_is_not_searched(bench: Bench) -> None:
    """Neither the job's directory nor this checkout can be imported from."""
    seen = bench.says("[p for p in sys.path if p in ('', os.getcwd())]", "import os, sys")
    expect(seen == "[]", f"sys.path has {seen}")
    outcome = bench.run("import schemas")
    expect(b"ModuleNotFoundError" in outcome.stderr, "packages of ours can be imported")


def a_used_sandbox_is_kept_and_a_fresh_one_given(bench: Bench) -> None:
    """Jobs share a sandbox; ``fresh`` gives one that has run nothing."""
    with bench.another() as pool:
        pool.run(job("pass"))
        pool.run(job("pass"))
        before = pool.statistics.sandboxes_started
        pool.run(job("pass"), fresh=True)
        expect(
            (before, pool.statistics.sandboxes_started) == (1, 2), f"{before}, then {pool.statistics.sandboxes_started}"
        )


def a_worn_sandbox_is_replaced(bench: Bench) -> None:
    """After ``jobs_per_sandbox`` jobs another sandbox takes over."""
    with bench.another(jobs_per_sandbox=2) as pool:
        outcomes = [pool.run(job("pass")).status for _ in range(5)]
        started = pool.statistics.sandboxes_started
        expect(outcomes == ["finished"] * 5 and started == 3, f"{started} sandboxes for 5 jobs of 2 each")


def map_gives_one_outcome_a_job_in_order(bench: Bench) -> None:
    """``map`` answers every job once, in order, also around those that die."""
    texts = [f"channel.write(b'{n}')" if n % 3 else "import os; os.kill(os.getpid(), 9)" for n in range(9)]
    found = [(one.status, one.result) for one in bench.pool.map(job(text) for text in texts)]
    wanted = [("finished", str(n).encode()) if n % 3 else ("killed", b"") for n in range(9)]
    expect(found == wanted, f"came back as {found}")


def two_sandboxes_work_side_by_side(bench: Bench) -> None:
    """A pool of two runs two jobs at a time."""
    text = "import time; a = time.monotonic(); time.sleep(1.5); channel.write(f'{a} {time.monotonic()}'.encode())"
    with bench.another(size=2) as pool, ThreadPoolExecutor(2) as threads:
        list(threads.map(pool.run, [job("import time; time.sleep(1)")] * 2))  # both have started after this
        spans = [[float(part) for part in one.result.split()] for one in threads.map(pool.run, [job(text)] * 2)]
    expect(max(start for start, _ in spans) < min(end for _, end in spans), "one waited for the other")


def many_callers_are_served(bench: Bench) -> None:
    """Eight threads on one sandbox each get their own outcome."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: bench.pool.run(job(f"channel.write(b'{n}')")).result, range(24)))
    expect(found == [str(n).encode() for n in range(24)], "outcomes were mixed up")


def closing_ends_what_runs(bench: Bench) -> None:
    """``close`` ends a running job with ``SandboxLost``, and a closed pool says that it is closed."""
    raised: list[Exception] = []

    def stay() -> None:
        try:
            pool.run(job("import time; time.sleep(60)", seconds=60))
        except SandboxLost as error:
            raised.append(error)

    with bench.another() as pool:
        waiter = threading.Thread(target=stay)
        waiter.start()
        time.sleep(1)
        pool.close()
        waiter.join(30)
        pool.close()
        expect(raised, "the running job was not told")
        try:
            pool.run(job("pass"))
        except UsageError:
            return
    raise CheckFailed("a closed pool took a job")


def impossible_orders_are_refused(bench: Bench) -> None:
    """A job without time and a pool without memory are ``UsageError``."""
    try:
        bench.pool.run(PoolJob(b"", 0.0))
    except UsageError:
        try:
            with bench.another(memory_bytes=0):
                raise CheckFailed("a pool without memory was opened")
        except UsageError:
            return
    raise CheckFailed("a job without time was run")


CHECKS: list[Check] = named(
    "pool",
    [
        a_result_comes_back_byte_by_byte,
        a_payload_of_megabytes_arrives,
        an_exit_code_is_told,
        a_signal_is_told,
        a_crash_in_c_is_told,
        an_endless_loop_is_stopped,
        an_endless_loop_in_c_is_stopped,
        a_job_that_ignores_signals_is_stopped,
        a_jobs_own_deadline_holds,
        what_was_written_survives_a_death,
        standard_streams_are_kept_apart,
        standard_input_is_empty,
        too_much_output_is_labelled,
        too_large_a_result_is_labelled,
        an_error_of_the_guest_is_told,
        times_and_memory_are_measured,
        address_space_is_limited,
        every_job_starts_afresh,
        the_directory_is_empty_and_ones_own,
        daemons_are_swept,
        the_hash_seed_is_the_pools,
        another_python_path_is_not_searched,
        a_used_sandbox_is_kept_and_a_fresh_one_given,
        a_worn_sandbox_is_replaced,
        map_gives_one_outcome_a_job_in_order,
        two_sandboxes_work_side_by_side,
        many_callers_are_served,
        closing_ends_what_runs,
        impossible_orders_are_refused,
    ],
)
