"""JSON lines -> jobs: real rows, bad rows, and ids that depend on nothing but the rows."""

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planning import SETTINGS, plan, texts, trace_ids

from schemas.arrow import failures_to_table
from schemas.job import TraceJob
from tracegen.sources import PlanSettings, PlanStatistics, plan_sources
from tracegen.sources.code_rows import INPUTS_PER_JOB

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "functions_sample.jsonl"
CRUXEVAL = ROOT.parent / "shared" / "data" / "cruxeval-even.jsonl"

IDENTITY = "def f(x):\n    return x\n"
NEWER = "def f(x):\n    type T = int\n    return x\n"
"""Syntax of 3.12."""


def write(folder: Path, *rows: object) -> Path:
    """Write rows, those of ``bytes`` as they are."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
    return path


def test_sample_plans_every_row() -> None:
    statistics = PlanStatistics()
    jobs, failures = plan(SAMPLE, statistics=statistics)
    assert failures == []
    assert (statistics.rows, statistics.inputs) == (14, 15)
    assert [job.entry for job in jobs] == [
        "f", "countdown", "double", "ticks", "Point.norm", "Pile.of", "Tree.depths", "adder", "fib", "solve",
        "f", "f", "f",
    ]  # fmt: skip
    assert [item.source_id for job in jobs for item in job.inputs][-5:] == [
        "several[0]",
        "several[1]",
        "12",
        "functions_sample.jsonl#13",
        "comment",
    ]


@pytest.mark.skipif(not CRUXEVAL.exists(), reason="the shared data is not beside this checkout")
def test_cruxeval_is_read_as_it_is() -> None:
    jobs, failures = plan(CRUXEVAL)
    rows = [json.loads(line) for line in CRUXEVAL.read_text().splitlines()]
    inputs = [(job, item) for job in jobs for item in job.inputs]
    assert failures == []
    assert len(inputs) == len(rows) == 400
    for row, (job, item) in zip(rows, inputs, strict=True):
        assert (item.source_id, item.expected, job.module.text) == (row["id"], row["output"], row["code"])
        assert (job.entry, item.text) == ("f", f"f({row['input'].strip()})")
    assert len(set(trace_ids(jobs))) == 400


def test_adjacent_rows_share_a_job_up_to_a_cap(tmp_path: Path) -> None:
    count = 2 * INPUTS_PER_JOB + 1
    path = write(tmp_path, *({"code": IDENTITY, "input": str(number)} for number in range(count)))
    jobs, _ = plan(path)
    assert [len(job.inputs) for job in jobs] == [INPUTS_PER_JOB, INPUTS_PER_JOB, 1]
    assert len({job.job_id() for job in jobs}) == 1
    assert len(set(trace_ids(jobs))) == count


def test_equal_inputs_are_numbered_over_all_files(tmp_path: Path) -> None:
    row = {"code": IDENTITY, "input": "1"}
    path = write(tmp_path, row, row, {"code": "def f(y):\n    return y\n", "input": "1"}, row)
    jobs, _ = plan(path, path)
    same = [item.occurrence for job in jobs for item in job.inputs if job.module.text == IDENTITY]
    assert same == [0, 1, 2, 3, 4, 5]
    assert len(set(trace_ids(jobs))) == 8


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), min_size=1, max_size=12), st.randoms())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_do_not_depend_on_order_or_batching(
    tmp_path: Path, pairs: list[tuple[str, str]], chance: random.Random
) -> None:
    rows = [{"code": f"def f({name}):\n    return {name}\n", "input": number} for name, number in pairs]
    before, _ = plan(write(tmp_path, *rows))
    chance.shuffle(rows)
    after, _ = plan(write(tmp_path, *rows))
    assert sorted(trace_ids(before)) == sorted(trace_ids(after))
    assert len(set(trace_ids(after))) == len(rows)


BAD_ROWS: list[tuple[object, str, str]] = [
    (b"{not json", "bad_row", "line 2: not JSON"),
    (b'{"code": "\xff"}', "bad_row", "line 2: not JSON in UTF-8"),
    (b"[" * 100_000, "bad_row", "line 2: not JSON"),
    (b"9" * 5_000, "bad_row", "line 2: not JSON"),
    ([1], "bad_row", "holds a list"),
    ({"input": "1"}, "bad_row", "lacks column `code`"),
    ({"code": IDENTITY, "input": "1", "call": "f(1)"}, "bad_row", "exactly one of `input` and `call`"),
    ({"code": 7, "input": "1"}, "bad_row", "column `code` holds a number"),
    ({"code": IDENTITY, "input": 1}, "bad_row", "column `input` holds a number"),
    ({"code": IDENTITY, "input": []}, "bad_row", "empty list"),
    ({"code": IDENTITY, "input": ["1", None]}, "bad_row", "column `input` holds null"),
    ({"code": IDENTITY, "input": ["1", "2"], "output": ["1"]}, "bad_row", "differ in form or length"),
    ({"code": IDENTITY, "input": "1", "output": ["1"]}, "bad_row", "differ in form or length"),
    ({"code": IDENTITY, "input": "1", "id": True}, "bad_row", "column `id` holds true or false"),
    ({"code": IDENTITY, "input": "'\ud800'"}, "bad_row", "column `input` holds a lone surrogate"),
    ({"code": IDENTITY, "input": "1", "id": "\ud800"}, "bad_row", "column `id` holds a lone surrogate"),
    ({"code": "def f(:", "input": "1"}, "syntax_error", "line 1"),
    ({"code": "def f():\n  x\x00", "input": ""}, "syntax_error", "null bytes"),
    ({"code": "x = " + "-" * 100_000 + "1", "input": ""}, "syntax_error", "too deeply nested"),
    ({"code": NEWER, "input": "1"}, "syntax_error", "line 2"),
    ({"code": IDENTITY, "input": "1,,"}, "bad_input", "not an expression"),
    ({"code": IDENTITY, "input": "1), f(2"}, "bad_input", "one call"),
    ({"code": IDENTITY, "input": "1)(2"}, "bad_input", "one call"),
    ({"code": IDENTITY, "input": "(yield)"}, "bad_input", "'yield' outside function"),
    ({"code": IDENTITY, "call": "f"}, "bad_input", "calls nothing"),
    ({"code": "async def f(x):\n    yield x\n", "input": "y := 1"}, "bad_input", "comprehension"),
    ({"code": "def a(): ...\ndef b(): ...\n", "input": ""}, "ambiguous_entry", "a, b"),
    ({"code": "x = 1", "input": ""}, "unknown_entry", "no function"),
    ({"code": IDENTITY, "input": "1", "entry_point": "ff"}, "unknown_entry", "near: f"),
    ({"code": IDENTITY, "input": "1", "entry_point": "f("}, "unknown_entry", "not a dotted name"),
    ({"code": IDENTITY, "call": "g(1)"}, "unknown_entry", "'g' is not defined"),
    ({"code": "if __name__ == '__main__':\n    def f(): ...\n", "call": "f()"}, "unknown_entry", "'f' is not"),
]


@pytest.mark.parametrize(("row", "reason", "detail"), BAD_ROWS, ids=lambda value: str(value)[:40])
def test_a_bad_row_is_a_failure_and_the_rest_goes_on(tmp_path: Path, row: object, reason: str, detail: str) -> None:
    good = {"code": IDENTITY, "input": "1"}
    jobs, failures = plan(write(tmp_path, good, row, good))
    assert texts(jobs) == ["f(1)", "f(1)"]
    assert [failure.reason for failure in failures] == [reason]
    assert detail in failures[0].detail
    failures_to_table(failures)  # refuses what no column can store


def test_every_input_of_a_broken_function_is_a_failure_of_its_own(tmp_path: Path) -> None:
    row = {"id": "r", "code": "def f(:", "input": ["1", "2"]}
    _, failures = plan(write(tmp_path, row, row))
    assert [failure.source_id for failure in failures] == ["r[0]", "r[1]", "r[0]", "r[1]"]
    assert [failure.inputs for failure in failures] == ["1", "2", "1", "2"]
    assert len({failure.trace_id for failure in failures}) == 4


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf", {"code": IDENTITY, "input": "1"}, b"", b"  ", b"{")
    jobs, failures = plan(path)
    assert jobs[0].inputs[0].source_id == "rows.jsonl#2"
    assert [failure.source_id for failure in failures] == ["rows.jsonl#5"]


def test_a_newer_sandbox_judges_syntax_unknown_here(tmp_path: Path) -> None:
    path = write(tmp_path, {"code": NEWER, "input": "1"}, {"code": IDENTITY, "input": "f'{x['a']}'"})
    newer = PlanSettings(python="3.99", image="sha256:none")
    jobs, failures = plan(path, settings=newer)
    assert failures == []
    assert texts(jobs) == ["f(1)", "f(f'{x['a']}')"]


def test_invalid_escapes_in_user_code_are_no_errors(tmp_path: Path) -> None:
    # pytest turns the parser's warning into an error, as ``python -W error`` would.
    jobs, failures = plan(write(tmp_path, {"code": "def f(x):\n    return '\\d' + x\n", "input": "'\\d'"}))
    assert (len(jobs), failures) == (1, [])


@pytest.mark.parametrize(
    ("code", "column", "text", "planned"),
    [
        ("def f():\n    return lambda: (yield)\n", "input", "", "f()"),
        ("def f():\n    yield 1\n", "input", "", "list(f())"),
        ("def f():\n    yield 1\n", "call", "f()  # all", "list(f()  # all\n)"),
        ("def f():\n    yield 1\n", "call", "next(f())", "next(f())"),
        ("@decorate\ndef f():\n    yield 1\n", "input", "", "f()"),
        ("def f():\n    yield 1\nf = wrap(f)\n", "input", "", "f()"),
        ("async def f():\n    return 1\n", "input", "", "asyncio.run(f())"),
        ("class P:\n    async def go(self): ...\n", "call", "P().go()", "asyncio.run(P().go())"),
        ("class P:\n    @classmethod\n    def go(cls):\n        yield 1\n", "call", "P.go()", "list(P.go())"),
        ("class P:\n    @property\n    def go(self):\n        yield 1\n", "call", "P().go()", "P().go()"),
        ("def f(x):\n    return x\n", "input", "1  # one", "f(1  # one\n)"),
        ("def f(*a, **k):\n    return a\n", "input", "*[1], **{'b': 2}", "f(*[1], **{'b': 2})"),
        ("from math import *\n", "call", "sqrt(4)", "sqrt(4)"),
        ("def f(x):\n    return x\n", "call", "sorted([f(1)])", "sorted([f(1)])"),
    ],
)
def test_the_expression_is_one_that_runs_the_body(
    tmp_path: Path, code: str, column: str, text: str, planned: str
) -> None:
    jobs, failures = plan(write(tmp_path, {"code": code, column: text}))
    assert failures == []
    assert texts(jobs) == [planned]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
cells = json_values | st.sampled_from(
    [IDENTITY, "f(1)", "1", "f", "def g(:", "async def f(): yield", "\ud800", "x" * 99]
)
rows = st.dictionaries(st.sampled_from(["code", "input", "call", "output", "id", "entry_point"]), cells)


lines_of_bytes = (
    rows.map(lambda row: json.dumps(row).encode())
    | json_values.map(lambda value: repr(value).encode("utf-8", "backslashreplace"))
    | st.binary()
)


@given(st.lists(lines_of_bytes, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_stops_a_plan(tmp_path: Path, lines: list[bytes]) -> None:
    # The tests of the byte order mark are above.
    lines = [line.replace(b"\n", b" ").removeprefix(b"\xef\xbb\xbf") for line in lines]
    good = {"code": IDENTITY, "input": "'the last'"}
    statistics = PlanStatistics()
    jobs, failures = plan(write(tmp_path, *lines, good), statistics=statistics)
    assert "f('the last')" in texts(jobs)
    assert statistics.rows == 1 + sum(1 for line in lines if line.strip())
    assert statistics.inputs + statistics.failures + statistics.code_without_inputs >= statistics.rows
    failures_to_table(failures)


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    filler = "#" * 100_000
    with path.open("w") as file:
        for number in range(300):
            file.write(json.dumps({"code": f"def f():\n    return {number}\n{filler}", "input": ""}) + "\n")
    tracemalloc.start()
    try:
        seen = sum(isinstance(item, TraceJob) for item in plan_sources([str(path)], SETTINGS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 300
    assert peak < 10 * 2**20 < path.stat().st_size


def test_a_line_without_end_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.sources.json_rows.MAX_LINE_BYTES", 1_000)
    long: dict[str, Any] = {"code": IDENTITY + "#" * 5_000, "input": "1"}
    jobs, failures = plan(write(tmp_path, long, {"code": IDENTITY, "input": "2"}))
    assert texts(jobs) == ["f(2)"]
    assert [(failure.source_id, failure.reason) for failure in failures] == [("rows.jsonl#1", "bad_row")]
