"""Rows of the three forms, column selectors and code without inputs -> jobs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from planning import SETTINGS, plan, texts

from schemas.errors import UsageError
from tracegen.sources import PlanStatistics, plan_sources
from tracegen.sources.base import CodeWithoutInputs, PlanSettings
from tracegen.sources.columns import Columns


def write(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def settings(**fields: Any) -> PlanSettings:
    return PlanSettings(python=SETTINGS.python, image=SETTINGS.image, **fields)


def kept_of(source: Path, **fields: Any) -> list[CodeWithoutInputs]:
    kept: list[CodeWithoutInputs] = []
    list(plan_sources([str(source)], settings(**fields), keep=kept.append))
    return kept


CHECK = """
import math

METADATA = {"author": "x"}

def near(a, b):
    return math.fabs(a - b) < 1e-6

def check(candidate):
    assert candidate([1, 2], k=3) == [4, 5], "message"
    assert True == candidate([])
    assert candidate(None) is None
    assert abs(candidate(0.5) - 1.5) < 1e-6
    xs = [9, 8]
    assert candidate(xs) == sorted(xs)
    xs.append(7)
    assert candidate(xs) == 1
    assert near(candidate(2), 3)
    assert candidate(METADATA) == 1
    assert candidate(helper(3)) == [i for i in range(3)]
    assert all(candidate(i) for i in range(3))
    for i in range(10):
        assert candidate(i) == i
    try:
        candidate("oops")
    except ValueError:
        pass
"""
HUMAN = {
    "task_id": "Sample/0",
    "prompt": 'def helper(n):\n    return n\n\ndef f(xs, k=0):\n    """Doc."""\n',
    "canonical_solution": "    return xs\n",
    "test": CHECK,
    "entry_point": "f",
}


def test_the_calls_of_a_check_become_inputs_and_the_rest_is_counted(tmp_path: Path) -> None:
    statistics = PlanStatistics()
    jobs, failures = plan(write(tmp_path, HUMAN), statistics=statistics)
    assert not failures
    assert [(item.text, item.expected) for item in jobs[0].inputs] == [
        ("f([1, 2], k=3)", "[4, 5]"),
        ("f([])", "True"),
        ("f(None)", "None"),
        ("f(0.5)", None),
        ("f([9, 8])", "sorted([9, 8])"),
        ("f(2)", None),
        ("f(helper(3))", "[i for i in range(3)]"),
    ]
    assert [item.source_id for item in jobs[0].inputs][:2] == ["Sample/0[0]", "Sample/0[1]"]
    assert jobs[0].module.text == HUMAN["prompt"] + HUMAN["canonical_solution"]
    assert +statistics.skipped == {"test_call_open": 2, "test_call_in_loop": 2, "test_call_conditional": 1}


def test_names_of_the_test_hide_those_of_the_module(tmp_path: Path) -> None:
    """``helper`` of the test is another function than the module's."""
    test = "def helper(n):\n    return 0\n\ndef check(candidate):\n    assert candidate(helper(1)) == 1\n"
    statistics = PlanStatistics()
    jobs, _ = plan(write(tmp_path, {**HUMAN, "test": test}), statistics=statistics)
    assert not jobs
    assert statistics.skipped["test_call_open"] == 1


