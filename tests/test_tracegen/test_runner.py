"""The runner: one row per input whatever happens, equal however inputs are batched, determinism labelled."""

import ast
import itertools
import random
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs import make_job, run_row, small_limits

from sandboxes.api import Pool
from schemas.errors import UsageError
from schemas.failure import Failure
from schemas.trace_record import Determinism, Output, TraceRecord
from tracegen.attempts import Death, Run
from tracegen.determinism import check_run
from tracegen.runner import TraceRunner
from tracegen.wire import Ending, Segment

SOURCE = """
import os, random, sys, time

state = []

def f(x):
    state.append(x)
    return x * 2, len(state)

def quit(code):
    os._exit(code)

def leave(code):
    sys.exit(code)

def die():
    os.kill(os.getpid(), 9)

def spin():
    while True:
        pass

def spin_in_c():
    return sum(iter(int, 1))

def clock():
    return time.time_ns()

def hashes():
    return [item for item in {"a", "b", "c", "d", "e", "f"}]

def drawn():
    return random.random()

def leak():
    os.environ["LEAK"] = "1"
    os.chdir("/")
    sys.modules["leaked"] = sys
    return os.environ.get("LEAK")

def seen():
    return os.environ.get("LEAK"), os.getcwd() == "/"

def raises():
    raise ValueError("planned")

def noticed():
    return sys.gettrace() is None

def many():
    for i in range(100_000):
        pass

def big():
    items = []
    for i in range(2000):
        items.append("x" * 100)
"""


def rows(
    primary: Pool, secondary: Pool, *calls: str, check: str = "full", **fields: object
) -> list[TraceRecord | Failure]:
    fields.setdefault("limits", small_limits())
    return TraceRunner(primary, secondary, check).run(make_job(SOURCE, *calls, **fields))  # type: ignore[arg-type]


def label(row: TraceRecord | Failure) -> str:
    return row.reason if isinstance(row, Failure) else row.outcome.label


def determinism(row: TraceRecord | Failure) -> str:
    assert isinstance(row, TraceRecord), row
    return row.determinism.label


@pytest.mark.patient
def test_every_ending_has_its_label_and_neighbours_are_unharmed(primary: Pool, secondary: Pool) -> None:
    calls = (
        "f(1)",
        "quit(3)",
        "f(2)",
        "leave(4)",
        "die()",
        "raises()",
        "spin()",
        "f(3)",
        "spin_in_c()",
        "nope()",
        "f(4)",
    )
    found = rows(primary, secondary, *calls, limits=small_limits(max_events=None))
    assert [label(row) for row in found] == [
        *("returned", "exited", "returned", "exited", "killed", "raised"),
        *("timeout", "returned", "timeout", "raised", "returned"),
    ]
    records = [row for row in found if isinstance(row, TraceRecord)]
    assert [row.outcome.exit_code for row in records[1:4:2]] == [3, 4]
    assert records[4].outcome.signal == 9
    assert [records[n].events[-1].value for n in (0, 2, 7, 10)] == ["(2, 1)", "(4, 1)", "(6, 1)", "(8, 1)"]
    assert [determinism(row) for row in found] == ["verified"] * len(calls)
    assert all(record.events for record in records)


def test_limits_from_inside(primary: Pool, secondary: Pool) -> None:
    limited = rows(primary, secondary, "many()", "f(1)", limits=small_limits(max_events=50))
    assert [label(row) for row in limited] == ["event_limit", "returned"]
    assert isinstance(limited[0], TraceRecord)
    assert len(limited[0].events) == 50
    assert determinism(limited[0]) == "verified"
    small = rows(primary, secondary, "big()", limits=small_limits(max_bytes=5_000, wall_seconds=5.0))
    assert label(small[0]) == "byte_limit"


def test_determinism_labels(primary: Pool, secondary: Pool) -> None:
    found = rows(primary, secondary, "f(1)", "clock()", "hashes()", "drawn()", "noticed()")
    assert [determinism(row) for row in found] == ["verified", "differs", "differs", "verified", "perturbed"]
    assert isinstance(found[1], TraceRecord)
    assert "event 4" in str(found[1].determinism.first_difference)
    named = found[2].determinism.first_difference if isinstance(found[2], TraceRecord) else ""
    assert max(map(len, str(named).split(" / "))) < 300
    assert [determinism(row) for row in rows(primary, secondary, "noticed()", check="rerun")] == ["verified"]
    assert [determinism(row) for row in rows(primary, secondary, "clock()", check="none")] == ["unchecked"]


def test_entropy_is_the_jobs_and_differs_in_a_fork(primary: Pool, secondary: Pool) -> None:
    source = textwrap.dedent("""
    import os, random, secrets, uuid
    def ids():
        return uuid.uuid4().hex, secrets.token_hex(4), random.SystemRandom().random(), len(os.urandom(0))
    def forked():
        reader, writer = os.pipe()
        for _ in range(2):
            if not os.fork():
                os.write(writer, os.urandom(8))
                os._exit(0)
            os.wait()
        return os.read(reader, 8), os.read(reader, 8), os.urandom(8)
    def wrong():
        return os.urandom(-1)
    """)
    job = make_job(source, "ids()", "ids()", "forked()", "wrong()", limits=small_limits())
    found = TraceRunner(primary, secondary, "full").run(job)
    assert [determinism(row) for row in found] == ["verified"] * 4
    assert [label(row) for row in found] == ["returned"] * 3 + ["raised"]
    values = [row.events[-1].value for row in found if isinstance(row, TraceRecord)]
    assert values[0] == values[1]
    assert len(set(ast.literal_eval(str(values[2])))) == 3
    elided = [each for row in found if isinstance(row, TraceRecord) for each in row.elisions]
    assert not [each for each in elided if "entropy" in each.name]


