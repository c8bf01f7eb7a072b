"""The view of loops: the first iterations and the last of every loop that a frame runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.trace_record import Event, TraceRecord
from tracegen.stacks import ENTERING, LEAVING, Stacks
from tracegen.views.base import Request
from tracegen.views.loop_lines import Loop, loops_by_path
from tracegen.views.pieces import Gap, Plan, Viewed, assemble

Located = tuple[int, Event]
"""An event and its index in the record."""


@dataclass(slots=True, frozen=True)
class _Run:
    """Events of a frame that are to be left out: from index ``start``, up to but without ``end``."""

    start: int
    end: int
    gap: Gap


@dataclass(slots=True, frozen=True)
class Loops:
    """Keeps the first ``keep`` iterations (at least 1) of each loop execution, the last one, and the final test.

    Iterations that leave their frame by a yield stay: their caller sees the values. They go with the caller's loop.
    """

    keep: int
    draws = False

    @property
    def name(self) -> str:
        """Return the canonical text."""
        return f"loops({self.keep})"

    def pieces(self, viewed: Viewed, request: Request) -> list[Viewed]:
        """Return the record without the iterations in between."""
        runs = _runs(viewed.record, self.keep)
        if not runs:
            return [viewed]
        piece = assemble(viewed.record, _plan(viewed.record, runs))[0]
        return [piece.viewed(viewed, piece.record(viewed.record))]


def greatest_iteration(record: TraceRecord) -> int:
    """Return the greatest number of a loop execution's last iteration, from 0: fewer kept leave something out."""
    return max((execution.last() for _, _, execution in _executions(record)), default=0)


def _plan(record: TraceRecord, runs: dict[int, list[_Run]]) -> Plan:
    stacks, plan = Stacks(record), Plan()
    starting: dict[int, list[tuple[int, _Run]]] = {}
    for frame, of_frame in runs.items():
        for run in of_frame:
            starting.setdefault(run.start, []).append((frame, run))
    active: list[tuple[int, _Run]] = []
    for index, event in enumerate(record.events):
        running = stacks.follow(event)
        active = [one for one in active if one[1].end > index] + starting.get(index, [])
        # The run that began first holds those that began within it.
        gap = next((run.gap for frame, run in active if frame in running), None)
        plan.add(0 if gap is None else None, gap)
    return plan


def _runs(record: TraceRecord, keep: int) -> dict[int, list[_Run]]:
    """Return what is to be left out, by frame; runs that lie within others are among it."""
    runs: dict[int, list[_Run]] = {}
    for frame, loop, execution in _executions(record):
        starts = execution.starts()
        last = execution.last()
        if last <= keep:
            continue
        start, end = starts[keep], starts[last]
        if not any(start <= index < end for index in execution.crossings):
            gap = Gap(0, frame, "loop", line=loop.head, iterations=last - keep)
            runs.setdefault(frame, []).append(_Run(start, end, gap))
    for of_frame in runs.values():
        of_frame.sort(key=lambda run: (run.start, -run.end))
    return runs


@dataclass(slots=True)
class _Execution:
    """One running of a loop in a frame, by indices of events."""

    loop: Loop
    heads: list[int] = field(default_factory=list)
    """Where the head's line begins an iteration."""
    bodies: list[int] = field(default_factory=list)
    """Where the body's first line does: up to 3.9 ``while True`` shows no line of its own."""
    crossings: list[int] = field(default_factory=list)
    """Where the frame was left or entered again."""
    in_body: bool = False
    settled: bool = True

    def arrive(self, index: int, line: int) -> None:
        """Take a line event within the loop."""
        loop = self.loop
        if line == loop.head and (not self.heads or self.in_body or loop.body == loop.head):
            self.heads.append(index)
            self.in_body = False
        if line >= loop.body:
            self.in_body = True
        if line == loop.body and (self.settled or loop.settled == loop.body):
            self.bodies.append(index)
            self.settled = False
        elif line > loop.settled:
            self.settled = True

    def starts(self) -> list[int]:
        """Return where iterations begin, the final test among them."""
        return self.heads if len(self.heads) > 1 or self.loop.nested else self.bodies

    def last(self) -> int:
        """Return the number of the last iteration, from 0; what follows is the final test."""
        starts = self.starts()
        ends_with_test = starts is self.heads and (self.loop.body == self.loop.head or not self.in_body)
        return len(starts) - 1 - ends_with_test


def _executions(record: TraceRecord) -> Iterator[tuple[int, Loop, _Execution]]:
    loops = loops_by_path(record.sources)
    events: dict[int, list[Located]] = {}
    for index, event in enumerate(record.events):
        events.setdefault(event.frame, []).append((index, event))
    for frame, of_frame in events.items():
        visited = {event.line for _, event in of_frame if event.kind == "line"}
        for loop in loops.get(record.codes[record.frame(frame).code].path, ()):
            if loop.body in visited:
                for execution in _executions_of(loop, of_frame):
                    yield frame, loop, execution


def _executions_of(loop: Loop, events: Sequence[Located]) -> Iterator[_Execution]:
    execution: _Execution | None = None
    for index, event in events:
        if event.kind == "line":
            if loop.head <= event.line <= loop.end:
                execution = execution or _Execution(loop)
                execution.arrive(index, event.line)
            elif execution is not None:
                yield execution
                execution = None
        elif execution is not None and (event.kind in ENTERING or event.kind in LEAVING):
            execution.crossings.append(index)
    if execution is not None:
        yield execution
