"""``annotated`` and ``prose`` say what the record says, at the event where it says it, and nothing else."""

import re
from collections.abc import Iterator

import pytest
from cases import CASES
from generated import PATIENT, Simulated, simulations
from golden import check_golden
from hypothesis import given
from hypothesis import strategies as st
from records import build, code

from schemas.document import Segment
from schemas.trace_record import Elision, TraceRecord
from tracegen.documents import render_documents
from tracegen.lines import line_record
from tracegen.render import get_renderer
from tracegen.render.prose import CUT, EMPTY, VALUE_CHARACTERS, narration
from tracegen.render.source_lines import SourceLines
from tracegen.render.steps import steps
from tracegen.render.terminal_text import exception_text
from tracegen.replay import replay
from tracegen.views.base import Request
from tracegen.views.pieces import whole
from tracegen.views.spec import parse_view

VIEWS = ("loops(1)", "depth(2)", "cut(5)", "inline(0.5)", "loops(1)+cut(3)")


def _text(segments: tuple[Segment, ...]) -> str:
    return "".join(segment.text for segment in segments)


def _shown(record: TraceRecord, text: str | None) -> Iterator[TraceRecord]:
    if text is None:
        yield record
    else:
        yield from (piece.record for piece in parse_view(text).pieces(whole(record), Request(1)))


def _stated(segments: list[Segment]) -> list[tuple[str, str]]:
    """Role and words of what a paragraph states; of a shortened value the head, if the count behind it is right."""
    stated = []
    cut = re.compile(re.escape(CUT).replace(re.escape("{count}"), r"(\d+)"))
    for segment, after in zip(segments, [*segments[1:], Segment(False, "prose", "")], strict=True):
        if segment.role != "prose":
            mark = cut.match(after.text) if segment.role == "value" else None
            stated.append((f"{segment.role}+{mark[1]}" if mark else segment.role, segment.text))
    return stated


def _facts(record: TraceRecord) -> list[set[tuple[str, str]]]:
    """What may be said of each event: its frame's values before and at it, and its own words."""
    lines = SourceLines(record.sources)
    known: list[set[tuple[str, str]]] = []
    before: dict[int, dict[str, str]] = {}
    for event, state in replay(record.events):
        values = {*state.values(), *before.get(event.frame, {}).values(), exception_text(event.value or "")}
        values.add(event.value or "")
        facts = {("state", name) for name in (*state, *event.deleted)}
        for value in values:
            head, rest = value[:VALUE_CHARACTERS], len(value) - VALUE_CHARACTERS
            facts.add((f"value+{rest}", head) if rest > 0 else ("value", value))
        facts.add(("source", record.code_of(event).name))
        facts.add(("source", (lines.get(record.code_of(event).path, event.line) or "").strip()))
        known.append(facts)
        before[event.frame] = dict(state)
    for elision in record.elisions:
        if elision.event >= 0:
            known[elision.event].add(("source", elision.name))
    return known


def _check_prose(record: TraceRecord) -> None:
    record = line_record(record)  # the rest is not told
    facts = _facts(record)
    for index, segments in narration(record):
        if index is None:
            continue
        allowed = facts[index]
        if index + 1 < len(facts) and record.events[index + 1].frame == record.events[index].frame:
            allowed = allowed | facts[index + 1]
        assert set(_stated(segments)) <= allowed, (index, segments)
        if record.events[index].value not in (None, ""):
            assert any(segment.role == "value" for segment in segments)


def _changes_told(record: TraceRecord) -> None:
    """Each change is told once: the steps' changes replay to the record's states."""
    states: dict[int, dict[str, str]] = {}
    for step in steps(record):
        for change in (*step.arrived, *step.effects):
            state = states.setdefault(step.event.frame, {})
            assert state.get(change.name) == change.before
            if change.after is None:
                del state[change.name]
            else:
                state[change.name] = change.after
    last = {event.frame: dict(state) for event, state in replay(record.events)}
    assert {uid: state for uid, state in states.items() if state} == {
        uid: state for uid, state in last.items() if state
    }


