"""Reads ``cwm`` segments back into the states that they show."""

import json
from collections.abc import Sequence
from typing import Final

from schemas.document import Segment
from schemas.special_tokens import (
    ACTION_SEP,
    ARG_SEP,
    BEGIN_OF_TEXT,
    CALL_SEP,
    END_OF_TEXT,
    EXCEPTION_SEP,
    FRAME_SEP,
    LINE_SEP,
    RETURN_SEP,
    TRACE_CONTEXT_START,
)
from schemas.trace_record import EventKind
from tracegen.render.cwm import ESCAPED_DOTS, UNCHANGED
from tracegen.render.parsed import ParsedEvent, ParsedTrace, SegmentReader

_KINDS: Final[dict[str, EventKind]] = {
    CALL_SEP: "call",
    LINE_SEP: "line",
    RETURN_SEP: "return",
    EXCEPTION_SEP: "exception",
}

_DECODER: Final = json.JSONDecoder()


def parse_cwm(segments: Sequence[Segment]) -> ParsedTrace:
    """Return the events of a ``cwm`` text, with the whole state at every CALL and LINE.

    Kinds are CWM's four. Frames are taken to nest (``frames_nest``). Raises ``ParseError`` with the segment's number.
    """
    reader = SegmentReader(segments)
    reader.special(BEGIN_OF_TEXT)
    reader.special(TRACE_CONTEXT_START)
    context = reader.text("the context")
    reader.special(FRAME_SEP)
    frames = _Frames(reader)
    events: list[ParsedEvent] = []
    while not reader.at_end() and reader.peek() != END_OF_TEXT:
        events.append(_event(reader, frames))
    complete = not reader.at_end()
    if complete:
        reader.special(END_OF_TEXT)
    if not reader.at_end():
        raise reader.fail(f"nothing may follow {END_OF_TEXT}")
    return ParsedTrace(context=context, events=tuple(events), complete=complete)


def _event(reader: SegmentReader, frames: "_Frames") -> ParsedEvent:
    token = reader.special(*_KINDS)
    state = value = None
    if token in (CALL_SEP, LINE_SEP):
        state = frames.show(token == CALL_SEP, reader.text("the locals"))
    frame = frames.current()
    reader.special(ACTION_SEP)
    source = reader.text("the source line")
    if not source.endswith("\n"):
        raise reader.fail("a source line must end with a newline", len(source))
    if token in (RETURN_SEP, EXCEPTION_SEP):
        reader.special(ARG_SEP)
        value = _value(reader)
    reader.special(FRAME_SEP)
    if token == RETURN_SEP:
        frames.leave()
    return ParsedEvent(_KINDS[token], frame, state, value, source)


def _value(reader: SegmentReader) -> str:
    text = reader.text("the value")
    value, end = _json_string(reader, text, 0)
    if end != len(text):
        raise reader.fail("a value is one JSON string and nothing else", end)
    return value


class _Frames:
    """The states shown last, by frame, on the stack that CALL and RETURN make."""

    def __init__(self, reader: SegmentReader) -> None:
        self._reader = reader
        self._stack: list[tuple[int, dict[str, str]]] = []
        self._entered = 0

    def current(self) -> int:
        if not self._stack:
            raise self._reader.fail("no frame is open: a CALL must come first")
        return self._stack[-1][0]

    def show(self, call: bool, text: str) -> dict[str, str]:
        if call:
            self._entered += 1
            state = _locals(self._reader, text, None)
            self._stack.append((self._entered, state))
        else:
            frame = self.current()
            state = _locals(self._reader, text, self._stack[-1][1])
            self._stack[-1] = (frame, state)
        return state

    def leave(self) -> None:
        self._stack.pop()


def _locals(reader: SegmentReader, text: str, before: dict[str, str] | None) -> dict[str, str]:
    """Read ``$LOCALS``; ``before`` is what ``..`` stands for, ``None`` where it is a value like any other."""
    if text == "{}":
        return {}
    state: dict[str, str] = {}
    position = _after(reader, text, 0, "{")
    while True:
        name, colon = _json_string(reader, text, position)
        if name in state:
            raise reader.fail(f"the name {name!r} stands twice", position)
        start = _after(reader, text, colon, ": ")
        value, end = _json_string(reader, text, start, dots=before is not None)
        if before is not None and text[start:end] == UNCHANGED:
            if name not in before:
                raise reader.fail(f"{name!r} is said to be unchanged, but its frame has not shown it", start)
            value = before[name]
        state[name] = value
        if text[end:] == "}":
            return state
        position = _after(reader, text, end, ", ")


def _after(reader: SegmentReader, text: str, position: int, mark: str) -> int:
    if not text.startswith(mark, position):
        raise reader.fail(f"expected {mark!r}", position)
    return position + len(mark)


def _json_string(reader: SegmentReader, text: str, start: int, *, dots: bool = False) -> tuple[str, int]:
    """Return the string that starts at ``start`` and where it ends; only the spelling of ``json.dumps`` is allowed."""
    if not text.startswith('"', start):
        raise reader.fail("expected a JSON string", start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise reader.fail(f"not a JSON string: {error.msg}", error.pos) from error
    spelling = text[start:end]
    if spelling != json.dumps(value) and not (dots and spelling == ESCAPED_DOTS):
        raise reader.fail("not spelt as json.dumps spells it", start)
    return value, end
