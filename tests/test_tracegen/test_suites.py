"""The pytest plugin of the guest: a suite of every kind of test, run for real, one record per test."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import time_outs
from jobs import removals, small_limits
from small_suite import ENDS, FILES, names_in, record_of, suite

from sandboxes.api import Pool
from sandboxes.open import open_pool, resolve_image
from schemas.errors import UsageError
from schemas.limits import Limits
from tracegen.suites import RanTest, run_suite, suite_pool_spec


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with open_pool("process", suite_pool_spec(0, Limits()), resolve_image("process")) as found:
        yield found


@pytest.fixture(scope="module")
def runs(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RanTest]:
    return {run.node: run for run in run_suite(pool, suite(tmp_path_factory.mktemp("suite"), FILES))}


def test_every_kind_of_test_has_one_run_with_its_outcome(runs: dict[str, RanTest]) -> None:
    assert {node: run.outcome for node, run in runs.items()} == ENDS
    assert list(runs) == list(ENDS)


def test_a_test_is_recorded_by_phases(runs: dict[str, RanTest]) -> None:
    run = runs["test_kinds.py::test_adds[two]"]
    assert [phase.outcome for phase in run.phases] == ["passed"] * 3
    assert names_in(run, "setup") == ["stock", "Stock.__init__"]
    assert names_in(run, "call") == ["test_adds", "add"]
    assert names_in(run, "teardown") == ["stock"]
    record = record_of(run)
    call = next(event for event in record.events if record.code_of(event).name == "add")
    assert call.set["name"] == "'b b'"
    assert [code.path for code in record.codes] == ["conftest.py", "goods/stock.py", "test_kinds.py", "goods/stock.py"]
    assert [chunk.path for chunk in record.sources] == ["test_kinds.py", "conftest.py", *["goods/stock.py"] * 2]
    assert (record.kind, record.source_id, record.outcome.label) == ("test", run.node, "returned")


def test_methods_and_unittest_cases_have_their_set_up(runs: dict[str, RanTest]) -> None:
    assert names_in(runs["test_kinds.py::Old::test_old"], "call") == ["Old.setUp", "Old.test_old", "Old.tearDown"]
    group = runs["test_kinds.py::TestGroup::test_method"]
    # Fixtures of a wider scope are set up in the first test that asks for them, and closed after the last one.
    assert "shared" in names_in(group, "setup")
    assert "TestGroup.setup_method" in names_in(group, "setup")
    assert record_of(group).stdout.text == "said\n"
    assert names_in(runs["test_kinds.py::test_last"], "teardown") == ["shared"]


def test_a_time_out_of_a_tests_own_ends_no_recording(pool: Pool, tmp_path: Path) -> None:
    timed = (
        Path(time_outs.__file__).read_text()
        + "\n\ndef test_waits():\n    assert [f() for _ in range(3)] == ['late'] * 3\n"
    )
    files = {name: FILES[name] for name in ("goods/__init__.py", "goods/stock.py")} | {"test_timed.py": timed}
    (run,) = run_suite(pool, suite(tmp_path, files))
    record = record_of(run)
    assert (run.outcome, removals(record)) == ("passed", [])
    assert [record.codes[frame.code].name for frame in record.frames].count("late") == 3


def test_what_does_not_pass_says_why(runs: dict[str, RanTest]) -> None:
    reasons = {
        "test_fails": ("raised", "AssertionError: wrong total"),
        "test_raises": ("raised", "ValueError: -1"),
        "test_skips_within": ("raised", "Skipped: not today"),
        "test_expected_to_fail": ("raised", "known"),
        "test_exits": ("raised", "SystemExit: 3"),
        "test_error": ("raised", "KeyError: 'fixture'"),
    }
    for name, (label, reason) in reasons.items():
        run = runs[f"test_kinds.py::{name}"]
        assert record_of(run).outcome.label == label
        assert run.detail.startswith(reason)
    skipped = runs["test_kinds.py::test_skipped"]
    assert (skipped.record, skipped.detail) == (None, "Skipped: never")
    assert "no_such_module" in runs["test_unimportable.py"].detail


DEADLY = """
    import os, signal, time
    import pytest
    from goods import Stock, add

    def test_before():
        assert True

    def test_leaves():
        n = 1
        os._exit(7)

    def test_killed():
        os.kill(os.getpid(), signal.SIGKILL)

    def test_ends_the_session():
        pytest.exit("enough", returncode=4)

    def test_interrupts():
        raise KeyboardInterrupt

    def test_hangs_in_python():
        while True:
            pass

    def test_hangs_in_c():
        time.sleep(1000)

    def test_forks():
        if os.fork() == 0:
            raise RuntimeError("the child comes out of the test")
        os.wait()

    def test_is_long():
        stock = Stock()
        for n in range(200):
            add(stock, "n")
        print(stock.items)

    def test_after():
        assert True
    """


@pytest.mark.patient
def test_a_test_that_ends_the_process_is_kept_and_the_rest_runs(pool: Pool, tmp_path: Path) -> None:
    limits = small_limits(wall_seconds=1.0, max_events=500, output_bytes=5)
    files = {name: FILES[name] for name in ("goods/__init__.py", "goods/stock.py")} | {"test_deadly.py": DEADLY}
    found = run_suite(pool, suite(tmp_path, files, limits=limits))
    ends = [(run.node.partition("::")[2], run.outcome, record_of(run).outcome) for run in found]
    assert [(name, outcome, end.label, end.signal, end.exit_code) for name, outcome, end in ends] == [
        ("test_before", "passed", "returned", None, None),
        ("test_leaves", "unfinished", "exited", None, 7),
        ("test_killed", "unfinished", "killed", 9, None),
        ("test_ends_the_session", "unfinished", "exited", None, 4),
        ("test_interrupts", "unfinished", "raised", None, None),
        ("test_hangs_in_python", "unfinished", "event_limit", 9, None),
        ("test_hangs_in_c", "unfinished", "timeout", 9, None),
        ("test_forks", "passed", "returned", None, None),
        ("test_is_long", "passed", "event_limit", None, None),
        ("test_after", "passed", "returned", None, None),
    ]
    long = record_of(found[-2])
    assert len(long.events) == 500
    assert (long.stdout.text, long.stdout.bytes_cut) == ("{'n':", 6)


@pytest.mark.patient
def test_what_is_too_much_for_a_process_is_no_ending_of_the_last_test(tmp_path: Path) -> None:
    body = "\n".join(f"    stock.items['{n}'] = {n}" for n in range(100))
    tests = "".join(f"def test_{n}():\n    stock = Stock()\n{body}\n\n" for n in range(4))
    files = {name: FILES[name] for name in ("goods/__init__.py", "goods/stock.py")}
    files["test_many.py"] = f"from goods.stock import Stock\n\n{tests}"
    spec = suite_pool_spec(0, Limits())
    with open_pool("process", spec, resolve_image("process")) as whole:
        expected = run_suite(whole, suite(tmp_path, files))
    sizes = [record_of(run).counts.wire_bytes for run in expected]
    with open_pool(
        "process", replace(spec, result_bytes=sum(sizes[:2]) + sizes[2] // 2), resolve_image("process")
    ) as few:
        found = run_suite(few, suite(tmp_path, files))
    assert [run.outcome for run in found] == ["passed"] * 4
    assert [record_of(run).events for run in found] == [record_of(run).events for run in expected]


def test_untraced_outcomes_are_the_same(pool: Pool, tmp_path: Path) -> None:
    plain = run_suite(pool, suite(tmp_path, FILES), traced=False)
    assert {run.node: run.outcome for run in plain} == ENDS
    assert all(run.record is None for run in plain)


@pytest.mark.patient
def test_a_tracer_around_the_suite_is_put_back_after_each_phase(pool: Pool, tmp_path: Path) -> None:
    outer = """
        import sys

        def tracer(frame, kind, arg):
            return None

        def pytest_configure():
            sys.settrace(tracer)

        def pytest_runtest_logfinish():
            print("put back" if sys.gettrace() is tracer else sys.gettrace(), file=open("told.txt", "a"))
        """
    test = "def test_it():\n    n = 1\n\ndef test_again():\n    n = 2\n"
    found = run_suite(pool, suite(tmp_path, {"conftest.py": outer, "test_it.py": test}))
    assert [len(record_of(run).events) for run in found] == [3, 3]
    assert (tmp_path / "told.txt").read_text() == "put back\n" * 2


@pytest.mark.patient
def test_what_is_no_suite_is_said(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no_such_file"):
        run_suite(pool, suite(tmp_path, {}, arguments=("no_such_file.py",)))
