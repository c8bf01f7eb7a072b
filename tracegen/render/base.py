"""What a renderer is: a pure, byte-stable function from a record to segments."""

from typing import Protocol

from schemas.document import Segment
from schemas.trace_record import TraceRecord


class Renderer(Protocol):
    """Renders whole records; shortening is the work of views, before."""

    name: str
    version: int
    """Part of every document's id; moves with any change of output bytes."""

    def render(self, record: TraceRecord) -> tuple[Segment, ...]:
        """Return the record's text. Raises nothing for a valid record."""
        ...