def test_a_row_without_a_call_is_kept_for_made_inputs(tmp_path: Path) -> None:
    source = write(tmp_path, {**HUMAN, "test": "def check(candidate):\n    for i in []: candidate(i)\n"})
    (kept,) = kept_of(source)
    assert (kept.source_id, kept.entries) == ("Sample/0", ("f",))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"canonical_solution": "    return ("}, "syntax_error"),
        ({"entry_point": "g"}, "unknown_entry"),
        ({"test": "def check("}, "syntax_error"),
        ({"prompt": 7}, "bad_row"),
    ],
)
def test_a_bad_row_of_the_form_is_a_failure_and_the_rest_goes_on(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    jobs, failures = plan(write(tmp_path, {**HUMAN, **change}, HUMAN))
    assert [failure.reason for failure in failures] == [reason]
    assert len(jobs) == 1


ECHO = "print(input()[::-1])"
CONTEST = {
    "name": "reverse",
    "solutions": {"language": [3, 2, 1], "solution": [ECHO, "int main(){}", "print raw_input()"]},
    "incorrect_solutions": {"language": [3], "solution": ["print(input())"]},
    "public_tests": {"input": ["ab\n"], "output": ["ba\n"]},
    "private_tests": {"input": ["xyz\n"], "output": ["zyx\n"]},
}


def test_a_contest_row_gives_a_job_per_solution_with_its_label(tmp_path: Path) -> None:
    statistics = PlanStatistics()
    jobs, failures = plan(write(tmp_path, CONTEST), statistics=statistics)
    assert [(job.kind, job.entry, [item.source_id for item in job.inputs]) for job in jobs] == [
        ("program", "", ["reverse/solution-0(right)/test-0", "reverse/solution-0(right)/test-1"]),
        ("program", "", ["reverse/solution-2(wrong)/test-0", "reverse/solution-2(wrong)/test-1"]),
    ]
    assert [(item.text, item.expected) for item in jobs[0].inputs] == [("ab\n", "ba\n"), ("xyz\n", "zyx\n")]
    assert [(failure.source_id, failure.reason, failure.kind) for failure in failures] == [
        ("reverse/solution-1(right)", "syntax_error", "program")
    ]
    assert statistics.skipped == {"solution_in_other_language": 1}
    assert (jobs[0].limits.max_events, jobs[0].limits.max_bytes) == (10_000, 2**20)


@pytest.mark.parametrize(
    "row",
    [
        {"solutions": json.dumps([ECHO]), "input_output": json.dumps({"inputs": ["ab\n"], "outputs": ["ba\n"]})},
        {
            "solutions": [{"code": ECHO, "language": "Python 3", "correct": True}],
            "inputs": ["ab\n"],
            "outputs": ["ba\n"],
        },
        {"solutions": [ECHO], "public_tests": [{"input": "ab\n", "output": "ba\n"}]},
        {"solutions": [ECHO], "input_output": {"inputs": [["ab", ""]], "outputs": [["ba", ""]]}},
    ],
)
def test_the_forms_of_other_tables_are_read(tmp_path: Path, row: dict[str, Any]) -> None:
    jobs, failures = plan(write(tmp_path, {"id": 7, **row}))
    assert not failures
    assert [(item.source_id, item.text, item.expected) for item in jobs[0].inputs] == [
        ("7/solution-0(right)/test-0", "ab\n", "ba\n")
    ]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"public_tests": {"input": ["a"], "output": []}}, "1 inputs and 0 outputs"),
        ({"public_tests": {"input": [1], "output": ["a"]}}, "holds a number"),
        ({"solutions": "not json"}, "not JSON"),
        ({"input_output": {"inputs": [], "outputs": [], "fn_name": "f"}}, "fn_name"),
        ({"solutions": [{"language": "python"}]}, "text of a program"),
    ],
)
def test_a_malformed_contest_row_is_one_failure(tmp_path: Path, change: dict[str, Any], detail: str) -> None:
    jobs, failures = plan(write(tmp_path, {**CONTEST, **change}))
    assert not jobs
    assert failures[0].reason == "bad_row"
    assert detail in failures[0].detail


def test_the_users_limits_hold_for_programs_too(tmp_path: Path) -> None:
    limits = SETTINGS.limits.model_copy(update={"max_events": 77})
    jobs, _ = plan(write(tmp_path, CONTEST), settings=settings(program_limits=limits))
    assert jobs[0].limits.max_events == 77


WITH_DOCTEST = 'def f(x):\n    """\n    >>> f(1)\n    2\n    """\n    return x + 1\n\ndef g(x):\n    return x\n'


