"""What views are made of: a plan of which events stay and what is left out, and the records that come of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from schemas.trace_record import VIEW_ELISIONS, Counts, Elision, ElisionKind, Event, Frame, TraceRecord
from tracegen.replay import replay
from tracegen.stacks import Stacks
from tracegen.views.deltas import delta

_ITERATIONS: Final = re.compile(r"line (\d+): (\d+) iterations?")


@dataclass(slots=True, frozen=True)
class Viewed:
    """A record, raw or shortened, and where its events and frames stand in the raw one."""

    record: TraceRecord
    events: tuple[int, ...]
    """Raw index of every event."""
    frames: tuple[int, ...]
    """Raw uid of every frame."""
    opening: int = 0
    """So many first events restate frames that were entered before a cut; their indices are of the frames' last."""
    done: str = ""
    """What a budget did to make it fit."""


def whole(record: TraceRecord) -> Viewed:
    """Return the raw record as it is."""
    return Viewed(record, tuple(range(len(record.events))), tuple(frame.uid for frame in record.frames))


@dataclass(slots=True)
class Gap:
    """Consecutive events of one frame, and all that ran above it, that a piece leaves out."""

    piece: int
    """Number of the piece that has the gap."""
    frame: int
    kind: ElisionKind
    name: str = ""
    line: int = 0
    """Of a loop's head; with ``iterations`` it makes a loop's name."""
    iterations: int = 0
    outer: "Gap | None" = None
    """The gap of another piece within which this one lies."""
    count: int = 0
    """Events left out, those that views before left out within them included."""
    placed: bool = False

    def absorb(self, elision: Elision) -> None:
        """Count what an earlier view left out within the gap."""
        if elision.kind not in VIEW_ELISIONS:
            return
        self.count += elision.count
        earlier = _ITERATIONS.fullmatch(elision.name) if elision.kind == "loop" else None
        if earlier and elision.frame == self.frame and int(earlier[1]) == self.line:
            self.iterations += int(earlier[2])

    def elision(self, event: int, frame: int) -> Elision:
        """Return the row that says so, after ``event`` of the piece."""
        plural = "" if self.iterations == 1 else "s"
        name = self.name or f"line {self.line}: {self.iterations} iteration{plural}"
        return Elision(self.kind, event, frame, name, self.count)


@dataclass(slots=True)
class Plan:
    """For every event the number of the piece that takes it, and the innermost gap that leaves it out."""

    owners: list[int | None] = field(default_factory=list)
    gaps: list[Gap | None] = field(default_factory=list)

    def add(self, owner: int | None, gap: Gap | None = None) -> None:
        """Plan the next event."""
        self.owners.append(owner)
        self.gaps.append(gap)


@dataclass(slots=True)
class Piece:
    """What is gathered of one part while the record is read once. Frames by the record's uids."""

    indices: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    parents: dict[int, int | None] = field(default_factory=dict)
    """Every frame in order of its first event -> the frame below it there."""
    left_out: list[tuple[int, Elision | Gap]] = field(default_factory=list)
    """After which of the piece's events, and what."""
    states: dict[int, dict[str, str]] = field(default_factory=dict)
    """Each frame's locals at its last event within the piece."""
    opening: int = 0

    def add(self, index: int, event: Event, state: dict[str, str], below: int | None, *, continues: bool) -> None:
        """Take an event; ``continues`` if its frame's previous event is of this piece too: its delta holds."""
        self.parents.setdefault(event.frame, below)
        shown = self.states.setdefault(event.frame, {})
        if not continues:
            bound, deleted = delta(shown, state)
            event = replace(event, set=bound, deleted=deleted)
        for name in event.deleted:
            shown.pop(name, None)
        shown.update(event.set)
        self.indices.append(index)
        self.events.append(event)

    def leave_out(self, what: Elision | Gap) -> None:
        """Note what is left out after the latest event."""
        self.left_out.append((len(self.events) - 1, what))

    def record(self, record: TraceRecord) -> TraceRecord:
        """Return the piece as a record: frames renumbered, codes that did not run left out."""
        uids = {frame: uid for uid, frame in enumerate(self.parents, start=1)}
        used = sorted({record.frame(frame).code for frame in uids})
        codes = {code: index for index, code in enumerate(used)}
        frames = tuple(
            Frame(
                uid,
                _parent(uids, uid, self.parents[frame]),
                codes[record.frame(frame).code],
                record.frame(frame).thread,
            )
            for frame, uid in uids.items()
        )
        return record.model_copy(
            update={
                "codes": tuple(record.codes[code] for code in used),
                "frames": frames,
                "events": tuple(replace(event, frame=uids[event.frame]) for event in self.events),
                "elisions": tuple(_row(what, event, uids) for event, what in self.left_out),
                "counts": Counts(events=len(self.events), frames=len(frames), wire_bytes=record.counts.wire_bytes),
            }
        )

    def viewed(self, source: Viewed, record: TraceRecord) -> Viewed:
        """Return ``record``, made of this piece of ``source``, with its places in the raw record."""
        events = tuple(source.events[index] for index in self.indices)
        opening = sum(number < self.opening or index < source.opening for number, index in enumerate(self.indices))
        frames = tuple(source.frames[frame - 1] for frame in self.parents)
        return Viewed(record, events, frames, opening, source.done)