def test_the_environment_is_the_same_in_both_sandboxes(primary: Pool, secondary: Pool) -> None:
    source = """
    import os

    def f():
        return os.environ.get("PYTHONHASHSEED")
    """
    found = TraceRunner(primary, secondary, "full").run(make_job(source, "f()"))
    assert determinism(found[0]) == "verified"


def test_an_input_does_not_see_what_another_left(primary: Pool, secondary: Pool) -> None:
    found = rows(primary, secondary, "leak()", "seen()", "drawn()", "drawn()")
    values = [row.events[-1].value for row in found if isinstance(row, TraceRecord)]
    assert values[1] == "(None, False)"
    assert values[2] == values[3]
    assert [determinism(row) for row in found] == ["verified"] * 4


CALLS = ["f(1)", "f(2)", "raises()", "drawn()", "quit(1)", "f([1, 2])", "seen()", "leak()"]


@pytest.mark.patient
@settings(max_examples=8, deadline=None)
@given(order=st.permutations(CALLS), cuts=st.sets(st.integers(1, len(CALLS) - 1), max_size=3))
def test_rows_do_not_depend_on_order_or_batching(
    primary: Pool, secondary: Pool, order: list[str], cuts: set[int]
) -> None:
    whole = {row.inputs: row for row in rows(primary, secondary, *CALLS)}
    bounds = [0, *sorted(cuts), len(order)]
    for start, end in itertools.pairwise(bounds):
        for row in rows(primary, secondary, *order[start:end]):
            same = whole[row.inputs]
            assert row.model_copy(update={"source_id": ""}) == same.model_copy(update={"source_id": ""})


def test_ids_know_the_job_and_the_occurrence() -> None:
    one, other = make_job(SOURCE, "f(1)"), make_job(SOURCE, "f(2)", "f(1)")
    assert one.job_id() == other.job_id()
    assert one.job_id() != make_job(SOURCE, "f(1)", seed=1).job_id()
    assert one.job_id() != make_job(SOURCE + "\n", "f(1)").job_id()


def test_expectations(primary: Pool) -> None:
    for expected, matched in (("(2, 1)", True), ("(2, 1 + 0)", True), ("(2, 2)", False), ("not python", False)):
        row = run_row(primary, make_job(SOURCE, "f(1)", expected=expected))
        assert isinstance(row, TraceRecord)
        assert [(item.want, item.got, item.matched) for item in row.expected] == [(expected, "(2, 1)", matched)]


def test_a_check_needs_a_second_pool(primary: Pool) -> None:
    with pytest.raises(UsageError, match="second pool"):
        TraceRunner(primary, None, "full")


def test_forged_lines_are_a_protocol_failure_of_their_own_input_only(primary: Pool, secondary: Pool) -> None:
    source = """
    import os

    def f(x):
        return x

    def forge():
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                os.write(number, b'["E","returned",null,"1",[],["",0,false],["",0,false]]\\n["?"]\\n')
            except OSError:
                pass
    """
    found = TraceRunner(primary, secondary, "rerun").run(make_job(source, "f(1)", "forge()", "f(2)"))
    assert [label(row) for row in found] == ["returned", "protocol", "returned"]


def test_random_bytes_for_a_job_never_raise(primary: Pool) -> None:
    noise = random.Random(0)
    source = "".join(chr(noise.randrange(32, 127)) for _ in range(200))
    assert label(run_row(primary, make_job(source, "f()"))) in ("syntax_error", "module_error", "raised")


def cut(lines: list[bytes], label: str | None) -> Run:
    """Return a run of event lines that ended by itself (``None``) or by that death."""
    raw = lines if label is not None else [*lines, b'["E"]']
    out = Output()
    ended = None if label is not None else Ending("returned", None, "1", (), out, out)
    death = None if label is None else Death(label, None, None, out, out)
    return Run(segment=Segment(0, b"\n".join(raw), ended), death=death)


LINES = [b'["c",1,1]', b'["l",1,2]', b'["l",1,3]']


def test_a_run_cut_by_time_is_compared_as_far_as_it_got() -> None:
    whole, short, other = cut(LINES, None), cut(LINES[:2], "timeout"), cut([LINES[0], LINES[2]], "timeout")
    assert check_run(whole, whole, None).label == "verified"
    assert check_run(short, cut(LINES, "timeout"), None).label == "verified"
    assert check_run(whole, short, None) == Determinism(
        "unchecked", "one of the two runs was cut by time; they agree up to event 2"
    )
    assert check_run(whole, other, None).label == "differs"
    assert check_run(whole, cut(LINES[:2], None), None).label == "differs"
    assert check_run(cut(LINES[:2], None), cut(LINES, "timeout"), None).label == "differs"


def test_a_program_that_breaks_the_recorder_is_no_record(primary: Pool, secondary: Pool) -> None:
    source = """
    import builtins, os, resource

    def f(x):
        return x

    def close():
        os.closerange(0, 256)
        return f(1)

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        return f(1)

    def clobber():
        builtins.len = builtins.isinstance = builtins.type = builtins.map = None
        return f([1])
    """
    found = TraceRunner(primary, secondary, "full").run(
        make_job(source, "f(0)", "close()", "small()", "clobber()", "f(2)")
    )
    assert [label(row) for row in found] == ["returned", "protocol", "protocol", "recorder_error", "returned"]


def test_too_much_output_is_no_error_of_the_program(primary: Pool, secondary: Pool) -> None:
    source = """
    def f(n):
        for _ in range(n):
            print("x" * 1_000_000)
    """
    found = TraceRunner(primary, secondary, "rerun").run(make_job(source, "f(1)", "f(90)", "f(2)"))
    assert [label(row) for row in found] == ["returned", "output_limit", "returned"]
