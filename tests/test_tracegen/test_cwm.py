"""The rules of the cwm frames, one by one, and against a second reading of them."""

import json

import pytest
from cases import CASES
from generated import PATIENT, Simulated, simulations
from hypothesis import given
from records import build, code

from schemas.document import Segment
from schemas.errors import ParseError
from schemas.special_tokens import END_OF_TEXT, FRAME_SEP
from schemas.trace_record import Outcome, TraceRecord
from tracegen.render.cwm import CwmRenderer, frames_nest
from tracegen.render.cwm_parser import parse_cwm

SOURCE = [("m.py", 1, "def f(x):\n    return g(x)\n"), ("m.py", 9, "def g(y):\n    return y")]
CODES = [code("f", 1), code("g", 9)]


def _text(record: TraceRecord) -> str:
    return "".join(segment.text for segment in CwmRenderer().render(record))


def _frames(record: TraceRecord) -> list[str]:
    return _text(record).split(FRAME_SEP)[1:]


def _locals(record: TraceRecord) -> list[str]:
    return [segment.text for segment in CwmRenderer().render(record) if segment.role == "state"]


@PATIENT
@given(simulations(threads=3))
def test_locals_are_as_the_rules_say(run: Simulated) -> None:
    """A second, quadratic reading of TRACE_FORMAT section 3 gives the same ``$LOCALS``."""
    events = run.record.events
    wanted = []
    for index, event in enumerate(events):
        state = dict(run.states[index])
        if event.kind == "line":
            shown = [
                i
                for i in range(index)
                if events[i].frame == event.frame and events[i].kind in ("call", "resume", "line")
            ]
            between = events[shown[-1] : index]
            left = any(e.frame != event.frame and e.kind in ("return", "yield", "unwind") for e in between)
            before = {} if left else run.states[shown[-1]]
            pairs = [
                f"{json.dumps(name)}: "
                + ('".."' if before.get(name) == text else '"\\u002e."' if text == ".." else json.dumps(text))
                for name, text in state.items()
            ]
            wanted.append("{" + ", ".join(pairs) + "}")
        elif event.kind in ("call", "resume"):
            wanted.append(json.dumps(state))
    assert _locals(run.record) == wanted


def test_a_line_after_a_return_restates_and_after_an_exception_does_not() -> None:
    record = build(
        SOURCE,
        CODES,
        """
1:f call 1; x=1
1 line 2
1 exception 2; => (<class 'E'>, E(), <traceback object>)
1 line 2
2:g call 9; y=1
2 return 10; => 1
1 exception 2; => (<class 'E'>, E(), <traceback object>)
1 line 2
1 line 2
""",
    )
    assert _locals(record) == ['{"x": "1"}', '{"x": ".."}', '{"x": ".."}', '{"y": "1"}', '{"x": "1"}', '{"x": ".."}']


def test_a_callee_that_has_not_returned_does_not_restate() -> None:
    """Threads: frame 2 has only entered when frame 1 goes on."""
    record = build(SOURCE, CODES, "1:f call 1; x=1\n2:g<0#1 call 9; y=1\n1 line 2\n2 line 10")
    assert _locals(record) == ['{"x": "1"}', '{"y": "1"}', '{"x": ".."}', '{"y": ".."}']
    assert not frames_nest(record)


def test_unchanged_is_judged_by_what_was_shown_last() -> None:
    """A value that changes at an exception and back by the next line was never shown otherwise; and the contrary."""
    record = build(
        SOURCE,
        CODES,
        "1:f call 1; x=1; z=1\n1 line 2\n1 exception 2; x=2; z=2; => E()\n1 line 2; x=1",
    )
    assert _locals(record)[-1] == '{"x": "..", "z": "2"}'


def test_a_new_call_of_the_same_function_knows_nothing_of_the_last_one() -> None:
    notation = "1:f call 1; x=7\n1 line 2\n" + "".join(
        f"{uid}:g<1 call 9; y=7\n{uid} line 10\n{uid} return 10; => 7\n1 line 2\n" for uid in (2, 3)
    )
    assert _locals(build(SOURCE, CODES, notation.strip())).count('{"y": "7"}') == 2


def test_a_deleted_and_rebound_name_goes_to_the_end() -> None:
    record = build(SOURCE, CODES, "1:f call 1; a=1; b=2\n1 line 2; -a\n1 line 2; a=1")
    assert _locals(record) == ['{"a": "1", "b": "2"}', '{"b": ".."}', '{"b": "..", "a": "1"}']


def test_a_value_that_reads_dots_is_not_taken_for_unchanged() -> None:
    record = build(SOURCE, CODES, "1:f call 1; x=..\n1 line 2\n1 line 2; y=..\n1 line 2; x=1\n1 line 2; x=..")
    assert _locals(record)[0] == '{"x": ".."}'
    assert _locals(record)[2] == '{"x": "..", "y": "\\u002e."}'
    states = [event.state for event in parse_cwm(CwmRenderer().render(record)).events]
    assert states[2:] == [{"x": "..", "y": ".."}, {"x": "1", "y": ".."}, {"x": "..", "y": ".."}]


