"""The recorder's lines as the host reads them: strict, one segment per input."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.errors import WireError
from schemas.trace_record import (
    ELISION_KINDS,
    VIEW_ELISIONS,
    Code,
    Elision,
    Event,
    Expectation,
    Frame,
    Output,
    SourceChunk,
)
from tracegen.addresses import Region, without_addresses
from tracegen.guest.version import WIRE_VERSION
from tracegen.guest.wire import EVENTS
from tracegen.patches import Patches
from tracegen.wire_details import Details, whole


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


@dataclass(slots=True, frozen=True)
class Phase:
    """A ``P`` line: how one phase of a test ended, and where its events begin."""

    when: str
    first_event: int
    outcome: str
    detail: str


@dataclass(slots=True)
class Segment:
    """The lines of one input."""

    index: int
    """Position in the payload's inputs."""
    raw: bytes = b""
    """The lines themselves, without addresses: equal bytes are equal runs."""
    ended: Ending | Refusal | None = None
    """``None`` if the process died first."""
    sources: list[SourceChunk] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    elisions: list[Elision] = field(default_factory=list)
    node: str = ""
    """Of a test suite: the test's name."""
    phases: list[Phase] = field(default_factory=list)
    details: Details = field(default_factory=Details)
    """Of expressions and instructions."""
    patches: Patches = field(default_factory=Patches, compare=False)


@dataclass(slots=True)
class WireResult:
    """A job's result."""

    recorder_version: str
    python: str
    segments: list[Segment]
    complete: bool
    """The job came to its own end."""
    planned: tuple[str, ...] | None = None
    """Of a test suite: the tests that were to run; ``None`` if it did not get that far."""


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
    planned = _planned(body.pop(0)) if body and body[0].startswith(b'["L"') else None
    return WireResult(str(header[2]), str(header[3]), list(_segments(body, _regions(header))), complete, planned)


def _regions(header: list[Any]) -> list[Region]:
    if len(header) != 5 or not isinstance(header[4], list):
        raise WireError("the header line does not say where the process keeps its objects")
    try:
        return [(whole(first), whole(end)) for first, end in header[4]]
    except (TypeError, ValueError) as error:
        raise WireError(f"malformed regions of memory: {error}") from error


def _planned(line: bytes) -> tuple[str, ...]:
    row = _decode(line)
    if len(row) != 2 or not isinstance(row[1], list) or not all(type(node) is str for node in row[1]):
        raise WireError(f"malformed list of tests: {line[:80]!r}")
    return tuple(row[1])


def _segments(lines: list[bytes], regions: list[Region]) -> Iterator[Segment]:
    current: list[bytes] = []
    for line in [*lines, b'["I"']:
        if line.startswith(b'["I"') and current:
            yield _segment(current[0], without_addresses(current[1:], regions))
            current = []
        current.append(line)


def _segment(head: bytes, lines: list[bytes]) -> Segment:
    first = _decode(head)
    if first[0] != "I":
        raise WireError(f"line outside an input: {head[:80]!r}")
    segment = Segment(index=int(first[1]), node=str(first[2]) if len(first) > 2 else "", raw=b"\n".join(lines))
    for line in lines:
        if segment.ended is not None:
            raise WireError(f"line after the end of an input: {line[:80]!r}")
        try:
            _take(segment, _decode(line))
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise WireError(f"malformed line {line[:120]!r}: {error}") from error
    return segment


_parse = json.JSONDecoder().decode


def _decode(line: bytes) -> list[Any]:
    try:
        row = _parse(line.decode())  # given bytes, ``json.loads`` looks for their encoding in every line
    except (ValueError, RecursionError) as error:
        raise WireError(f"line is not JSON: {line[:80]!r}") from error
    if not isinstance(row, list) or not row or not isinstance(row[0], str):
        raise WireError(f"line is not an array with a tag: {line[:80]!r}")
    return row


def _take(segment: Segment, row: list[Any]) -> None:
    tag = row[0]
    if tag == "e":
        segment.events.append(_of_known_frame(segment, segment.details.expression(row)))
    elif tag == "o":
        event = _of_known_frame(segment, _event(segment, row))
        segment.events.append(segment.details.complete(event, segment.frames[event.frame - 1].code))
    elif tag in EVENTS:
        segment.events.append(_of_known_frame(segment, _event(segment, row)))
    elif tag == "L":
        segment.details.add_place(row)
    elif tag == "B":
        segment.details.add_table(row)
    elif tag == "F":
        _, uid, parent, code, thread = row
        if uid != len(segment.frames) + 1 or not 0 <= whole(code) < len(segment.codes) or not 0 <= whole(parent) < uid:
            raise ValueError("frame out of order")
        segment.frames.append(Frame(uid, parent or None, code, whole(thread)))
    elif tag == "C":
        _, path, name, first_line, def_line, flags = row
        flags = tuple(_text(flag) for flag in flags)
        segment.codes.append(Code(_text(path), _text(name), whole(first_line), whole(def_line), flags))
    elif tag == "S":
        _, path, first_line, text = row
        segment.sources.append(SourceChunk(_text(path), whole(first_line), _text(text)))
    elif tag == "X":
        _, kind, event, frame, name, count = row
        if kind not in ELISION_KINDS or kind in VIEW_ELISIONS:
            raise ValueError("unknown kind of elision")
        segment.elisions.append(Elision(kind, whole(event), whole(frame), _text(name), whole(count)))
    elif tag == "P":
        _, when, before, outcome, detail = row
        segment.phases.append(Phase(_text(when), whole(before), _text(outcome), _text(detail)))
    else:
        segment.ended = _ending(row)


def _event(segment: Segment, row: list[Any]) -> Event:
    # Checked by hand: a model per event cost five times as much (10,000 events).
    tag, frame, line = row[:3]
    if len(row) > 6:
        raise ValueError("too many fields")
    changed = segment.patches.resolve(frame, row[3]) if len(row) > 3 else {}
    deleted: list[str] = row[4] if len(row) > 4 else []
    value: str | None = row[5] if len(row) > 5 else None
    if type(value) is not str and value is not None:
        raise ValueError("a value is not text")
    if not all(type(name) is str for name in deleted):
        raise ValueError("a deleted name is not text")
    return Event(cast(Any, EVENTS[tag]), frame, whole(line or 0), changed, tuple(deleted), value)


def _of_known_frame(segment: Segment, event: Event) -> Event:
    if not 1 <= whole(event.frame) <= len(segment.frames):
        raise ValueError("no such frame")
    return event


def _ending(row: list[Any]) -> Ending | Refusal:
    if row[0] == "!":
        _, reason, detail = row
        return Refusal(_text(reason), _text(detail))
    if row[0] != "E":
        raise ValueError("unknown tag")
    _, label, exit_code, final, expectations, out, err = row
    rows = tuple(Expectation(_text(a), _text(b), _text(c), bool(d)) for a, b, c, d in expectations)
    exit_code = None if exit_code is None else whole(exit_code)
    final = None if final is None else _text(final)
    return Ending(_text(label), exit_code, final, rows, _output(out), _output(err))


def _output(row: list[Any]) -> Output:
    text, cut, escaped = row
    return Output(_text(text), whole(cut), bool(escaped))


def _text(value: Any) -> str:
    """Return text that UTF-8 can hold: a program can put lone surrogates into what the guest reports."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {value!r}")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
