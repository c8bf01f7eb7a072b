"""A record as steps for readers: each event with what its own line changed, and what changed while others ran."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.trace_record import VIEW_ELISIONS, Code, Elision, Event, TraceRecord


@dataclass(slots=True, frozen=True)
class Change:
    """One name that an event binds, changes or deletes."""

    name: str
    before: str | None
    """``None``: it was not bound."""
    after: str | None
    """``None``: it is deleted."""


@dataclass(slots=True, frozen=True)
class Step:
    """One event."""

    index: int
    event: Event
    code: Code
    arrived: tuple[Change, ...]
    """What it tells that the line before it in the text did not do: arguments, effects of a line that called others,
    what happened in a gap."""
    effects: tuple[Change, ...]
    """What its own line did, as the frame's next event tells, if that follows at once."""
    elisions: tuple[Elision, ...]
    """What was left out after it."""


def steps(record: TraceRecord) -> Iterator[Step]:
    """Yield the events in order."""
    elided: dict[int, list[Elision]] = {}
    for elision in record.elisions:
        elided.setdefault(elision.event, []).append(elision)
    changes = list(_changes(record.events))
    follows = [_follows(record.events, index, elided) for index in range(len(record.events))]
    for index, event in enumerate(record.events):
        is_followed = index + 1 < len(follows) and follows[index + 1]
        yield Step(
            index,
            event,
            record.code_of(event),
            () if follows[index] else changes[index],
            changes[index + 1] if is_followed else (),
            tuple(elided.get(index, ())),
        )


def _follows(events: tuple[Event, ...], index: int, elided: dict[int, list[Elision]]) -> bool:
    """Return whether the event tells what the event right before it did."""
    event = events[index]
    if index == 0 or events[index - 1].frame != event.frame or event.kind in ("call", "resume"):
        return False
    gap = any(one.kind in VIEW_ELISIONS for one in elided.get(index - 1, ()))
    return not gap and events[index - 1].kind not in ("yield", "return", "unwind")


def _changes(events: tuple[Event, ...]) -> Iterator[tuple[Change, ...]]:
    told: dict[int, dict[str, str]] = {}
    for event in events:
        state = told.setdefault(event.frame, {})
        gone = [Change(name, state[name], None) for name in event.deleted if name in state and name not in event.set]
        bound = [Change(name, state.get(name), text) for name, text in event.set.items() if state.get(name) != text]
        for name in event.deleted:
            state.pop(name, None)
        state.update(event.set)
        yield (*gone, *bound)
