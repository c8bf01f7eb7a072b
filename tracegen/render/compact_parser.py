"""Reads ``compact`` segments back into every event's kind, frame, line, state and value."""

import json
import re
from collections.abc import Sequence
from typing import Final, cast

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
from schemas.trace_record import (
    DETAIL_KINDS,
    ELISION_KINDS,
    OUTCOMES,
    VALUE_KINDS,
    Elision,
    ElisionKind,
    EventKind,
    Instruction,
    Outcome,
    OutcomeLabel,
    Place,
)
from tracegen.render.compact import OPENINGS
from tracegen.render.parsed import ParsedEvent, ParsedFrame, ParsedTrace, SegmentReader

_KINDS: Final[dict[tuple[str, str], EventKind]] = {opening: kind for kind, opening in OPENINGS.items()}

_CHUNK = re.compile(r'@ (".*") ([1-9][0-9]{0,8})')
_LINE = re.compile(r"([1-9][0-9]{0,8})(?: (.+))?")
_HEAD = re.compile(
    r"(?P<word>(?:resume |yield |unwind |op )?)"
    r"(?:@(?P<frame>[1-9][0-9]{0,8})(?:<(?P<parent>0|[1-9][0-9]{0,8}))?(?:#(?P<thread>0|[1-9][0-9]{0,8}))? )?"
    r"(?P<line>[1-9][0-9]{0,8}|\?[0-9]{1,9})"
    r"(?::(?P<column>[0-9]{1,9})-(?:(?P<lines>[1-9][0-9]{0,8}):)?(?P<end>[0-9]{1,9}))?"
    r"(?: (?P<offset>[0-9]{1,9}) (?P<opname>[A-Z0-9_<>+]{1,60}))?"
)
_DELETED = re.compile(r" -([^ =\"]+)")
_SET = re.compile(r" ([^ =\"-][^ =\"]*)=")
_ELIDED = re.compile(rf'elided ({"|".join(ELISION_KINDS)}) @(0|[1-9][0-9]{{0,8}}) (".*") x([1-9][0-9]{{0,8}})')
_OUTCOME = re.compile(r"([a-z_]+)(?: signal=([0-9]{1,9}))?(?: code=(-?[0-9]{1,10}))?")
_DECODER: Final = json.JSONDecoder()


def parse_compact(segments: Sequence[Segment]) -> ParsedTrace:
    """Return everything that a ``compact`` text states. Raises ``ParseError`` with the segment's number."""
    reader = SegmentReader(segments)
    reader.special(BEGIN_OF_TEXT)
    reader.special(TRACE_CONTEXT_START)
    context = reader.text("the context")
    events = _Events(reader, _places(reader, context))
    elisions: list[Elision] = []
    outcome: Outcome | None = None
    while outcome is None:
        token = reader.special(CALL_SEP, LINE_SEP, RETURN_SEP, EXCEPTION_SEP, ARG_SEP, FRAME_SEP)
        if token != FRAME_SEP:
            events.read(token)
            continue
        note = reader.text("an elision or the outcome")
        if note.startswith("elided "):
            elisions.append(_elision(reader, note, len(events.done) - 1))
        else:
            outcome = _outcome(reader, note)
    reader.special(END_OF_TEXT)
    if not reader.at_end():
        raise reader.fail(f"nothing may follow {END_OF_TEXT}")
    return ParsedTrace(context, tuple(events.done), True, outcome, tuple(elisions), tuple(events.frames.values()))


def _places(reader: SegmentReader, context: str) -> list[tuple[str, int, str]]:
    """Return path, physical line and text of every numbered line of the context, in order."""
    places: list[tuple[str, int, str]] = []
    path, line = None, 0
    position = 0
    for shown in context.split("\n")[:-1]:
        if header := _CHUNK.fullmatch(shown):
            path, line = _whole_string(reader, header[1], position + 2), int(header[2])
        else:
            numbered = _LINE.fullmatch(shown)
            if path is None or numbered is None or int(numbered[1]) != len(places) + 1:
                raise reader.fail(f"expected '@ \"file\" line' or line number {len(places) + 1}", position)
            places.append((path, line, numbered[2] or ""))
            line += 1
        position += len(shown) + 1
    if position != len(context):
        raise reader.fail("the context must end with a newline", position)
    return places