def test_context_joins_chunks_and_marks_the_def_line() -> None:
    record = build(
        [
            ("m.py", 3, "class C:\r\n"),
            ("m.py", 7, "    @deco\n    def f(\n        self):\n        pass\n\n\n"),
            ("n.py", 1, "x = 1"),
        ],
        [code("C.f", 7, 8)],
        "1:C.f call 7; self=<C>\n1 line 10\n1 return 8; => None",
    )
    context, *frames = _text(record).split(FRAME_SEP)
    assert context.endswith(
        "start|>class C:\n\n    @deco\n    def f(  # << START_OF_TRACE\n        self):\n        pass\n\nx = 1\n"
    )
    assert [frame.split("<|action_sep|>")[1] for frame in frames[:-1]] == [
        "    @deco\n",
        "        pass\n",
        '    def f(  # << START_OF_TRACE\n<|arg_sep|>"None"',
    ]


def test_lines_split_as_python_splits_them() -> None:
    """A form feed, a Unicode line separator and a lone carriage return: only the last ends a line."""
    record = build([("m.py", 1, "def f():\n\x0c\n    '\u2028'\r    return 1")], [code("f", 1)], "1:f call 1\n1 line 4")
    assert _frames(record)[1].endswith("<|action_sep|>    return 1\n")


def test_a_line_without_source_is_an_empty_line() -> None:
    record = build(SOURCE, CODES, "1:f call 1; x=1\n1 line 5")
    assert _frames(record)[1] == '<|line_sep|>{"x": ".."}<|action_sep|>\n'


@pytest.mark.parametrize("label", ["event_limit", "timeout", "killed"])
def test_a_cut_record_stops_after_a_frame_and_parses(label: str) -> None:
    record = build(SOURCE, CODES, "1:f call 1; x=1\n1 line 2", outcome=Outcome(label))  # type: ignore[arg-type]
    segments = CwmRenderer().render(record)
    assert segments[-1].text == FRAME_SEP
    parsed = parse_cwm(segments)
    assert not parsed.complete
    assert len(parsed.events) == 2


@pytest.mark.parametrize(
    ("last", "label", "ended"),
    [
        ("return 2; => 1", "returned", True),
        ("unwind 2", "raised", True),
        ("yield 2; => 1", "returned", True),
        ("yield 2; => 1", "timeout", False),
    ],
)
def test_end_of_text_stands_where_the_entry_was_left(last: str, label: str, ended: bool) -> None:
    record = build(SOURCE, CODES, f"1:f call 1\n1 line 2\n1 {last}", outcome=Outcome(label))  # type: ignore[arg-type]
    assert _text(record).endswith(END_OF_TEXT) == ended


def test_a_record_without_events_renders_its_context() -> None:
    record = CASES["example"].model_copy(update={"events": (), "frames": ()})
    assert parse_cwm(CwmRenderer().render(record)).events == ()


def test_several_outermost_frames_do_not_crash() -> None:
    record = build(
        SOURCE, CODES, "1:f call 1; x=1\n1 return 2; => 1\n2:g<0 call 9; y=1\n2 return 10; => 1", kind="doctest"
    )
    parsed = parse_cwm(CwmRenderer().render(record))
    assert parsed.complete
    assert [event.frame for event in parsed.events] == [1, 1, 2, 2]
    assert parsed.context.count("START_OF_TRACE") == 1


def test_user_text_never_becomes_a_token() -> None:
    text = "def f(x):\n    return '<|end_of_text|><|frame_sep|>'\n"
    record = build([("m.py", 1, text)], [code("f", 1)], "1:f call 1; x=<|line_sep|>{}\n1 return 2; => <|end_of_text|>")
    segments = CwmRenderer().render(record)
    assert [segment.text for segment in segments if segment.special].count(FRAME_SEP) == 3
    parsed = parse_cwm(segments)
    assert parsed.events[0].state == {"x": "<|line_sep|>{}"}
    assert parsed.events[1].value == "<|end_of_text|>"
    disguised = (*segments[:-1], Segment(special=False, role="control", text=END_OF_TEXT))
    with pytest.raises(ParseError, match=f"segment {len(segments) - 1}"):
        parse_cwm(disguised)


def test_parsing_is_strict_about_every_segment() -> None:
    segments = CwmRenderer().render(CASES["generator"])
    for index in range(len(segments) - 1):
        with pytest.raises(ParseError, match=r"segment \d+"):
            parse_cwm(segments[:index] + segments[index + 1 :])
    with pytest.raises(ParseError, match="nothing may follow"):
        parse_cwm((*segments, segments[-1]))


@pytest.mark.parametrize(
    ("spoilt", "problem"),
    [
        ('{"s": "..", "q": ".."}', "'q' is said to be unchanged"),
        ('{"s":".."}', "expected ': '"),
        ('{"s": ".."', "expected ', '"),
        ('{"s": 1}', "expected a JSON string"),
        ('{"s": "é"}', "not spelt"),
        ('{"s": "a', "not a JSON string"),
        ('{"s": "1", "s": "2"}', "stands twice"),
        ("", "expected '{'"),
    ],
)
def test_parsing_is_strict_about_locals(spoilt: str, problem: str) -> None:
    segments = list(CwmRenderer().render(CASES["example"]))
    index = next(i for i, segment in enumerate(segments) if segment.text == '{"s": "..", "t": ".."}')
    segments[index] = Segment(special=False, role="state", text=spoilt)
    with pytest.raises(ParseError, match=problem) as caught:
        parse_cwm(segments)
    assert f"segment {index}, character" in str(caught.value)
