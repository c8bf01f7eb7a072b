"""The recorder's lines as the host reads them: strict, one segment per input."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.errors import WireError
from schemas.trace_record import Code, Elision, Event, Expectation, Frame, Output, SourceChunk
from tracegen.guest.version import WIRE_VERSION
from tracegen.guest.wire import EVENTS


@dataclass(slots=True)
class Ending:
    """An ``E`` line: how the input's run ended, as told from inside."""

    label: str
    exit_code: int | None
    final: str | None
    expectations: tuple[Expectation, ...]
    stdout: Output
    stderr: Output


@dataclass(slots=True)
class Refusal:
    """A ``!`` line: the input cannot be traced."""

    reason: str
    detail: str


@dataclass(slots=True)
class Segment:
    """The lines of one input."""

    index: int
    """Position in the payload's inputs."""
    raw: bytes = b""
    """The lines themselves: equal bytes are equal runs."""
    ended: Ending | Refusal | None = None
    """``None`` if the process died first."""
    sources: list[SourceChunk] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    elisions: list[Elision] = field(default_factory=list)


@dataclass(slots=True)
class WireResult:
    """A job's result."""

    recorder_version: str
    python: str
    segments: list[Segment]
    complete: bool
    """The job came to its own end."""


def parse_result(data: bytes) -> WireResult:
    """Parse what one process wrote. A cut last line is dropped: it is what a death leaves.

    Raises ``WireError`` for anything else that is not the wire's grammar.
    """
    lines = data.split(b"\n")
    lines.pop()
    header = _decode(lines[0]) if lines else None
    if header is None or header[0] != "H":
        raise WireError("the recorder's output does not begin with its header line")
    if header[1] != WIRE_VERSION:
        raise WireError(f"wire version {header[1]}; this host reads {WIRE_VERSION}: use matching guest and host")
    complete = lines[-1] == b'["Z"]'
    body = lines[1:-1] if complete else lines[1:]
    return WireResult(str(header[2]), str(header[3]), list(_segments(body)), complete)


def _segments(lines: list[bytes]) -> Iterator[Segment]:
    current: list[bytes] = []
    for line in [*lines, b'["I"']:
        if line.startswith(b'["I"') and current:
            yield _segment(current)
            current = []
        current.append(line)


def _segment(lines: list[bytes]) -> Segment:
    first = _decode(lines[0])
    if first[0] != "I":
        raise WireError(f"line outside an input: {lines[0][:80]!r}")
    segment = Segment(index=int(first[1]), raw=b"\n".join(lines[1:]))
    for line in lines[1:]:
        if segment.ended is not None:
            raise WireError(f"line after the end of an input: {line[:80]!r}")
        try:
            _take(segment, _decode(line))
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise WireError(f"malformed line {line[:120]!r}: {error}") from error
    return segment


def _decode(line: bytes) -> list[Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise WireError(f"line is not JSON: {line[:80]!r}") from error
    if not isinstance(row, list) or not row or not isinstance(row[0], str):
        raise WireError(f"line is not an array with a tag: {line[:80]!r}")
    return row


def _take(segment: Segment, row: list[Any]) -> None:
    tag = row[0]
    if tag in EVENTS:
        segment.events.append(_event(segment, row))
    elif tag == "F":
        _, uid, parent, code, thread = row
        if uid != len(segment.frames) + 1 or not 0 <= code < len(segment.codes) or parent >= uid:
            raise ValueError("frame out of order")
        segment.frames.append(Frame(uid, parent or None, code, thread))
    elif tag == "C":
        _, path, name, first_line, def_line, flags = row
        segment.codes.append(Code(_text(path), _text(name), first_line, def_line, tuple(flags)))
    elif tag == "S":
        _, path, first_line, text = row
        segment.sources.append(SourceChunk(_text(path), first_line, _text(text)))
    elif tag == "X":
        _, kind, event, frame, name, count = row
        segment.elisions.append(Elision(kind, event, frame, _text(name), count))
    else:
        segment.ended = _ending(row)


def _event(segment: Segment, row: list[Any]) -> Event:
    tag, frame, line = row[0], row[1], row[2]
    if not 1 <= frame <= len(segment.frames) or len(row) > 6 or not isinstance(line, int | None):
        raise ValueError("no such frame, or a wrong number of fields")
    changed: dict[str, str] = row[3] if len(row) > 3 else {}
    if not all(type(text) is str for text in changed.values()):
        raise ValueError("a value is not text")
    deleted = tuple(row[4]) if len(row) > 4 else ()
    return Event(cast(Any, EVENTS[tag]), frame, line or 0, changed, deleted, row[5] if len(row) > 5 else None)


def _ending(row: list[Any]) -> Ending | Refusal:
    if row[0] == "!":
        _, reason, detail = row
        return Refusal(_text(reason), _text(detail))
    if row[0] != "E":
        raise ValueError("unknown tag")
    _, label, exit_code, final, expectations, out, err = row
    rows = tuple(Expectation(_text(a), _text(b), _text(c), bool(d)) for a, b, c, d in expectations)
    return Ending(_text(label), exit_code, final, rows, _output(out), _output(err))


def _output(row: list[Any]) -> Output:
    text, cut, escaped = row
    return Output(_text(text), cut, escaped)


def _text(value: Any) -> str:
    """Return text that UTF-8 can hold: a program can put lone surrogates into what the guest reports."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {value!r}")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
