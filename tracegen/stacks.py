"""Which frame runs above which, as the events show it: generators leave and come back, threads interleave."""

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.trace_record import Event, EventKind, OutcomeLabel, TraceRecord

ENTERING: Final[frozenset[EventKind]] = frozenset({"call", "resume"})
LEAVING: Final[frozenset[EventKind]] = frozenset({"return", "yield", "unwind"})
CUT: Final[frozenset[OutcomeLabel]] = frozenset({"event_limit", "byte_limit", "timeout", "killed"})
"""Outcomes of a run that had not ended when its record did."""


class Stacks:
    """The running frames of every thread, followed event by event."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._stacks: dict[int, list[int]] = {}
        self._left: set[int] = set()

    def follow(self, event: Event) -> Sequence[int]:
        """Return the frames that run in the event's thread, outermost first, its own last. Valid until the next call.

        A frame that vanished without an event (its tracing was removed) goes when a frame below it is seen again.
        """
        thread = self._record.frame(event.frame).thread
        stack = self._stacks.setdefault(thread, [])
        if thread in self._left:
            stack.pop()
            self._left.remove(thread)
        if event.frame in stack:
            while stack[-1] != event.frame:
                stack.pop()
        else:
            stack.append(event.frame)
        if event.kind in LEAVING:
            self._left.add(thread)
        return stack

    def live(self) -> Iterator[Sequence[int]]:
        """Yield the frames that still run in each thread, outermost first."""
        for thread, stack in self._stacks.items():
            yield stack[:-1] if thread in self._left else stack
