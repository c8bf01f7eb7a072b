import dis
import sys

import pytest
from generated import PATIENT, Simulated, simulations
from hypothesis import given
from jobs import events_of, make_job, run_record, small_limits

from sandboxes.api import Pool
from schemas.trace_record import DETAIL_KINDS, TraceRecord
from tracegen.checks import record_problems
from tracegen.lines import line_record
from tracegen.render import get_renderer
from tracegen.replay import replay
from tracegen.runner import TraceRunner

SOURCE = """
def f(n):
    t = 0
    for i in range(n):
        t += i
    del n
    return t
"""


def opcodes(pool: Pool, source: str, call: str, **fields: object) -> TraceRecord:
    record = run_record(pool, source, call, granularity="opcode", **fields)
    assert list(record_problems(record)) == []
    return record


def test_every_instruction_is_an_event_of_the_code_that_ran(primary: Pool) -> None:
    record = opcodes(primary, SOURCE, "f(2)")
    namespace: dict[str, object] = {}
    exec(SOURCE.replace("\n", "", 1), namespace)
    known = {(one.offset, one.opname) for one in dis.get_instructions(namespace["f"])}  # type: ignore[arg-type]
    seen = [event.instruction for event in events_of(record, "f") if event.kind == "opcode"]
    assert len(seen) >= 20
    assert {(one.offset, one.opname) for one in seen if one} <= known
    assert seen[-1] is not None
    assert seen[-1].opname.startswith("RETURN")


def test_an_instruction_tells_what_the_one_before_it_did(primary: Pool) -> None:
    events = events_of(opcodes(primary, SOURCE, "f(1)"), "f")
    names = [
        (event.instruction.opname if event.instruction else event.kind, event.set, event.deleted) for event in events
    ]
    stores = [index for index, (name, _, _) in enumerate(names) if name == "STORE_FAST"]
    told = [next(iter(names[index + 1][1].items()), None) for index in stores]
    assert told == [("t", "0"), ("i", "0"), None]  # t stays 0
    deletion = next(index for index, (name, _, _) in enumerate(names) if name == "DELETE_FAST")
    assert names[deletion + 1][2] == ("n",)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="instructions have no columns")
def test_places_are_those_of_the_source_in_characters(primary: Pool) -> None:
    record = opcodes(primary, "def f(x):\n    return 'é' + x.upper() + (\n        'ö')\n", "f('a')")
    lines = record.sources[0].text.split("\n")
    texts = {
        (event.instruction.opname, lines[event.line - 1][event.place.column : event.place.end_column])
        for event in events_of(record, "f")
        if event.place and event.instruction and event.place.end_line == event.line
    }
    assert {("LOAD_FAST", "x"), ("BINARY_OP", "'é' + x.upper()")} <= texts


def test_the_line_events_are_those_of_a_plain_recording(primary: Pool) -> None:
    plain, left = run_record(primary, SOURCE, "f(3)"), line_record(opcodes(primary, SOURCE, "f(3)"))
    assert left.events == plain.events
    assert left.granularity == "line"


def test_instructions_count_for_the_limit_and_runs_are_verified(primary: Pool, secondary: Pool) -> None:
    job = make_job(SOURCE, "f(1000)", granularity="opcode", limits=small_limits(max_events=100))
    row = TraceRunner(primary, secondary, "full").run(job)[0]
    assert isinstance(row, TraceRecord)
    assert (len(row.events), row.outcome.label, row.determinism.label) == (100, "event_limit", "verified")


def test_texts_show_instructions_or_leave_them_out(primary: Pool) -> None:
    record, plain = opcodes(primary, SOURCE, "f(2)"), run_record(primary, SOURCE, "f(2)")
    for name in ("cwm", "annotated"):
        renderer = get_renderer(name)
        assert renderer.render(record) == renderer.render(plain)
    text = "".join(one.text for one in get_renderer("compact").render(record))
    assert "<|line_sep|>op 3:4-5 " in text or sys.version_info < (3, 11)
    assert " STORE_FAST" in text


@PATIENT
@given(simulations(threads=2))
def test_without_details_every_other_event_keeps_its_state(drawn: Simulated) -> None:
    left = line_record(drawn.record)
    wanted = [
        (event.kind, event.frame, event.line, event.value, list(state.items()))
        for event, state in zip(drawn.record.events, drawn.states, strict=True)
        if event.kind not in DETAIL_KINDS
    ]
    found = [
        (event.kind, event.frame, event.line, event.value, list(state.items())) for event, state in replay(left.events)
    ]
    assert found == wanted
    assert all(-1 <= one.event < len(left.events) for one in left.elisions)
