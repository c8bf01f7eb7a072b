"""The episode view: every outermost call of a module's own functions, as a record that stands alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from schemas.document import Episode
from schemas.trace_record import (
    MAIN_PATH,
    Code,
    Counts,
    Elision,
    Event,
    Frame,
    Outcome,
    Output,
    SourceChunk,
    TraceRecord,
)
from tracegen.render.source_lines import physical_lines
from tracegen.replay import replay
from tracegen.stacks import ENTERING, Stacks
from tracegen.views.deltas import delta

_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)", re.MULTILINE)


@dataclass(slots=True)
class _Cut:
    """What is gathered of one episode while the record is read once. Frames by the record's uids."""

    indices: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    parents: dict[int, int | None] = field(default_factory=dict)
    """Every frame in order of its first event -> the frame below it there."""
    elisions: list[Elision] = field(default_factory=list)
    states: dict[int, dict[str, str]] = field(default_factory=dict)
    """Each frame's locals at its last event within the episode."""

    def add(self, index: int, event: Event, state: dict[str, str], *, continues: bool) -> None:
        """Take an event; ``continues`` if its frame's previous event is of this episode too: its delta holds."""
        shown = self.states.setdefault(event.frame, {})
        if not continues:
            bound, deleted = delta(shown, state)
            event = replace(event, set=bound, deleted=deleted)
        for name in event.deleted:
            shown.pop(name, None)
        shown.update(event.set)
        self.indices.append(index)
        self.events.append(event)


def episodes(record: TraceRecord) -> list[tuple[Episode, TraceRecord]]:
    """Return the episodes of a doctest's record, in order of their first events.

    An episode is rooted at a frame of the module's own file (that of the first chunk that is not doctest code) with no
    other frame of that file below it, and holds all that runs above the root whenever the root runs: a generator that
    the doctest drives is one episode; when another function resumes it, those events are of that function's episode.
    So the range of an episode can hold events that are not its own. ``expected``, ``stdout`` and ``stderr`` belong to
    the run as a whole and are left out.
    """
    cuts = _Cutter(record).cut()
    return [
        (Episode(first_event=cut.indices[0], last_event=cut.indices[-1]), _view(record, root, cut))
        for root, cut in cuts.items()
    ]


class _Cutter:
    """Reads the record once and gives every event to the episode of the root that it runs above."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._own_path = _own_path(record)
        self._cuts: dict[int, _Cut] = {}
        self._roots: dict[int, int | None] = {}
        """Root of each frame's latest event."""

    def cut(self) -> dict[int, _Cut]:
        """Return the episodes by the uid of their roots."""
        stacks = Stacks(self._record)
        elided: dict[int, list[Elision]] = {}
        for elision in self._record.elisions:
            elided.setdefault(elision.event, []).append(elision)
        for index, (event, state) in enumerate(replay(self._record.events)):
            running = stacks.follow(event)
            below = running[-2] if len(running) > 1 else self._record.frame(event.frame).parent
            before = self._roots.get(event.frame)
            if event.kind in ENTERING or event.frame not in self._roots:
                self._roots[event.frame] = self._root(event, running)
            root = self._roots[event.frame]
            if root is not None:
                cut = self._cuts.setdefault(root, _Cut())
                cut.parents.setdefault(event.frame, below)
                cut.add(index, event, state, continues=before == root)
            for elision in elided.get(index, ()):
                self._add_elision(elision, event)
        return self._cuts

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

    def _add_elision(self, elision: Elision, after: Event) -> None:
        # Frame 0 (the tracer was removed): of whichever episode was running.
        root = self._roots.get(elision.frame or after.frame)
        if root is not None:
            cut = self._cuts[root]
            cut.elisions.append(replace(elision, event=len(cut.events) - 1))


def _own_path(record: TraceRecord) -> str | None:
    paths = (chunk.path for chunk in record.sources)
    return next((path for path in paths if not path.startswith("<doctest ") and path != MAIN_PATH), None)


def _view(record: TraceRecord, root: int, cut: _Cut) -> TraceRecord:
    uids = {frame: uid for uid, frame in enumerate(cut.parents, start=1)}
    used = sorted({record.frame(frame).code for frame in uids})
    codes = {code: index for index, code in enumerate(used)}
    frames = tuple(
        Frame(uid, _parent(uids, uid, cut.parents[frame]), codes[record.frame(frame).code], record.frame(frame).thread)
        for frame, uid in uids.items()
    )
    return record.model_copy(
        update={
            "entry": record.codes[record.frame(root).code].name,
            "expected": (),
            "outcome": _outcome(record, root, cut),
            "sources": _sources(record, cut, [record.codes[code] for code in used]),
            "codes": tuple(record.codes[code] for code in used),
            "frames": frames,
            "events": tuple(replace(event, frame=uids[event.frame]) for event in cut.events),
            "elisions": tuple(replace(elision, frame=uids.get(elision.frame, 0)) for elision in cut.elisions),
            "stdout": Output(),
            "stderr": Output(),
            "counts": Counts(events=len(cut.events), frames=len(frames), wire_bytes=record.counts.wire_bytes),
        }
    )


def _parent(uids: dict[int, int], uid: int, below: int | None) -> int | None:
    parent = None if below is None else uids.get(below)
    return parent if parent is not None and parent < uid else None


def _outcome(record: TraceRecord, root: int, cut: _Cut) -> Outcome:
    """Return how the root ended; the record's own outcome if it was still running at its last event."""
    last = next(event.kind for event in reversed(cut.events) if event.frame == root)
    if last in ("return", "yield"):
        return Outcome("returned")
    return Outcome("raised") if last == "unwind" else record.outcome


def _sources(record: TraceRecord, cut: _Cut, codes: list[Code]) -> tuple[SourceChunk, ...]:
    """Return the chunks that hold a line of an event or of a code's head, and the heads of the classes around them."""
    lines = {(record.code_of(event).path, event.line) for event in cut.events}
    lines |= {(code.path, line) for code in codes for line in (code.first_line, code.def_line)}
    classes = {(code.path, name) for code in codes for name in code.name.split(".")[:-1] if name != "<locals>"}
    return tuple(chunk for chunk in record.sources if _holds_line(chunk, lines) or _holds_class(chunk, classes))


def _holds_line(chunk: SourceChunk, lines: set[tuple[str, int]]) -> bool:
    count = len(physical_lines(chunk.text))
    return any((chunk.path, chunk.first_line + offset) in lines for offset in range(count))


def _holds_class(chunk: SourceChunk, classes: set[tuple[str, str]]) -> bool:
    return any((chunk.path, name) in classes for name in _CLASS.findall(chunk.text))
