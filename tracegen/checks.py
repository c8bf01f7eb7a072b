"""What must hold of a stored record and of a document made of it; each breach as one sentence."""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.document import RenderedDocument, document_id
from schemas.errors import ParseError
from schemas.special_tokens import CALL_SEP, EXCEPTION_SEP, LINE_SEP, RETURN_SEP
from schemas.trace_record import (
    DETAIL_KINDS,
    ELISION_KINDS,
    EVENT_KINDS,
    OUTCOMES,
    VALUE_KINDS,
    VIEW_ELISIONS,
    Event,
    TraceRecord,
)
from tracegen.lines import line_record
from tracegen.render import PARSERS, RENDERERS
from tracegen.render.cwm import FRAME_TYPES, frames_nest
from tracegen.render.parsed import ParsedEvent, ParsedTrace
from tracegen.replay import replay

_CWM_KINDS: Final = {CALL_SEP: "call", LINE_SEP: "line", RETURN_SEP: "return", EXCEPTION_SEP: "exception"}


def record_problems(record: TraceRecord) -> Iterator[str]:
    """Yield what is wrong with a raw record: its tables, and the replay of its events."""
    broken = list(_table_problems(record))
    yield from broken
    if not broken:
        yield from _replay_problems(record)
        yield from _elision_problems(record)


def _table_problems(record: TraceRecord) -> Iterator[str]:
    if record.outcome.label not in OUTCOMES:
        yield f"the outcome {record.outcome.label!r} is none of: {', '.join(OUTCOMES)}"
    for number, frame in enumerate(record.frames, start=1):
        if frame.uid != number:
            yield f"frame number {number} has uid {frame.uid}: uids count from 1 without gaps"
        if frame.parent is not None and not 1 <= frame.parent < number:
            yield f"frame {number} has parent {frame.parent}, which was not entered before it"
        if not 0 <= frame.code < len(record.codes):
            yield f"frame {number} runs code {frame.code} of {len(record.codes)}"
    if (record.counts.events, record.counts.frames) != (len(record.events), len(record.frames)):
        yield (
            f"{record.counts.events} events and {record.counts.frames} frames are counted, "
            f"{len(record.events)} and {len(record.frames)} are there"
        )
    for index, event in enumerate(record.events):
        if not 1 <= event.frame <= len(record.frames):
            yield f"event {index} is of frame {event.frame}, of {len(record.frames)}"


def _replay_problems(record: TraceRecord) -> Iterator[str]:
    entered = 0
    states: dict[int, set[str]] = {}
    for index, event in enumerate(record.events):
        if event.kind not in EVENT_KINDS:
            yield f"event {index} is of kind {event.kind!r}"
        if event.frame > entered + 1:
            yield f"event {index} is of frame {event.frame}, but frame {entered + 1} was not entered yet"
        is_first = event.frame not in states
        entered = max(entered, event.frame)
        if is_first != (event.kind == "call"):
            yield f"event {index}, a {event.kind}, is {'the first' if is_first else 'not the first'} of its frame"
        state = states.setdefault(event.frame, set())
        if unknown := [name for name in event.deleted if name not in state]:
            yield f"event {index} deletes {', '.join(unknown)}, which frame {event.frame} does not have"
        state.difference_update(event.deleted)
        state.update(event.set)
        if (event.value is None) == (event.kind in VALUE_KINDS):
            yield f"event {index}, a {event.kind}, has {'no' if event.value is None else 'a'} value"
        yield from _detail_problems(record, index, event)
    if entered < len(record.frames):
        yield f"frame {entered + 1} has no event"


def _detail_problems(record: TraceRecord, index: int, event: Event) -> Iterator[str]:
    wanted = (event.kind == "expression" and record.expressions) or (
        event.kind == "opcode" and record.granularity == "opcode"
    )
    if event.kind in DETAIL_KINDS and not wanted:
        yield f"event {index} is an {event.kind}, which the record says it does not have"
    if (event.instruction is not None) != (event.kind == "opcode"):
        yield f"event {index}, a {event.kind}, has {'no' if event.instruction is None else 'an'} instruction"
    if (event.kind == "expression" and event.place is None) or (event.place and event.kind not in DETAIL_KINDS):
        yield f"event {index}, a {event.kind}, has {'no' if event.place is None else 'a'} place"
    if event.kind == "expression" and (event.set or event.deleted):
        yield f"event {index}, an expression, tells of names"


