"""The compact text: what it shows, how short it is, how strictly it is read."""

import pytest
from cases import CASES
from records import build, code

from schemas.document import Segment
from schemas.errors import ParseError, UsageError
from schemas.trace_record import Elision, Outcome, TraceRecord
from tracegen.render import get_renderer
from tracegen.render.compact import CompactRenderer
from tracegen.render.compact_parser import parse_compact
from tracegen.render.cwm import CwmRenderer

SOURCE = [("m.py", 1, "def f(x):\n    return g(x)\n"), ("n.py", 9, "def g(y):\n    return y")]
CODES = [code("f", 1), code("g", 9, path="n.py")]


def _body(record: TraceRecord) -> str:
    segments = CompactRenderer().render(record)
    return "".join(segment.text for segment in segments[3:])


def test_kinds_frames_files_deletions_elisions_and_outcome_show() -> None:
    record = build(
        SOURCE,
        CODES,
        """
1:f call 1; x=1
1 line 2; y=é
2:g call 9; y=1
~ untraced_call 2 json.dumps 2
2 yield 10; => 5
1 line 2; -x
2 resume 10
2 exception 10; y=2; => E()
2 unwind 10
3:g<0#1 call 9
1 return 77; -y; => 'a'
""",
        outcome=Outcome("killed", signal=9),
    )
    assert _body(record) == (
        '<|call_sep|>@1 1 x="1"<|line_sep|>2 y="é" ..<|call_sep|>@2 3 y="1"'
        '<|frame_sep|>elided untraced_call @2 "json.dumps" x2'
        '<|return_sep|>yield 4 ..<|arg_sep|>"5"<|line_sep|>@1 2 -x ..<|call_sep|>resume @2 4 ..'
        '<|exception_sep|>4 y="2"<|arg_sep|>"E()"<|return_sep|>unwind 4 ..<|call_sep|>@3<0#1 3'
        "<|return_sep|>@1 ?77 -y<|arg_sep|>\"'a'\"<|frame_sep|>killed signal=9<|end_of_text|>"
    )
    parsed = parse_compact(CompactRenderer().render(record))
    assert parsed.elisions == (Elision("untraced_call", 2, 2, "json.dumps", 2),)
    assert [frame.parent for frame in parsed.frames] == [None, 1, None]


def test_it_is_at_most_three_quarters_of_cwm_in_characters() -> None:
    for name, record in CASES.items():
        lengths = [
            sum(len(segment.text) for segment in renderer.render(record) if not segment.special)
            for renderer in (CompactRenderer(), CwmRenderer())
        ]
        assert lengths[0] <= 0.75 * lengths[1], name


def test_parsing_is_strict_about_every_segment() -> None:
    segments = CompactRenderer().render(CASES["generator"])
    for index, segment in enumerate(segments):
        if segment.role == "state" and not segment.text.endswith(".."):
            continue  # Other changes would be as valid.
        with pytest.raises(ParseError, match=r"segment \d+"):
            parse_compact(segments[:index] + segments[index + 1 :])
    with pytest.raises(ParseError, match="nothing may follow"):
        parse_compact((*segments, segments[-1]))


@pytest.mark.parametrize(
    ("role", "old", "new", "problem"),
    [
        ("source", "15", "016", "does not say where"),
        ("source", "15", "99", "no line 99"),
        ("source", "15", "0", "does not say where"),
        ("source", "15", "@1 15", "says again"),
        ("source", "@1 14", "14", "must name its frame"),
        ("source", "@2 1", "@2<7 1", "frame 7 is not known"),
        ("source", "15", "yield 15", "does not say where"),
        ("state", " -error ..", " -error", "must stand exactly"),
        ("state", " -error ..", " -err ..", "does not have it"),
        ("state", " -error ..", " -error ...", "expected"),
        ("state", " text=\"'x'\"", ' text="é" text="é"', "stands twice"),
        ("state", " text=\"'x'\"", " text='x'", "expected a JSON string"),
        ("state", " text=\"'x'\"", ' text="\\u00e9"', "not spelt"),
        ("state", " text=\"'x'\"", ' text="x" ..', "must stand exactly"),
        ("value", "raised", "maybe", "not an outcome"),
        ("context", None, "1 x\n", "expected '@"),
        ("context", None, '@ "m.py" 1\n2 x\n', "expected '@"),
        ("context", None, '@ "m.py" 1\n1 x', "must end with a newline"),
    ],
)
def test_parsing_is_strict_about_texts(role: str, old: str | None, new: str, problem: str) -> None:
    segments = list(CompactRenderer().render(CASES["caught_exception"]))
    index = next(i for i, segment in enumerate(segments) if segment.role == role and old in (None, segment.text))
    segments[index] = Segment(special=False, role="state", text=new)
    with pytest.raises(ParseError, match=problem) as caught:
        parse_compact(segments)
    assert f"segment {index}" in str(caught.value)


def test_an_unknown_renderer_is_a_usage_error_that_names_the_choices() -> None:
    assert get_renderer("compact").name == "compact"
    with pytest.raises(UsageError, match=r"'cmw'.*compact, cwm"):
        get_renderer("cmw")
