"""Replay a record's deltas into the locals that its program had at every event."""

from collections.abc import Iterable, Iterator

from schemas.trace_record import Event


def replay(events: Iterable[Event]) -> Iterator[tuple[Event, dict[str, str]]]:
    """Yield each event with its frame's locals, name -> rendered value, as they were at that event.

    Names stand in the order of first binding within the frame; a deleted and re-bound name goes to the end.
    An expression's event tells nothing of them: they are those of the frame's event before.
    The dict is the frame's own and changes with the next event: copy it to keep it.
    """
    frames: dict[int, dict[str, str]] = {}
    for event in events:
        state = frames.setdefault(event.frame, {})
        for name in event.deleted:
            state.pop(name, None)
        state.update(event.set)
        yield event, state