def _elision_problems(record: TraceRecord) -> Iterator[str]:
    for number, elision in enumerate(record.elisions):
        if elision.kind not in ELISION_KINDS or elision.kind in VIEW_ELISIONS:
            yield f"elision {number} is of kind {elision.kind!r}, which no recorder writes"
        if not (-1 <= elision.event < len(record.events) and 0 <= elision.frame <= len(record.frames)):
            yield f"elision {number} stands at event {elision.event} of frame {elision.frame}, which are not there"


def document_problems(document: RenderedDocument, shown: TraceRecord) -> Iterator[str]:
    """Yield what is wrong with a document of the record or view ``shown``.

    A text with a parser must parse back to the record's events and states (``cwm``: only if its frames nest); one
    without must be what its renderer makes, if it is of the renderer's version of today.
    """
    wanted = document_id(
        document.trace_id, document.renderer, document.renderer_version, document.view, document.seed, document.episode
    )
    if document.document_id != wanted:
        yield f"its id should be {wanted}"
    if document.outcome != shown.outcome.label:
        yield f"its outcome is {document.outcome}, the record's {shown.outcome.label}"
    parse, renderer = PARSERS.get(document.renderer), RENDERERS.get(document.renderer)
    if parse is not None:
        try:
            parsed = parse(document.segments)
        except ParseError as error:
            yield f"it cannot be parsed: {error}"
            return
        yield from _parsed_problems(document.renderer, parsed, shown)
    elif renderer is None:
        yield f"there is no renderer {document.renderer!r}; there are: {', '.join(sorted(RENDERERS))}"
    elif renderer.version == document.renderer_version and renderer.render(shown) != document.segments:
        yield "it is not what its renderer makes of the record"


def _parsed_problems(renderer: str, parsed: ParsedTrace, shown: TraceRecord) -> Iterator[str]:
    if renderer == "cwm":
        if frames_nest(shown):
            yield from _differing(_cwm_events(parsed.events), _cwm_wanted(shown))
        return
    yield from _differing(_compact_events(parsed.events), _compact_wanted(shown))
    if (parsed.outcome, parsed.elisions) != (shown.outcome, shown.elisions):
        yield "its outcome or elisions are not the record's"


Facts = tuple[object, ...]


def _differing(found: Iterable[Facts], wanted: Iterable[Facts]) -> Iterator[str]:
    """Yield the first event that is not as in the record."""
    told, true = list(found), list(wanted)
    for index, (one, other) in enumerate(zip(told, true, strict=False)):
        if one != other:
            part = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
            yield f"event {index} says {_brief(one[part])}, the record {_brief(other[part])}"
            return
    if len(told) != len(true):
        yield f"it has {len(told)} events, the record {len(true)}"


def _brief(fact: object) -> str:
    text = repr(fact)
    return text if len(text) <= 120 else f"{text[:120]}... (+{len(text) - 120} characters)"


def _pairs(state: dict[str, str] | None) -> list[tuple[str, str]] | None:
    return None if state is None else list(state.items())


def _cwm_events(events: Iterable[ParsedEvent]) -> Iterator[Facts]:
    return ((event.kind, event.value, _pairs(event.state)) for event in events)


def _cwm_wanted(shown: TraceRecord) -> Iterator[Facts]:
    for event, state in replay(line_record(shown).events):
        kind = _CWM_KINDS[FRAME_TYPES[event.kind]]
        if kind in ("call", "line"):
            yield kind, None, _pairs(state)
        else:
            yield kind, "None" if event.value is None else event.value, None


def _compact_events(events: Iterable[ParsedEvent]) -> Iterator[Facts]:
    return ((one.kind, one.frame, one.line, one.value, _pairs(one.state), one.place, one.instruction) for one in events)


def _compact_wanted(shown: TraceRecord) -> Iterator[Facts]:
    for event, state in replay(shown.events):
        yield event.kind, event.frame, event.line, event.value, _pairs(state), event.place, event.instruction
