"""The pytest plugin of the guest: a suite of every kind of test, run for real, one record per test."""

import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import small_limits

from sandboxes.api import Pool
from sandboxes.interpreters import Interpreter, installed
from sandboxes.open import open_pool, resolve_image
from schemas.errors import UsageError
from schemas.limits import Limits
from schemas.trace_record import TraceRecord
from tracegen.checks import record_problems
from tracegen.suites import RanTest, Suite, run_suite, suite_pool_spec

FILES = {
    "goods/__init__.py": "from .stock import add, Stock\n",
    "goods/stock.py": """
        class Stock:
            def __init__(self):
                self.items = {}

        def add(stock, name, count=1):
            if count < 0:
                raise ValueError(count)
            stock.items[name] = stock.items.get(name, 0) + count
            return stock.items[name]
        """,
    "conftest.py": """
        import pytest
        from goods import Stock

        @pytest.fixture
        def stock():
            made = Stock()
            yield made
            made.items.clear()

        @pytest.fixture(scope="session")
        def shared():
            kept = []
            yield kept
            kept.append("closed")
        """,
    "test_kinds.py": """
        import os, sys, unittest
        import pytest
        from goods import add

        @pytest.mark.parametrize("name, count", [("a", 1), ("b b", 2)], ids=["one", "two"])
        def test_adds(stock, name, count):
            assert add(stock, name, count) == count

        class TestGroup:
            def setup_method(self):
                self.base = 2

            def test_method(self, stock, shared):
                shared.append(add(stock, "x", self.base))
                print("said")

        class Old(unittest.TestCase):
            def setUp(self):
                self.n = 1

            def test_old(self):
                self.assertEqual(self.n, 1)

            def tearDown(self):
                self.n = 0

        def test_fails(stock):
            total = add(stock, "y")
            assert total == 2, "wrong total"

        def test_raises(stock):
            add(stock, "z", -1)

        def test_skips_within(stock):
            pytest.skip("not today")

        @pytest.mark.skip(reason="never")
        def test_skipped():
            pass

        @pytest.mark.xfail(reason="known")
        def test_expected_to_fail(stock):
            add(stock, "z", -1)

        @pytest.mark.xfail
        def test_unexpectedly_passes():
            pass

        @pytest.fixture
        def broken():
            raise KeyError("fixture")

        def test_error(broken):
            pass

        def test_exits(stock):
            sys.exit(3)

        def test_last():
            n = 1
        """,
    "test_unimportable.py": "import no_such_module\n",
}
ENDS = {
    "test_kinds.py::test_adds[one]": "passed",
    "test_kinds.py::test_adds[two]": "passed",
    "test_kinds.py::TestGroup::test_method": "passed",
    "test_kinds.py::Old::test_old": "passed",
    "test_kinds.py::test_fails": "failed",
    "test_kinds.py::test_raises": "failed",
    "test_kinds.py::test_skips_within": "skipped",
    "test_kinds.py::test_skipped": "skipped",
    "test_kinds.py::test_expected_to_fail": "xfailed",
    "test_kinds.py::test_unexpectedly_passes": "xpassed",
    "test_kinds.py::test_error": "error",
    "test_kinds.py::test_exits": "failed",
    "test_kinds.py::test_last": "passed",
    "test_unimportable.py": "error",
}


def suite(folder: Path, files: dict[str, str], **fields: object) -> Suite:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    values: dict[str, object] = {"folder": str(folder), "version": "test", "packages": ("goods",)}
    return Suite.model_validate({**values, **fields})


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with open_pool("process", suite_pool_spec(0, Limits()), resolve_image("process")) as found:
        yield found


@pytest.fixture(scope="module")
def runs(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RanTest]:
    return {run.node: run for run in run_suite(pool, suite(tmp_path_factory.mktemp("suite"), FILES))}


def record_of(run: RanTest) -> TraceRecord:
    assert run.record is not None, run
    assert list(record_problems(run.record)) == []
    return run.record


def names_in(run: RanTest, when: str) -> list[str]:
    """Return the code of the events of one phase, in order, each name once."""
    record = record_of(run)
    starts = [phase.first_event for phase in run.phases] + [len(record.events)]
    place = [phase.when for phase in run.phases].index(when)
    return list(dict.fromkeys(record.code_of(event).name for event in record.events[starts[place] : starts[place + 1]]))


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


def test_a_test_that_ends_the_process_is_kept_and_the_rest_runs(pool: Pool, tmp_path: Path) -> None:
    limits = small_limits(wall_seconds=0.6, max_events=500, output_bytes=5)
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


def test_untraced_outcomes_are_the_same(pool: Pool, tmp_path: Path) -> None:
    plain = run_suite(pool, suite(tmp_path, FILES), traced=False)
    assert {run.node: run.outcome for run in plain} == ENDS
    assert all(run.record is None for run in plain)


def test_what_is_no_suite_is_said(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no_such_file"):
        run_suite(pool, suite(tmp_path, {}, arguments=("no_such_file.py",)))


OTHERS = [found for found in installed() if found.minor in ("3.8", "3.13")]


@pytest.mark.parametrize("other", OTHERS, ids=lambda found: found.version)
def test_the_same_suite_under_other_pythons(other: Interpreter, tmp_path: Path) -> None:
    home = tmp_path / "home"
    subprocess.run([other.executable, "-m", "venv", str(home)], check=True, timeout=120)
    python = str(home / "bin/python")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest"]
    subprocess.run(install, check=True, timeout=300)
    with open_pool("process", suite_pool_spec(0, Limits()), resolve_image("process", python=python)) as pool:
        found = run_suite(pool, suite(tmp_path / "suite", FILES))
    assert {run.node: run.outcome for run in found} == ENDS
    for run in found:
        assert run.record is None or list(record_problems(run.record)) == []
    run = next(run for run in found if run.node.endswith("[two]"))
    assert names_in(run, "setup") == ["stock", "Stock.__init__"]
    assert record_of(run).python == other.version
