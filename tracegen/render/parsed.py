"""What parsers give back, and the strict reading of segments that they share."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.document import Segment
from schemas.errors import ParseError
from schemas.trace_record import Elision, EventKind, Instruction, Outcome, Place


@dataclass(slots=True, frozen=True)
class ParsedEvent:
    """One event of a text, with what its format shows of it; the rest is ``None``."""

    kind: EventKind
    frame: int
    """``compact``: the record's uid. ``cwm``: number of the CALL that entered it, from 1 (also a resumption)."""
    state: dict[str, str] | None
    """All locals at the event, in the record's order of names."""
    value: str | None = None
    source: str | None = None
    """The line, with its newline in ``cwm``, without in ``compact``."""
    path: str | None = None
    line: int | None = None
    place: Place | None = None
    instruction: Instruction | None = None


@dataclass(slots=True, frozen=True)
class ParsedFrame:
    """One frame of a ``compact`` text."""

    uid: int
    parent: int | None
    thread: int


@dataclass(slots=True, frozen=True)
class ParsedTrace:
    """A text read back."""

    context: str
    """As shown, numbers and markers included."""
    events: tuple[ParsedEvent, ...]
    complete: bool
    """Whether the text ends with ``end_of_text``."""
    outcome: Outcome | None = None
    elisions: tuple[Elision, ...] = ()
    frames: tuple[ParsedFrame, ...] = ()


class SegmentReader:
    """Takes segments one by one; whatever is not as expected is a ``ParseError`` that names the segment."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._next = 0

    def fail(self, problem: str, character: int | None = None) -> ParseError:
        """Return the error for the segment taken last; ``character`` counts from 0 within it."""
        where = "" if character is None else f", character {character}"
        return ParseError(f"segment {self._next - 1}{where}: {problem}")

    def peek(self) -> str | None:
        """Return the next segment's special token; ``None`` before text and at the end."""
        if self._next == len(self._segments):
            return None
        segment = self._segments[self._next]
        return segment.text if segment.special else None

    def special(self, *allowed: str) -> str:
        """Take one of these special tokens."""
        segment = self._take(" or ".join(allowed))
        if not segment.special or segment.text not in allowed:
            raise self.fail(f"expected {' or '.join(allowed)}, found {_shown(segment)}")
        return segment.text

    def text(self, what: str) -> str:
        """Take a text; ``what`` names it in the error."""
        segment = self._take(what)
        if segment.special:
            raise self.fail(f"expected {what}, found {_shown(segment)}")
        return segment.text

    def at_end(self) -> bool:
        """Return whether every segment was taken."""
        return self._next == len(self._segments)

    def _take(self, what: str) -> Segment:
        self._next += 1
        if self._next > len(self._segments):
            raise self.fail(f"expected {what}, but the text ends")
        return self._segments[self._next - 1]


def _shown(segment: Segment) -> str:
    kind = "the special token" if segment.special else "the text"
    return f"{kind} {segment.text[:60]!r}"