class _Events:
    """Reads event after event, keeping every frame's locals."""

    def __init__(self, reader: SegmentReader, places: list[tuple[str, int, str]]) -> None:
        self._reader = reader
        self._places = places
        self._states: dict[int, dict[str, str]] = {}
        self._current = 0
        self.frames: dict[int, ParsedFrame] = {}
        self.done: list[ParsedEvent] = []

    def read(self, token: str) -> None:
        """Read what follows an event's opening token."""
        text = self._reader.text("where the event is")
        head = _HEAD.fullmatch(text)
        kind = _KINDS.get((token, head["word"])) if head else None
        if head is None or kind is None:
            raise self._reader.fail(f"{text[:60]!r} does not say where an event of {token} is")
        frame = self._frame(head)
        path, line, source = self._place(head["line"])
        place, instruction = self._details(head, kind, line)
        state = self._states.setdefault(frame, {})
        if kind != "expression":
            _apply(self._reader, "" if self._reader.peek() else self._reader.text("the changes"), state)
        value = None
        if kind in VALUE_KINDS:
            self._reader.special(ARG_SEP)
            value = _whole_string(self._reader, self._reader.text("the value"), 0)
        self.done.append(ParsedEvent(kind, frame, dict(state), value, source, path, line, place, instruction))

    def _details(self, head: re.Match[str], kind: EventKind, line: int) -> tuple[Place | None, Instruction | None]:
        place, instruction = None, None
        if head["column"] is not None:
            place = Place(int(head["column"]), line + int(head["lines"] or 0), int(head["end"]))
        if head["offset"] is not None:
            instruction = Instruction(int(head["offset"]), head["opname"])
        if (place is None and kind == "expression") or (place is not None and kind not in DETAIL_KINDS):
            raise self._reader.fail(f"{'a' if place else 'no'} place for an event of kind {kind}")
        if (instruction is None) == (kind == "opcode"):
            raise self._reader.fail(f"{'an' if instruction else 'no'} instruction for an event of kind {kind}")
        return place, instruction

    def _frame(self, head: re.Match[str]) -> int:
        if head["frame"] is None:
            if not self._current:
                raise self._reader.fail("the first event must name its frame", 0)
            return self._current
        caller, self._current = self._current, int(head["frame"])
        known = self._current in self.frames
        if self._current == caller or (known and (head["parent"] or head["thread"])):
            raise self._reader.fail("says again what is known of the frame", head.start("frame"))
        if not known:
            self.frames[self._current] = self._new_frame(head, caller)
        return self._current

    def _new_frame(self, head: re.Match[str], caller: int) -> ParsedFrame:
        parent = caller if head["parent"] is None else int(head["parent"])
        if parent and parent not in self.frames:
            raise self._reader.fail(f"frame {parent} is not known yet", head.start("parent"))
        implied = self.frames[parent].thread if parent else 0
        thread = implied if head["thread"] is None else int(head["thread"])
        return ParsedFrame(self._current, parent or None, thread)

    def _place(self, number: str) -> tuple[str | None, int, str | None]:
        if number.startswith("?"):
            return None, int(number[1:]), None
        if int(number) > len(self._places):
            raise self._reader.fail(f"the context has {len(self._places)} lines, no line {number}")
        return self._places[int(number) - 1]


def _apply(reader: SegmentReader, changes: str, state: dict[str, str]) -> None:
    """Apply deletions, then bindings; ``..`` must say whether other names live on."""
    position = 0
    while deleted := _DELETED.match(changes, position):
        if state.pop(deleted[1], None) is None:
            raise reader.fail(f"{deleted[1]!r} is deleted, but its frame does not have it", position)
        position = deleted.end()
    bound: dict[str, str] = {}
    while name := _SET.match(changes, position):
        if name[1] in bound:
            raise reader.fail(f"the name {name[1]!r} stands twice", position)
        bound[name[1]], position = _string(reader, changes, name.end())
    state.update(bound)
    rest = changes[position:]
    if rest not in ("", " .."):
        raise reader.fail("expected ' -name', ' name=\"value\"' or ' ..' at the end", position)
    if bool(rest) != (len(state) > len(bound)):
        raise reader.fail("' ..' must stand exactly where other names live on", position)


def _elision(reader: SegmentReader, note: str, event: int) -> Elision:
    match = _ELIDED.fullmatch(note)
    if match is None:
        raise reader.fail("not an elision", 0)
    name = _whole_string(reader, match[3], match.start(3))
    return Elision(cast(ElisionKind, match[1]), event, int(match[2]), name, int(match[4]))


def _outcome(reader: SegmentReader, note: str) -> Outcome:
    match = _OUTCOME.fullmatch(note)
    if match is None or match[1] not in OUTCOMES:
        raise reader.fail(f"not an outcome: {note[:60]!r}; allowed: {', '.join(OUTCOMES)}", 0)
    signal, code = (None if number is None else int(number) for number in match.group(2, 3))
    return Outcome(cast(OutcomeLabel, match[1]), signal, code)


def _whole_string(reader: SegmentReader, text: str, offset: int) -> str:
    value, end = _string(reader, text, 0)
    if end != len(text):
        raise reader.fail("expected one JSON string and nothing else", offset + end)
    return value


def _string(reader: SegmentReader, text: str, start: int) -> tuple[str, int]:
    if not text.startswith('"', start):
        raise reader.fail("expected a JSON string", start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise reader.fail(f"not a JSON string: {error.msg}", error.pos) from error
    if text[start:end] != json.dumps(value, ensure_ascii=False):
        raise reader.fail("not spelt as the renderer spells it", start)
    return value, end