@PATIENT
@given(simulations(threads=2) | simulations(loops=True), st.sampled_from((None, *VIEWS)))
def test_prose_states_only_what_the_record_holds_there(run: Simulated, text: str | None) -> None:
    for record in _shown(run.record, text):
        _check_prose(record)
        _changes_told(record)
        assert get_renderer("prose").render(record) == get_renderer("prose").render(record)


@PATIENT
@given(simulations(threads=2) | simulations(loops=True), st.sampled_from((None, *VIEWS)))
def test_annotated_shows_every_change_and_value(run: Simulated, text: str | None) -> None:
    for record in _shown(run.record, text):
        segments = get_renderer("annotated").render(record)
        told = [segment.text for segment in segments if segment.role == "state"]
        shown = line_record(record, ("opcode",))
        assert told == [change.name for step in steps(shown) for change in (*step.arrived, *step.effects)]
        notes = [segment.text for segment in segments if segment.text.startswith("# -- ") and " event" in segment.text]
        # Of the lines: what instructions stood between is one there.
        assert len(notes) >= sum(elision.kind in ("loop", "stepped_over", "cut") for elision in shown.elisions)


@pytest.mark.parametrize("case", CASES)
def test_prose_of_real_runs_states_only_what_is_there(case: str) -> None:
    _check_prose(CASES[case])


def test_a_long_value_is_cut_with_the_count_of_what_is_missing() -> None:
    value = repr("x" * 1000)
    record = build(
        [("m.py", 1, "def f(a): return a\n")], [code("f", 1)], f"1:f call 1; a={value}\n1 return 1; => {value}"
    )
    assert (
        _text(get_renderer("prose").render(record)).count(value[:VALUE_CHARACTERS] + "… (and 702 more characters)") == 2
    )
    _check_prose(record)
    assert _text(get_renderer("annotated").render(record)).count(value) == 2


def test_an_empty_value_is_said_to_be_empty() -> None:
    record = build([("m.py", 1, "def f(a): return a\n")], [code("f", 1)], "1:f call 1; a=\n1 return 1; => ")
    assert _text(get_renderer("prose").render(record)).count(EMPTY) == 2


def test_the_templates_vary_with_the_record_and_not_with_the_rendering() -> None:
    texts = {
        _text(get_renderer("prose").render(CASES["example"].model_copy(update={"trace_id": f"{number:032x}"})))
        for number in range(5)
    }
    assert len(texts) == 5


@pytest.mark.parametrize("renderer", ["annotated", "prose", "cwm", "compact"])
@pytest.mark.parametrize("view", ["depth(2)", "cut(8)"])
def test_bytes_of_views(renderer: str, view: str) -> None:
    documents = render_documents(CASES["example"], get_renderer(renderer), parse_view(view))
    name = re.sub(r"[()]", "", view)
    check_golden(f"example_{name}.{renderer}.txt", "\n".join(document.text for document in documents) + "\n")


def test_elisions_of_every_kind_are_told() -> None:
    record = CASES["example"]
    rows = [
        Elision("untraced_call", 3, 2, "json.dumps", 2),
        Elision("no_source", 3, 2, "exec", 1),
        Elision("tracer_removed", 4, 0, "sys.settrace", 1),
        Elision("loop", 5, 2, "line 3: 5 iterations", 40),
        Elision("stepped_over", 7, 2, "g", 3),
        Elision("cut", -1, 0, "earlier events", 8),
    ]
    record = record.model_copy(update={"elisions": tuple(rows)})
    for renderer in ("annotated", "prose"):
        text = _text(get_renderer(renderer).render(record))
        for row in rows:
            (line,) = (line for line in text.split("\n") if f"{row.name}" in line and f" {row.count} " in line)
            assert ("event" in line) == (row.kind in ("loop", "stepped_over", "cut"))
