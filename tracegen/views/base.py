"""What a view is: a pure, seeded function from a record to one or several records that replay to the same states."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from schemas.trace_record import TraceRecord
from tracegen.views.pieces import Viewed


@dataclass(slots=True, frozen=True)
class Request:
    """What a view may draw from and measure with."""

    seed: int = 0
    measure: Callable[[TraceRecord], int] | None = None
    """Size of the record's text in the unit of a budget; ``None`` where no text is made."""


class View(Protocol):
    """One step that shortens or divides."""

    @property
    def name(self) -> str:
        """Return the canonical text, which ``parse_view`` reads."""
        ...

    @property
    def draws(self) -> bool:
        """Return whether the seed matters."""
        ...

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return what is to be rendered, in order. Every event's state is as in the raw record."""
        ...
