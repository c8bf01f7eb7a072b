"""A small test suite with every kind of test, and what to ask of its runs."""

import textwrap
from pathlib import Path

from schemas.trace_record import TraceRecord
from tracegen.checks import record_problems
from tracegen.suites import RanTest, Suite

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
