"""Views of calls: what runs in a call is left out of its caller's trace, or becomes an episode of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

from schemas.base import digest
from schemas.trace_record import Code, Event, TraceRecord
from tracegen.stacks import ENTERING, Stacks
from tracegen.views.base import Request
from tracegen.views.episodes import rooted, used_sources
from tracegen.views.pieces import Gap, Piece, Plan, Viewed, assemble

Where = Literal["name", "path", "package"]
_MAIN_PIECE = 0


@dataclass(slots=True, frozen=True)
class Site:
    """One entering of a frame that another frame called or resumed."""

    code: Code
    depth: int
    """Frames that run in the thread, its own included."""
    raw_frame: int
    """The frame's uid in the raw record."""


@dataclass(slots=True, frozen=True)
class Depth:
    """Leaves out every call above ``most`` running frames of a thread, with all that it runs."""

    most: int
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"depth({self.most})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the record without the deep calls."""
        return step_over(viewed, lambda site: site.depth > self.most)


@dataclass(slots=True, frozen=True)
class Over:
    """Leaves out every call of a code whose name, path or package fits a shell pattern, with all that it runs."""

    where: Where
    pattern: str
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"over({self.where}:{self.pattern})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the record without the calls that fit."""
        return step_over(viewed, lambda site: fnmatchcase(_part(site.code, self.where), self.pattern))


def _part(code: Code, where: Where) -> str:
    if where == "package":
        return code.path.partition("/")[0].removesuffix(".py")
    return code.name if where == "name" else code.path


@dataclass(slots=True, frozen=True)
class Inline:
    """Keeps each call in its caller's trace with a probability; the others become episodes of their own.

    The draw is of (seed, trace, raw frame) alone: the same whatever is viewed before, and in whichever order. An
    episode carries the sources of all that ran in it, those of the calls cut out of it included.
    """

    probability: float
    draws = True

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"inline({self.probability:g})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the outermost frames' trace, then the episodes in order of their first events."""
        record = viewed.record

        def decide(site: Site) -> Literal["in", "out"]:
            source = digest({"seed": request.seed, "trace_id": record.trace_id, "frame": site.raw_frame})
            return "in" if Random(source).random() < self.probability else "out"  # noqa: S311  a draw, not a secret

        found = assemble(record, _Homes(viewed, decide).plan())
        above = _codes_above(record)
        return [piece.viewed(viewed, _dressed(record, root, piece, above)) for root, piece in found.items()]


def _codes_above(record: TraceRecord) -> dict[int, set[int]]:
    """Return for every frame the codes that it and the frames first entered above it run."""
    above = {frame.uid: {frame.code} for frame in record.frames}
    for frame in reversed(record.frames):
        if frame.parent is not None:
            above[frame.parent] |= above[frame.uid]
    return above


def _dressed(record: TraceRecord, root: int, piece: Piece, above: dict[int, set[int]]) -> TraceRecord:
    view = piece.record(record)
    if root == _MAIN_PIECE:
        return view
    view = rooted(record, view, root)
    codes = sorted(set().union(*(above[uid] for uid in piece.parents)))
    return view.model_copy(update={"sources": used_sources(view, [record.codes[code] for code in codes])})


def step_over(viewed: Viewed, chosen: Callable[[Site], bool]) -> list[Viewed]:
    """Return the record without the calls that ``chosen`` picks and all that they run; their callers stay."""
    plan = _Homes(viewed, lambda site: "over" if chosen(site) else "in").plan()
    if not any(plan.gaps):
        return [viewed]
    piece = assemble(viewed.record, plan)[_MAIN_PIECE]
    return [piece.viewed(viewed, piece.record(viewed.record))]


class _Homes:
    """Gives every event the piece and the gap of its frame's latest entering."""

    def __init__(self, viewed: Viewed, decide: Callable[[Site], Literal["in", "over", "out"]]) -> None:
        self._viewed = viewed
        self._record = viewed.record
        self._decide = decide
        self._homes: dict[int, tuple[int | None, Gap | None]] = {}

    def plan(self) -> Plan:
        """Return the plan; the number of an episode is the uid of its root."""
        stacks, plan = Stacks(self._record), Plan()
        for event in self._record.events:
            running = stacks.follow(event)
            if event.kind in ENTERING or event.frame not in self._homes:
                self._homes[event.frame] = self._home(event, running)
            plan.add(*self._homes[event.frame])
        return plan

    def _home(self, event: Event, running: Sequence[int]) -> tuple[int | None, Gap | None]:
        if len(running) == 1:
            return _MAIN_PIECE, None
        owner, gap = self._homes[running[-2]]
        if owner is None:
            return owner, gap
        code = self._record.code_of(event)
        decision = self._decide(Site(code, len(running), self._viewed.frames[event.frame - 1]))
        if decision == "in":
            return owner, gap
        step = Gap(owner, running[-2], "stepped_over", code.name, outer=gap)
        return (None if decision == "over" else event.frame), step