def test_code_alone_gives_its_doctests_and_is_kept_for_the_rest(tmp_path: Path) -> None:
    source = write(tmp_path, {"code": WITH_DOCTEST, "id": "a"}, {"code": "print(1)", "id": "b"}, name="c.jsonl.gz")
    statistics = PlanStatistics()
    jobs, failures = plan(source, statistics=statistics)
    assert not failures
    assert [(job.kind, job.entry, job.inputs[0].source_id) for job in jobs] == [("doctest", "f", "a:f")]
    assert (statistics.code_without_inputs, statistics.rows_without_inputs) == (2, 1)
    assert statistics.functions_without_inputs == 1
    assert statistics.examples_without_inputs == ["a:g", "b"]
    assert [(item.source_id, item.entries) for item in kept_of(source)] == [("a", ("g",)), ("b", ())]


def test_a_corpus_of_code_without_any_input_is_no_wrong_use(tmp_path: Path) -> None:
    assert plan(write(tmp_path, {"code": "def f(x):\n    return x"})) == ([], [])


FILES = {
    "repo": {"licence": ["MIT", "Apache-2.0"]},
    "files": [{"content": "def f(x): return x", "name": "a.py"}, {"content": "def f(x): return -x", "name": "b.py"}],
    "input": "1",
    "id": 5,
}
SELECTED = (("code", "files[].content"), ("path", "files[].name"), ("licence", "repo.licence"))


def test_every_element_of_a_nested_column_is_a_row(tmp_path: Path) -> None:
    struct_of_lists = {**FILES, "files": {name: [one[name] for one in FILES["files"]] for name in ("content", "name")}}  # type: ignore[attr-defined]
    for content in (FILES, struct_of_lists):
        jobs, failures = plan(write(tmp_path, content), settings=settings(columns=SELECTED))
        assert not failures
        assert [job.module.text for job in jobs] == ["def f(x): return x", "def f(x): return -x"]
        assert [job.provenance.path for job in jobs] == ["a.py", "b.py"]
        assert {job.provenance.licence for job in jobs} == {"MIT AND Apache-2.0"}


def test_elements_have_ids_of_their_own(tmp_path: Path) -> None:
    row = {"files": FILES["files"], "input": "1"}
    jobs, _ = plan(write(tmp_path, row), settings=settings(columns=SELECTED[:1]))
    assert [job.inputs[0].source_id for job in jobs] == ["rows.jsonl#1/files[0]", "rows.jsonl#1/files[1]"]


@pytest.mark.parametrize("content", [{"files": 3}, {"files": [3]}])
def test_a_path_through_what_has_no_parts_is_a_bad_row(tmp_path: Path, content: dict[str, Any]) -> None:
    _, failures = plan(write(tmp_path, content), settings=settings(columns=SELECTED))
    assert [failure.reason for failure in failures] == ["bad_row"]


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ((("kode", "x"),), "allowed: id, path, licence, code"),
        ((("code", "a[].b[].c"),), "no path"),
        ((("code", "a[]b"),), "no path"),
        ((("code", ""),), "no path"),
        ((("code", "a[].x"), ("path", "b[].y")), "of one list"),
    ],
)
def test_selectors_that_cannot_be_meant_are_refused(selectors: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        Columns(selectors)


def test_a_forced_form_wins_over_the_columns(tmp_path: Path) -> None:
    row = {**HUMAN, "code": "def f(x):\n    return x", "call": "f(1)"}
    assert texts(plan(write(tmp_path, row), settings=settings(form="code"))[0]) == ["f(1)"]


def test_a_truncated_gzip_file_keeps_the_rows_before_it(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    lines = b"".join(
        json.dumps({"code": f"def f(x): return x + {n}", "input": "1"}).encode() + b"\n" for n in range(500)
    )
    path.write_bytes(gzip.compress(lines)[:-200])
    jobs, failures = plan(path)
    assert jobs
    assert [failure.reason for failure in failures] == ["unreadable_source"]
