import random

import interpreters
import programs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs import make_doctest, make_job, run_record, run_row, small_limits

from sandboxes.api import Pool
from sandboxes.interpreters import Interpreter
from schemas.trace_record import TraceRecord
from tracegen.checks import record_problems
from tracegen.lines import line_record
from tracegen.render import RENDERERS, get_renderer
from tracegen.render.source_lines import SourceLines
from tracegen.render.terminal import trace_lines
from tracegen.runner import TraceRunner

CORPUS = sorted((interpreters.ROOT / "tests/corpus").glob("*.py"))


def values(record: TraceRecord) -> list[str]:
    """Return every expression of the job's module with its value."""
    lines = SourceLines(record.sources)
    return [
        f"{lines.expression(record.code_of(event).path, event)} -> {event.value}"
        for event in record.events
        if event.kind == "expression"
    ]


def recorded(pool: Pool, source: str, call: str = "f()", **fields: object) -> TraceRecord:
    record = run_record(pool, source, call, expressions=True, **fields)
    assert list(record_problems(record)) == []
    return record


@pytest.mark.patient
def test_programs_do_not_notice_and_the_rest_of_the_record_is_the_plain_one(interpreter: Interpreter) -> None:
    made = [(f"made{seed}.py", programs.program(random.Random(seed).randrange)) for seed in range(12)]
    found = interpreters.run_detail_oracle(interpreter, [(path.name, path.read_text()) for path in CORPUS] + made)
    assert found["faults"] == []
    assert found["expressions"] > 2_500
    assert found["opcodes"] > 12_000


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_made_programs_lose_nothing_but_values(choose: random.Random) -> None:
    newest = interpreters.newest()
    made = [(f"made{number}.py", programs.program(choose.randrange)) for number in range(3)]
    assert interpreters.run_detail_oracle(newest, made)["faults"] == []


def test_values_stand_in_the_order_of_evaluation(primary: Pool) -> None:
    source = """
        class A:
            k = [1, 2, 3]

        def g(x, y=0):
            return x - y

        def f():
            a = A()
            s = g(a.k[g(1)] * 2, y=len(a.k)) + (g(4) if a.k[0] > 0 else g(5))
            return [v for v in a.k if v % 2 and g(v) > 1], -s
    """
    assert values(recorded(primary, source)) == [
        "a.k -> [1, 2, 3]",
        "g(1) -> 1",
        "a.k[g(1)] -> 2",
        "a.k[g(1)] * 2 -> 4",
        "a.k -> [1, 2, 3]",
        "len(a.k) -> 3",
        "g(a.k[g(1)] * 2, y=len(a.k)) -> 1",
        "a.k -> [1, 2, 3]",
        "a.k[0] -> 1",
        "a.k[0] > 0 -> True",
        "g(4) -> 4",
        "g(4) if a.k[0] > 0 else g(5) -> 4",
        "a.k -> [1, 2, 3]",
        "v % 2 -> 1",
        "g(v) -> 1",
        "g(v) > 1 -> False",
        "v % 2 -> 0",
        "v % 2 -> 1",
        "g(v) -> 3",
        "g(v) > 1 -> True",
        "[v for v in a.k if v % 2 and g(v) > 1] -> [3]",
        "-s -> -5",
    ]


def test_what_is_not_evaluated_has_no_value(primary: Pool) -> None:
    source = """
        def f():
            a, b = 0, []
            return (a and b.x) or (b and b.y) or len(b) or 7 if a or not b else b.w
    """
    assert values(recorded(primary, source)) == ["a -> 0", "a -> 0", "b -> []", "len(b) -> 0"]


def test_a_value_is_its_text_at_the_moment(primary: Pool) -> None:
    source = """
        def f():
            a = [1]
            return (a + [], a.append(2), a[:])
    """
    assert values(recorded(primary, source)) == ["a + [] -> [1]", "a.append(2) -> None", "a[:] -> [1, 2]"]


def test_places_count_characters_and_lines(primary: Pool) -> None:
    source = """
        def f():
            é = 'ü'
            return 'ä' + é.upper(
            ) + 'ö'
    """
    record = recorded(primary, source)
    found = [(event.line, event.place) for event in record.events if event.kind == "expression"]
    assert found == [(4, (17, 5, 5)), (4, (11, 5, 5))]
    assert values(record) == ["é.upper( ) -> 'Ü'", "'ä' + é.upper( ) -> 'äÜ'"]


def test_a_global_and_a_discarded_value_are_recorded_a_local_is_not(primary: Pool) -> None:
    source = """
        def f():
            global x
            x = abs(-1)
            y = abs(-2)
            abs(-3)
            [abs(-4)].sort()
    """
    assert values(recorded(primary, source)) == [
        "abs(-1) -> 1",
        "abs(-3) -> 3",
        "abs(-4) -> 4",
        "[abs(-4)].sort() -> None",
    ]