def _parent(uids: dict[int, int], uid: int, below: int | None) -> int | None:
    parent = None if below is None else uids.get(below)
    return parent if parent is not None and parent < uid else None


def _row(what: Elision | Gap, event: int, uids: dict[int, int]) -> Elision:
    frame = uids.get(what.frame, 0)
    return what.elision(event, frame) if isinstance(what, Gap) else replace(what, event=event, frame=frame)


def assemble(record: TraceRecord, plan: Plan, *, reopen: bool = False) -> dict[int, Piece]:
    """Return the pieces of a plan, in order of their first events.

    With ``reopen`` a piece that starts in the middle opens with a ``resume`` of every frame that runs there, outermost
    first, at the line where it stands, with its whole state.
    """
    assembly = _Assembly(record, plan)
    stacks = Stacks(record)
    for index, (event, state) in enumerate(replay(record.events)):
        if reopen and plan.owners[index] not in assembly.pieces:
            assembly.reopen(plan.owners[index], stacks.live())
        running = stacks.follow(event)
        below = running[-2] if len(running) > 1 else record.frame(event.frame).parent
        assembly.take(index, event, state, below)
    for gap in reversed(assembly.placed):
        if gap.outer is not None:
            gap.outer.count += gap.count
    return assembly.pieces


class _Assembly:
    """Gathers the pieces event by event."""

    def __init__(self, record: TraceRecord, plan: Plan) -> None:
        self._record = record
        self._plan = plan
        self._elided: dict[int, list[Elision]] = {}
        for elision in record.elisions:
            self._elided.setdefault(elision.event, []).append(elision)
        self._latest: dict[int, int] = {}
        """Index of each frame's latest event."""
        self.pieces: dict[int, Piece] = {}
        self.placed: list[Gap] = []

    def take(self, index: int, event: Event, state: dict[str, str], below: int | None) -> None:
        """Give an event, and what was elided after it, to its piece or gap."""
        owner, gap = self._plan.owners[index], self._plan.gaps[index]
        if index == 0:
            self._elisions_after(-1, 0)
        if gap is not None:
            self._place(gap)
            gap.count += 1
        if owner is not None:
            before = self._latest.get(event.frame)
            continues = before is not None and self._plan.owners[before] == owner
            piece = self.pieces.setdefault(owner, Piece())
            piece.add(index, event, state, below, continues=continues)
        self._latest[event.frame] = index
        self._elisions_after(index, index)

    def reopen(self, owner: int | None, stacks: Iterator[Sequence[int]]) -> None:
        """Begin a piece with the frames that run, each as it was at its latest event."""
        if owner is None:
            return
        piece = self.pieces[owner] = Piece()
        for stack in stacks:
            for place, uid in enumerate(stack):
                index = self._latest[uid]
                event = Event("resume", uid, self._record.events[index].line)
                below = stack[place - 1] if place else self._record.frame(uid).parent
                piece.add(index, event, self._state(uid), below, continues=False)
        piece.opening = len(piece.events)

    def _state(self, uid: int) -> dict[str, str]:
        """Return a frame's locals at its latest event, which some piece took (replay is one event ahead)."""
        owner = self._plan.owners[self._latest[uid]]
        return {} if owner is None else self.pieces[owner].states[uid]

    def _place(self, gap: Gap) -> None:
        if not gap.placed:
            gap.placed = True
            self.placed.append(gap)
            self.pieces.setdefault(gap.piece, Piece()).leave_out(gap)

    def _elisions_after(self, index: int, event: int) -> None:
        for elision in self._elided.get(index, ()):
            # Of its frame's piece: the event before may be of a callee that went elsewhere.
            place = self._latest.get(elision.frame, event)
            owner, gap = self._plan.owners[place], self._plan.gaps[place]
            if gap is not None:
                gap.absorb(elision)
            if owner is not None:
                self.pieces.setdefault(owner, Piece()).leave_out(elision)
