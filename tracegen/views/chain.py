"""Views one after the other."""

from dataclasses import dataclass

from tracegen.views.base import Request, View
from tracegen.views.pieces import Viewed


@dataclass(slots=True, frozen=True)
class Chain:
    """Takes each view of every piece of the one before.

    A piece in which only the frames that a cut restated are left says nothing of its own and is dropped.
    """

    views: tuple[View, ...]

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return "+".join(view.name for view in self.views)

    @property
    def draws(self) -> bool:
        """Return whether any of them draws."""
        return any(view.draws for view in self.views)

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the last view's pieces."""
        pieces = [viewed]
        for view in self.views:
            pieces = [piece for one in pieces for piece in view.pieces(one, request)]
        return [piece for piece in pieces if not piece.opening or len(piece.events) > piece.opening]
