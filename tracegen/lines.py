"""A record with fewer kinds of events: what is left is what a recording without them would have been."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from schemas.trace_record import DETAIL_KINDS, Counts, Elision, ElisionKind, Event, TraceRecord

_MISSING: Final[ElisionKind] = "no_expressions"


def line_record(record: TraceRecord, kinds: Collection[str] = DETAIL_KINDS) -> TraceRecord:
    """Return the record without the events of ``kinds``, of expressions and opcodes; itself if it has none.

    What an opcode told of the locals, the frame's next event tells. Ids and bytes counted are those of the record.
    """
    values = record.expressions and "expression" in kinds
    if not values and not any(event.kind in kinds for event in record.events):
        return record
    numbers: list[int] = []
    """Per event, how many are kept up to it."""
    events: list[Event] = []
    pending: dict[int, Event] = {}
    live: dict[int, set[str]] = {}
    for event in record.events:
        before = pending.pop(event.frame, None)
        whole = event if before is None else _merged(before, event)
        if event.kind not in kinds:
            events.append(_known(whole, live.setdefault(event.frame, set())))
        elif whole.set or whole.deleted:
            pending[event.frame] = whole
        numbers.append(len(events))
    return record.model_copy(
        update={
            "events": tuple(events),
            "elisions": _renumbered([one for one in record.elisions if not values or one.kind != _MISSING], numbers),
            "counts": Counts(len(events), record.counts.frames, record.counts.wire_bytes),
            "granularity": "line" if "opcode" in kinds else record.granularity,
            "expressions": record.expressions and not values,
        }
    )


def _merged(one: Event, two: Event) -> Event:
    """Return the second event, telling also what the first told before it."""
    told = {name: text for name, text in one.set.items() if name not in two.deleted}
    return replace(two, set=told | two.set, deleted=tuple(dict.fromkeys((*one.deleted, *two.deleted))))


def _known(event: Event, live: set[str]) -> Event:
    """Return the event without deletions of names that no kept event has bound; keeps ``live`` up to date."""
    deleted = tuple(name for name in event.deleted if name in live)
    live.difference_update(deleted)
    live.update(event.set)
    return event if deleted == event.deleted else replace(event, deleted=deleted)


def _renumbered(elisions: Iterable[Elision], numbers: list[int]) -> tuple[Elision, ...]:
    """Count events anew; what was left out several times in a row is one elision again."""
    done: list[Elision] = []
    for one in elisions:
        moved = replace(one, event=numbers[one.event] - 1 if one.event >= 0 else -1)
        if done and replace(done[-1], count=moved.count) == moved:
            moved = replace(moved, count=done.pop().count + moved.count)
        done.append(moved)
    return tuple(done)
