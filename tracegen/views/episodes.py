"""The episode view: every outermost call of a module's own functions, as a record that stands alone."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from schemas.document import Episode
from schemas.trace_record import MAIN_PATH, Code, Event, Outcome, Output, SourceChunk, TraceRecord
from tracegen.render.source_lines import physical_lines
from tracegen.stacks import ENTERING, Stacks
from tracegen.views.pieces import Plan, Viewed, assemble, whole

_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)", re.MULTILINE)


def episodes(record: TraceRecord) -> list[tuple[Episode, TraceRecord]]:
    """Return the episodes of a doctest's record, in order of their first events.

    An episode is rooted at a frame of the module's own file (that of the first chunk that is not doctest code) with no
    other frame of that file below it, and holds all that runs above the root whenever the root runs: a generator that
    the doctest drives is one episode; when another function resumes it, those events are of that function's episode.
    So the range of an episode can hold events that are not its own. ``expected``, ``stdout`` and ``stderr`` belong to
    the run as a whole and are left out.
    """
    return [(span(episode), episode.record) for episode in episode_pieces(record)]


def episode_pieces(record: TraceRecord) -> list[Viewed]:
    """Return the episodes with the places of their events in the record."""
    source = whole(record)
    pieces = assemble(record, _Roots(record).plan())
    return [
        piece.viewed(source, _with_used_sources(rooted(record, piece.record(record), root)))
        for root, piece in pieces.items()
    ]


def span(viewed: Viewed) -> Episode:
    """Return the first and last raw event that are the piece's own."""
    own = viewed.events[viewed.opening :]
    return Episode(first_event=min(own), last_event=max(own))


class _Roots:
    """Gives every event to the episode of the root that it runs above."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._own_path = _own_path(record)
        self._roots: dict[int, int | None] = {}
        """Root of each frame's latest event."""

    def plan(self) -> Plan:
        """Return the plan; the number of an episode is the uid of its root."""
        stacks, plan = Stacks(self._record), Plan()
        for event in self._record.events:
            running = stacks.follow(event)
            if event.kind in ENTERING or event.frame not in self._roots:
                self._roots[event.frame] = self._root(event, running)
            plan.add(self._roots[event.frame])
        return plan

    def _root(self, event: Event, running: Sequence[int]) -> int | None:
        parent = self._record.frame(event.frame).parent
        if len(running) > 1:
            below = self._roots[running[-2]]
        else:
            # The first frame of a thread runs above no frame of its own thread, but may have a parent in another.
            below = self._roots.get(parent) if parent is not None and event.kind == "call" else None
        if below is not None:
            return below
        return event.frame if self._record.code_of(event).path == self._own_path else None


def _own_path(record: TraceRecord) -> str | None:
    paths = (chunk.path for chunk in record.sources)
    return next((path for path in paths if not path.startswith("<doctest ") and path != MAIN_PATH), None)


def rooted(record: TraceRecord, piece: TraceRecord, root: int) -> TraceRecord:
    """Return a piece of ``record`` as the run of its first frame alone, which is the record's frame ``root``."""
    return piece.model_copy(
        update={
            "entry": record.codes[record.frame(root).code].name,
            "expected": (),
            "outcome": _outcome(record, piece),
            "stdout": Output(),
            "stderr": Output(),
        }
    )


def _outcome(record: TraceRecord, piece: TraceRecord) -> Outcome:
    """Return how the root ended; the record's own outcome if it was still running at its last event."""
    last = next(event.kind for event in reversed(piece.events) if event.frame == 1)
    if last in ("return", "yield"):
        return Outcome("returned")
    return Outcome("raised") if last == "unwind" else record.outcome


def _with_used_sources(piece: TraceRecord) -> TraceRecord:
    return piece.model_copy(update={"sources": used_sources(piece, piece.codes)})


def used_sources(piece: TraceRecord, codes: Iterable[Code]) -> tuple[SourceChunk, ...]:
    """Return the chunks that hold a line of an event or of a code's head, and the heads of the classes around them."""
    codes = tuple(codes)
    lines = {(piece.code_of(event).path, event.line) for event in piece.events}
    lines |= {(code.path, line) for code in codes for line in (code.first_line, code.def_line)}
    classes = {(code.path, name) for code in codes for name in code.name.split(".")[:-1] if name != "<locals>"}
    return tuple(chunk for chunk in piece.sources if _holds_line(chunk, lines) or _holds_class(chunk, classes))


def _holds_line(chunk: SourceChunk, lines: set[tuple[str, int]]) -> bool:
    count = _count_of_lines(chunk.text)
    return any((chunk.path, chunk.first_line + offset) in lines for offset in range(count))


def _holds_class(chunk: SourceChunk, classes: set[tuple[str, str]]) -> bool:
    return any((chunk.path, name) in classes for name in _classes(chunk.text))


@lru_cache(maxsize=1024)  # the pieces of a record share its chunks
def _count_of_lines(text: str) -> int:
    return len(physical_lines(text))


@lru_cache(maxsize=1024)
def _classes(text: str) -> tuple[str, ...]:
    return tuple(_CLASS.findall(text))
