"""The view of a budget: the smallest elision that makes a text fit, and the name of what was done."""

from collections.abc import Callable, Sequence
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

    The first of these that fits: the whole; loops, with as many iterations as possible; then also the deepest calls
    stepped over, as few levels as possible, the entry point kept; then also cuts, each try half as long as the one
    before. ``Viewed.done`` names what was done.
    """

    most: int
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"budget({self.most})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return what fits, or else what is shortest, marked. Raises ``UsageError`` without a measure."""
        measure = request.measure
        if measure is None:
            raise UsageError(f"{self.name} needs a text to count; give it to render_documents or tracegen render")
        if measure(viewed.record) <= self.most:
            return [replace(viewed, done="whole")]
        return _Fitting(viewed, request, lambda record: measure(record) <= self.most).pieces()


@dataclass(slots=True)
class _Fitting:
    viewed: Viewed
    request: Request
    fits: Callable[[TraceRecord], bool]

    def pieces(self) -> list[Viewed]:
        """Try one kind of elision after the other, each on top of the most that the ones before can do."""
        record = self.viewed.record
        keeps = range(1, greatest_iteration(record))
        found = self._greatest(keeps, lambda keep: (Loops(keep),))
        loops = (Loops(1),) if keeps else ()
        deepest, entry = _depths(record)
        depths = range(entry, deepest)
        found = found or self._greatest(depths, lambda depth: (*loops, Depth(depth)))
        if found:
            return found
        shortest = (*loops, Depth(entry)) if depths else loops
        return self._cut(shortest)

    def _taken(self, views: tuple[View, ...]) -> list[Viewed]:
        done = Chain(views).name or "whole"
        return [replace(piece, done=done) for piece in Chain(views).pieces(self.viewed, self.request)]

    def _fitting(self, views: tuple[View, ...]) -> list[Viewed] | None:
        pieces = self._taken(views)
        return pieces if all(self.fits(piece.record) for piece in pieces) else None

    def _greatest(self, sizes: Sequence[int], views: Callable[[int], tuple[View, ...]]) -> list[Viewed] | None:
        """Return the pieces of the greatest size that fits; a greater size is taken to make a longer text."""
        found = self._fitting(views(sizes[0])) if sizes else None
        low, high = 0, len(sizes)
        while found and high - low > 1:
            middle = (low + high) // 2
            pieces = self._fitting(views(sizes[middle]))
            found = pieces or found
            low, high = (middle, high) if pieces else (low, middle)
        return found

    def _cut(self, shortest: tuple[View, ...]) -> list[Viewed]:
        pieces = self._taken(shortest)
        size = max(len(piece.events) - piece.opening for piece in pieces)
        # Every part has the source: where that is too long, parts would only repeat it.
        bare = self.viewed.record.model_copy(update={"events": (), "frames": (), "elisions": ()})
        while size > 1 and self.fits(bare):
            size = (size + 1) // 2
            found = self._fitting((*shortest, Cut(size)))
            if found:
                return found
        if size == 1:
            pieces = self._taken((*shortest, Cut(1)))
        return [replace(piece, done=f"{piece.done},{OVER}") for piece in pieces]


def _depths(record: TraceRecord) -> tuple[int, int]:
    """Return the greatest depth of a thread, and that of the entry point (``main`` calls it)."""
    stacks = Stacks(record)
    deepest = max((len(stacks.follow(event)) for event in record.events), default=1)
    has_main = bool(record.events) and record.code_of(record.events[0]).path == MAIN_PATH
    return deepest, 2 if has_main else 1
