"""Values whose own ``__repr__`` kills the process: a crash of the recorder's making is never the program's."""

import signal

import pytest
from jobs import make_doctest, make_job, run_row, small_limits

from sandboxes.api import JobOutcome, Pool
from schemas.failure import Failure
from schemas.trace_record import TraceRecord
from tracegen.attempts import run_inputs
from tracegen.crashes import crashing_types
from tracegen.families import run_family
from tracegen.guest.crashes import last_asked, prepare_again
from tracegen.runner import TraceRunner

SOURCE = """
import ctypes, sys

def crash():
    ctypes.string_at(0)

class Raw:
    # As an object in C is, between __new__ and __init__.
    def __repr__(self):
        if not hasattr(self, "ready"):
            crash()
        return "Raw(ready)"

class Other(Raw):
    class Inner:
        def __repr__(self):
            return str(crash())

class Holder:
    def __init__(self, held):
        self.held = held
    def __repr__(self):
        return "Holder(%r)" % self.held

def f(x):
    raw = Raw()
    raw.n = x
    raw.ready = True
    return x + 1

def given():
    raw = Raw()
    return raw

def two():
    inner = Other.Inner()
    other = Other()
    return 2

def around(x):
    holder = Holder(Raw())
    return x

def own():
    crash()

def own_repr():
    return str(Other())

def only_traced():
    if sys.gettrace():
        crash()
    return 1
"""


def rows(primary: Pool, secondary: Pool, *calls: str) -> list[TraceRecord | Failure]:
    return TraceRunner(primary, secondary, "full").run(make_job(SOURCE, *calls, limits=small_limits()))


def values(row: TraceRecord | Failure) -> list[str]:
    assert isinstance(row, TraceRecord)
    return [text for event in row.events for text in event.set.values()]


def test_the_type_that_kills_is_shown_by_its_attributes_and_its_neighbours_as_ever(
    primary: Pool, secondary: Pool
) -> None:
    first, second, third = rows(primary, secondary, "f(1)", "two()", "f(3)")
    for row, x in ((first, 1), (third, 3)):
        assert isinstance(row, TraceRecord)
        assert (row.outcome.label, row.events[-1].value, row.determinism.label) == ("returned", str(x + 1), "verified")
        notes = ["<Raw (repr crashes)>", f"<Raw (repr crashes) n={x}>", f"<Raw (repr crashes) n={x} ready=True>"]
        assert values(row) == [str(x), *notes]
    assert values(second) == ["<Other.Inner (repr crashes)>", "<Other (repr crashes)>"]


def test_a_repr_that_asks_another_goes_with_it(primary: Pool, secondary: Pool) -> None:
    """Nothing tells that the other would have been asked inside."""
    (row,) = rows(primary, secondary, "around(1)")
    assert "<Holder (repr crashes) held=<Raw (repr crashes)>>" in values(row)


@pytest.mark.parametrize("kind", ["function", "doctest"])
def test_the_untraced_run_asks_what_the_traced_one_asked(primary: Pool, secondary: Pool, kind: str) -> None:
    limits = small_limits()
    if kind == "function":
        (row,) = rows(primary, secondary, "given()")
    else:
        jobs = [make_doctest(SOURCE, f">>> given().n = {n}", "given", limits=limits) for n in (1, 2)]
        row = TraceRunner(primary, secondary, "full").run_family(jobs)[0]
    assert isinstance(row, TraceRecord)
    assert (row.outcome.label, row.determinism.label) == ("returned", "verified"), row.determinism
    assert "<Raw (repr crashes)>" in values(row)


@pytest.mark.parametrize("call", ["own()", "own_repr()"])
def test_a_programs_own_crash_is_a_record(primary: Pool, secondary: Pool, call: str) -> None:
    (row,) = rows(primary, secondary, call)
    assert isinstance(row, TraceRecord)
    assert (row.outcome.label, row.outcome.signal) == ("killed", signal.SIGSEGV)
    assert row.determinism.label == "verified"


def test_a_crash_under_the_recorder_alone_is_no_record(primary: Pool) -> None:
    row = run_row(primary, make_job(SOURCE, "only_traced()", limits=small_limits()))
    assert isinstance(row, Failure)
    assert (row.reason, row.detail) == ("recorder_error", "signal 11 under the recorder, and none without it")


def test_a_family_finds_its_members_types_itself(primary: Pool) -> None:
    examples = (">>> given().n = 1", ">>> f(1)\n    2", ">>> own()", ">>> two()\n    2")
    jobs = [make_doctest(SOURCE, one, "given", limits=small_limits()) for one in examples]
    runs = run_family(primary, jobs, [(index, True) for index in range(4)])
    raw, two = ("prog.Raw",), ("prog.Other.Inner", "prog.Other")
    assert {member: run.silent for member, run in runs.items()} == {(0, True): raw, (1, True): raw, (3, True): two}
    alone = [run_inputs(primary, job, [0])[0] for job in jobs]
    assert [run.silent for run in alone] == [raw, raw, (), two]
    for (index, _), run in runs.items():
        assert run.segment is not None
        assert run.segment == alone[index].segment


@pytest.mark.parametrize("forged", [b'["A"', b'["A","a","b"]', b'["A",""]', b'["A",1]', b'["A",' + b"[" * 10**5])
def test_forged_announcements_tell_of_no_type(forged: bytes) -> None:
    assert last_asked(forged + b"\n") == ""


def test_a_crash_that_does_not_come_again_leaves_the_member_to_the_host() -> None:
    member = {"announce": False, "silent": []}
    assert prepare_again(member, signal.SIGSEGV, b"")
    assert member == {"announce": True, "silent": []}
    assert not prepare_again(member, 0, b"")
    assert member == {"announce": False, "silent": []}


def test_the_search_ends() -> None:
    asked: list[tuple[str, ...]] = []

    def run(silent: tuple[str, ...]) -> JobOutcome:
        asked.append(silent)
        lines = b'["H",2,"0","3.11"]\n["I",0]\n["A","other"]\n["A",""]\n["A","m.T%d"]\n' % len(silent)
        return JobOutcome(status="killed", signal=11, result=lines)

    found = crashing_types(run)
    assert found == tuple(f"m.T{number}" for number in range(8))
    assert asked == [found[:count] for count in range(8)]