def test_a_checked_run_is_verified_and_both_its_runs_agree(primary: Pool, secondary: Pool) -> None:
    job = make_job("def f(n):\n    return sum(i * i for i in range(n)) + len({'a', 'b'})\n", "f(4)", expressions=True)
    row = TraceRunner(primary, secondary, "full").run(job)[0]
    assert isinstance(row, TraceRecord)
    assert row.determinism.label == "verified"
    assert row.expressions


def test_untraced_members_of_a_family_have_no_sites(primary: Pool, secondary: Pool) -> None:
    source = "import sys\n\ndef g(x):\n    print(len(g.__code__.co_consts) > 7)\n    return abs(x) + abs(1) + 2\n"
    texts = (">>> g(1)\nFalse\n4\n", ">>> g(2)\nFalse\n5\n")
    first = make_doctest(source, texts[0], expressions=True)
    second = first.model_copy(update={"inputs": make_doctest(source, texts[1]).inputs})
    rows = TraceRunner(primary, secondary, "full").run_family([first, second])
    assert [isinstance(row, TraceRecord) and row.determinism.label for row in rows] == ["perturbed", "perturbed"]


def test_expressions_count_for_the_limit(primary: Pool) -> None:
    source = "def f():\n    return sum([abs(i) + 1 for i in range(100)])\n"
    record = recorded(primary, source, limits=small_limits(max_events=50))
    assert (len(record.events), record.outcome.label) == (50, "event_limit")
    assert sum(event.kind == "expression" for event in record.events) > 20


def test_the_id_of_a_job_tells_but_those_of_plain_jobs_are_as_before() -> None:
    source = "def f():\n    return 1\n"
    plain, valued = make_job(source, "f()"), make_job(source, "f()", expressions=True)
    assert plain.job_id() != valued.job_id()
    assert "expressions" not in plain.identity()


def test_expressions_and_opcodes_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="choose one of the two"):
        make_job("def f(): pass", "f()", expressions=True, granularity="opcode")


def test_code_that_is_not_compiled_here_is_labelled(primary: Pool) -> None:
    job = make_doctest(
        "def g(x):\n    return x + 1\n", ">>> def h(x):\n...     return g(x) * 2\n>>> h(1)\n4\n", expressions=True
    )
    row = run_row(primary, job)
    assert isinstance(row, TraceRecord)
    assert [(one.kind, one.name) for one in row.elisions] == [("no_expressions", "h")]
    assert values(row) == []


def test_an_expression_too_deep_for_sites_is_compiled_as_it_is(primary: Pool) -> None:
    source = "def f(x=1):\n    y = " + "x + " * 900 + "abs(x)\n    return abs(y)\n"
    record = recorded(primary, source)
    assert record.outcome.label == "returned"
    assert "abs(x) -> 1" in values(record) or any(one.kind == "no_expressions" for one in record.elisions)


def test_tracebacks_and_sources_are_those_of_the_program(primary: Pool) -> None:
    source = """
        import inspect, traceback

        def g(x):
            return abs(x) + [1][x]

        def f():
            try:
                g(1)
            except IndexError as error:
                rows = [(row.name, row.lineno) for row in traceback.extract_tb(error.__traceback__)]
                return rows, inspect.getsource(g), g.__code__.co_names
    """
    plain = run_record(primary, source, "f()")
    assert recorded(primary, source).events[-1].value == plain.events[-1].value


def test_line_events_and_elisions_are_those_of_a_plain_recording(primary: Pool) -> None:
    source = "import textwrap\n\ndef f(x):\n    return textwrap.dedent(x) + textwrap.dedent(x).upper()\n"
    plain = run_record(primary, source, "f(' a')")
    left = line_record(recorded(primary, source, "f(' a')"))
    assert (left.events, left.elisions) == (plain.events, plain.elisions)


def test_texts_show_values_or_leave_them_out(primary: Pool) -> None:
    source = "def g(x):\n    return x + 1\n\ndef f(x):\n    y = g(x) * g(2)\n    return y\n"
    record, plain = recorded(primary, source, "f(3)"), run_record(primary, source, "f(3)")
    texts = {name: "".join(one.text for one in get_renderer(name).render(record)) for name in RENDERERS}
    assert texts["cwm"] == "".join(one.text for one in get_renderer("cwm").render(plain))
    assert "5     y = g(x) * g(2)" in texts["annotated"]
    assert "# g(2) -> 3" in texts["annotated"]
    assert '<|arg_sep|>@2 5:8-12<|arg_sep|>"4"' in texts["compact"]
    shown = "\n".join(trace_lines(record))
    assert "g(x) → 4" in shown
    assert "g(2) → 3   y = 12" in shown
