"""The view of cuts: a record as consecutive episodes, each opening with the whole state of the frames that run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from schemas.trace_record import VIEW_ELISIONS, Elision
from tracegen.views.base import Request
from tracegen.views.pieces import Plan, Viewed, assemble


@dataclass(slots=True, frozen=True)
class Cut:
    """Cuts after every ``most`` events. What lies before and after an episode is marked, with its count of events.

    From the second on an episode opens with a ``resume`` of every running frame, outermost first, at the line where it
    stands, with its whole state; these come on top of ``most``.
    """

    most: int
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"cut({self.most})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the episodes, in order."""
        record = viewed.record
        if len(record.events) - viewed.opening <= self.most:
            return [viewed]
        plan = Plan()
        for index in range(len(record.events)):
            plan.add(max(index - viewed.opening, 0) // self.most)
        pieces = assemble(record, plan, reopen=True).values()
        return _marked([piece.viewed(viewed, piece.record(record)) for piece in pieces])


def _marked(pieces: Sequence[Viewed]) -> list[Viewed]:
    sums = list(accumulate(map(_size, pieces), initial=0))
    marked = []
    for number, piece in enumerate(pieces):
        before, after = sums[number], sums[-1] - sums[number + 1]
        last = len(piece.record.events) - 1
        elisions = [Elision("cut", -1, 0, "earlier events", before)] if before else []
        elisions += piece.record.elisions
        elisions += [Elision("cut", last, 0, "later events", after)] if after else []
        marked.append(replace(piece, record=piece.record.model_copy(update={"elisions": tuple(elisions)})))
    return marked


def _size(piece: Viewed) -> int:
    """Return how many events the piece stands for: its own, and those that views left out of it."""
    left_out = sum(elision.count for elision in piece.record.elisions if elision.kind in VIEW_ELISIONS)
    return len(piece.events) - piece.opening + left_out
