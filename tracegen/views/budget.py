"""The view of a budget: the smallest elision that makes a text fit, and the name of what was done."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import UsageError
from schemas.trace_record import MAIN_PATH, TraceRecord
from tracegen.stacks import Stacks
from tracegen.views.base import Request, View
from tracegen.views.calls import Depth
from tracegen.views.chain import Chain
from tracegen.views.cuts import Cut
from tracegen.views.loops import Loops, greatest_iteration
from tracegen.views.pieces import Viewed

OVER: Final = "over"
"""Ends the name where even single events are larger than the budget: the source alone may be."""


@dataclass(slots=True, frozen=True)
class Budget:
    """Shortens a record until its text is of at most ``most`` units, as ``Request.measure`` counts them.

    Tried in this order: the whole; loops, with ever fewer iterations kept; then the deepest calls stepped over, level
    by level, down to the entry point; then cuts into ever shorter episodes. ``Viewed.done`` names what was done.
    """

    most: int
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"budget({self.most})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the first try that fits, or the last one, marked. Raises ``UsageError`` without a measure."""
        measure = request.measure
        if measure is None:
            raise UsageError(f"{self.name} needs a text to count; give it to render_documents or tracegen render")
        if measure(viewed.record) <= self.most:
            return [replace(viewed, done="whole")]
        pieces, done = [viewed], "whole"
        for view in _tries(viewed.record):
            pieces, done = view.pieces(viewed, request), view.name
            if all(measure(piece.record) <= self.most for piece in pieces):
                return [replace(piece, done=done) for piece in pieces]
        return [replace(piece, done=f"{done},{OVER}") for piece in pieces]


def _tries(record: TraceRecord) -> Iterator[View]:
    shortest: list[View] = []
    keep = greatest_iteration(record) // 2
    while keep:
        shortest = [Loops(keep)]
        yield Chain(tuple(shortest))
        keep //= 2
    deepest, entry = _depths(record)
    loops = shortest
    for depth in range(deepest - 1, entry - 1, -1):
        shortest = [*loops, Depth(depth)]
        yield Chain(tuple(shortest))
    events = len(record.events) // 2
    while events:
        yield Chain((*shortest, Cut(events)))
        events //= 2


def _depths(record: TraceRecord) -> tuple[int, int]:
    """Return the greatest depth of a thread, and that of the entry point (``main`` calls it)."""
    stacks = Stacks(record)
    deepest = max((len(stacks.follow(event)) for event in record.events), default=1)
    has_main = bool(record.events) and record.code_of(record.events[0]).path == MAIN_PATH
    return deepest, 2 if has_main else 1
