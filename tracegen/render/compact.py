"""The ``compact`` renderer: only what changed, line numbers for source lines. Grammar: docs/compact-format.md."""

import json
from collections.abc import Iterator
from typing import Final

from schemas.document import Segment
from schemas.special_tokens import (
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
from schemas.trace_record import Elision, Event, EventKind, Outcome, TraceRecord
from tracegen.render.segments import control, plain
from tracegen.render.source_lines import SourceLines
from tracegen.replay import replay

OPENINGS: Final[dict[EventKind, tuple[str, str]]] = {
    "call": (CALL_SEP, ""),
    "resume": (CALL_SEP, "resume "),
    "line": (LINE_SEP, ""),
    "return": (RETURN_SEP, ""),
    "yield": (RETURN_SEP, "yield "),
    "unwind": (RETURN_SEP, "unwind "),
    "exception": (EXCEPTION_SEP, ""),
    "expression": (ARG_SEP, ""),
    "opcode": (LINE_SEP, "op "),
}
"""Special token and word that open an event of each kind."""


class CompactRenderer:
    """Renders every fact of the events: kinds, frames, lines, states, values; then the outcome."""

    name = "compact"
    version = 1

    def render(self, record: TraceRecord) -> tuple[Segment, ...]:
        """Return the whole text; special tokens are segments of their own."""
        return tuple(_segments(record))


def _segments(record: TraceRecord) -> Iterator[Segment]:
    context, numbers = numbered_context(SourceLines(record.sources))
    yield control(BEGIN_OF_TEXT)
    yield control(TRACE_CONTEXT_START)
    yield plain("context", context)
    elided: dict[int, list[Elision]] = {}
    for elision in record.elisions:
        elided.setdefault(elision.event, []).append(elision)
    yield from _notes(elided.get(-1, []))
    marks = _Marks(record)
    for index, (event, state) in enumerate(replay(record.events)):
        token, word = OPENINGS[event.kind]
        line = numbers.get((record.code_of(event).path, event.line), f"?{event.line}")
        yield control(token)
        yield plain("source", f"{word}{marks.mark(event)}{line}{_details(event)}")
        if changes := _changes(event, len(state)):
            yield plain("state", changes)
        if event.value is not None:
            yield control(ARG_SEP)
            yield plain("value", _string(event.value))
        yield from _notes(elided.get(index, []))
    yield control(FRAME_SEP)
    yield plain("value", outcome_text(record.outcome))
    yield control(END_OF_TEXT)


def numbered_context(lines: SourceLines) -> tuple[str, dict[tuple[str, int], str]]:
    """Return the context, its lines numbered from 1 through all files, and the number of each (path, line)."""
    shown: list[str] = []
    numbers: dict[tuple[str, int], str] = {}
    number = 0
    for chunk, texts in lines.split_chunks():
        shown.append(f"@ {_string(chunk.path)} {chunk.first_line}")
        for offset, text in enumerate(texts):
            number += 1
            numbers.setdefault((chunk.path, chunk.first_line + offset), str(number))
            shown.append(f"{number} {text}" if text else str(number))
    return "".join(line + "\n" for line in shown), numbers


class _Marks:
    """Names the frame of an event where it is not that of the event before."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._before = 0
        self._seen: set[int] = set()

    def mark(self, event: Event) -> str:
        """Return ``@uid``; at a frame's first event also what does not follow from the event before."""
        caller, self._before = self._before, event.frame
        if event.frame == caller:
            return ""
        if event.frame in self._seen:
            return f"@{event.frame} "
        self._seen.add(event.frame)
        frame = self._record.frame(event.frame)
        parent = frame.parent or 0
        implied_thread = self._record.frame(parent).thread if parent else 0
        below = "" if parent == caller else f"<{parent}"
        thread = "" if frame.thread == implied_thread else f"#{frame.thread}"
        return f"@{event.frame}{below}{thread} "


def _details(event: Event) -> str:
    """Return the place within the line, and the instruction."""
    place, instruction = event.place, event.instruction
    text = ""
    if place is not None:
        last = "" if place.end_line == event.line else f"{place.end_line - event.line}:"
        text = f":{place.column}-{last}{place.end_column}"
    return text if instruction is None else f"{text} {instruction.offset} {instruction.opname}"


def _changes(event: Event, live: int) -> str:
    if event.kind == "expression":
        return ""
    parts = [f" -{name}" for name in event.deleted]
    parts += [f" {name}={_string(value)}" for name, value in event.set.items()]
    if live > len(event.set):
        parts.append(" ..")
    return "".join(parts)


def _notes(elisions: list[Elision]) -> Iterator[Segment]:
    for elision in elisions:
        yield control(FRAME_SEP)
        yield plain("source", f"elided {elision.kind} @{elision.frame} {_string(elision.name)} x{elision.count}")


def outcome_text(outcome: Outcome) -> str:
    """Return the outcome in words: ``returned``, ``killed signal=9``, ``exited code=3``."""
    signal = "" if outcome.signal is None else f" signal={outcome.signal}"
    code = "" if outcome.exit_code is None else f" code={outcome.exit_code}"
    return outcome.label + signal + code


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
