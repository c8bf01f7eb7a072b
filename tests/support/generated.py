"""Random valid records: a simulated program of frames, generators, exceptions and threads, with its true states."""

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.job import JobKind, Provenance
from schemas.trace_record import (
    Code,
    Counts,
    Determinism,
    Elision,
    Event,
    EventKind,
    Frame,
    Instruction,
    Outcome,
    Place,
    SourceChunk,
    TraceRecord,
)

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No timed assertions: a loaded machine is not a failure."""

NASTY = (
    "..",
    '".."',
    "",
    " ",
    "\n",
    "<|end_of_text|>",
    "<|frame_sep|><|call_sep|>{}",
    '"} <|line_sep|>',
    '@2 7 x="1" ..',
    " -x ..",
    'elided untraced_call @1 "len" x1',
    "returned",
    "\\",
    "'\\u20ac'",
    "\u2028\x85\x0c\x00\x7f",
    "😀é",
    "\r",
)
TEXTS = (
    st.sampled_from(NASTY)
    | st.integers(-5, 5).map(repr)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
COLUMNS = st.integers(0, 40)
NAMES = (".0", "a", "b", "x", "é", "__x", "変数")
LINES = st.sampled_from((*NASTY, "def f(a):", "    return a  # << START_OF_TRACE", '@ "m.py" 1', "3 x", "\t"))


@dataclass
class _Running:
    uid: int
    code: int
    locals: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """What the recorder has told of the locals."""


@dataclass
class Simulated:
    """A record and what its program's locals really were at every event."""

    record: TraceRecord
    states: list[dict[str, str]]


class _Program:
    def __init__(
        self, draw: st.DrawFn, codes: tuple[Code, ...], lengths: tuple[int, ...], details: tuple[str, ...]
    ) -> None:
        self.draw = draw
        self.details = details
        self.codes = codes
        self.lengths = lengths
        self.frames: list[Frame] = []
        self.events: list[Event] = []
        self.states: list[dict[str, str]] = []
        self.stacks: dict[int, list[_Running]] = {}
        self.suspended: list[_Running] = []

    def emit(self, kind: EventKind, running: _Running, value: str | None = None) -> None:
        code = self.codes[running.code]
        line = code.first_line + self.draw(st.integers(0, self.lengths[running.code] - 1))
        if self.draw(st.integers(0, 30)) == 30:
            line = 900
        self.mutate(running)
        deleted = tuple(name for name in running.told if name not in running.locals or self._moved(running, name))
        bound = {
            name: text for name, text in running.locals.items() if name in deleted or running.told.get(name) != text
        }
        running.told = dict(running.locals)
        event = Event(kind, running.uid, line, bound, deleted, value)
        if kind == "opcode":
            event.instruction = Instruction(2 * self.draw(COLUMNS), self.draw(st.sampled_from(("NOP", "CALL", "<0>"))))
            event.place = self.draw(st.sampled_from((None, Place(3, line, 5), Place(0, line + 1, 2))))
        self.events.append(event)
        self.states.append(dict(running.locals))

    def _moved(self, running: _Running, name: str) -> bool:
        return name in self.rebound

    def mutate(self, running: _Running) -> None:
        self.rebound: set[str] = set()
        for name in self.draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
            action: Literal["set", "delete", "rebind"] = self.draw(st.sampled_from(("set", "delete", "rebind")))
            if action != "set" and running.locals.pop(name, None) is not None and action == "rebind":
                self.rebound.add(name)
            if action != "delete":
                running.locals[name] = self.draw(TEXTS)

    def step(self, thread: int) -> None:
        stack = self.stacks.setdefault(thread, [])
        choices = ["call", "call"]
        if stack:
            choices += ["line"] * 5 + ["exception", "return", "unwind", "yield", *self.details]
        if self.suspended:
            choices += ["resume"] * 3
        choice = self.draw(st.sampled_from(choices))
        if choice == "call":
            self._call(stack, thread)
        elif choice == "resume":
            running = self.suspended.pop(self.draw(st.integers(0, len(self.suspended) - 1)))
            self.stacks.setdefault(self.frames[running.uid - 1].thread, []).append(running)
            self.emit("resume", running)
        elif choice == "line":
            self.emit("line", stack[-1])
        elif choice == "opcode":
            self.emit("opcode", stack[-1])
        elif choice == "expression":
            self._value(stack[-1])
        elif choice == "exception":
            self.emit("exception", stack[-1], self.draw(TEXTS))
        else:
            self._leave(stack, choice)

    def _value(self, running: _Running) -> None:
        code = self.codes[running.code]
        line = code.first_line + self.draw(st.integers(0, self.lengths[running.code] - 1))
        place = Place(self.draw(COLUMNS), line + self.draw(st.integers(0, 2)), self.draw(COLUMNS))
        self.events.append(Event("expression", running.uid, line, value=self.draw(TEXTS), place=place))
        self.states.append(dict(running.told))

    def _call(self, stack: list[_Running], thread: int) -> None:
        uid = len(self.frames) + 1
        code = self.draw(st.integers(0, len(self.codes) - 1))
        self.frames.append(Frame(uid, stack[-1].uid if stack else None, code, thread))
        stack.append(_Running(uid, code))
        self.emit("call", stack[-1])

    def _leave(self, stack: list[_Running], choice: str) -> None:
        running = stack.pop()
        if choice == "unwind":
            self.emit("unwind", running)
        elif choice == "yield":
            self.emit("yield", running, self.draw(TEXTS))
            self.suspended.append(running)
        else:
            self.emit("return", running, self.draw(TEXTS))


_SOURCES = st.lists(LINES.map(lambda line: line.replace("\n", "").replace("\r", "")), min_size=1, max_size=4)
LOOPS = ["for a in b:", "    c", "    while d:", "        x"]
"""Code whose every line is of a loop."""


@st.composite
def simulations(
    draw: st.DrawFn,
    threads: int = 1,
    kind: JobKind = "function",
    paths: tuple[str, ...] = ("m.py", "n.py"),
    loops: bool = False,
) -> Simulated:
    """Draw a program's run of at most 30 events (60 with ``loops``: all code is ``LOOPS``) in files of ``paths``."""
    chunks: list[SourceChunk] = []
    codes: list[Code] = []
    lengths: list[int] = []
    for number in range(draw(st.integers(1, 4))):
        lines = LOOPS if loops else draw(_SOURCES)
        first = number * 10 + draw(st.integers(1, 5))
        path = paths[number % len(paths)]
        end = draw(st.sampled_from(("\n", "", "\r\n"))) if lines[-1] else "\n"
        chunks.append(SourceChunk(path, first, "\n".join(lines) + end))
        codes.append(Code(path, f"C.f{number}", first, first + draw(st.integers(0, len(lines) - 1)), ()))
        lengths.append(len(lines))
    details = draw(st.sampled_from(((), ("expression",) * 3, ("opcode",) * 3)))
    program = _Program(draw, tuple(codes), tuple(lengths), details)
    for _ in range(draw(st.integers(0, 60 if loops else 30))):
        program.step(draw(st.integers(0, threads - 1)))
    count = len(program.events)
    elisions = draw(st.lists(_elisions(count, len(program.frames)), max_size=2)) if count else []
    record = TraceRecord(
        trace_id="t" * 32,
        job_id="j" * 32,
        source_id="example",
        kind=kind,
        entry="f",
        inputs="f()",
        outcome=draw(
            st.sampled_from((Outcome("returned"), Outcome("killed", signal=9), Outcome("exited", exit_code=3)))
        ),
        determinism=Determinism("unchecked"),
        granularity="opcode" if "opcode" in details else "line",
        expressions="expression" in details,
        sources=tuple(chunks),
        codes=tuple(codes),
        frames=tuple(program.frames),
        events=tuple(program.events),
        elisions=tuple(sorted(elisions, key=lambda elision: elision.event)),
        counts=Counts(events=count, frames=len(program.frames), wire_bytes=0),
        provenance=Provenance(origin="tests"),
        python="3.11.7",
        image="",
        sandbox="process",
        recorder_version="1",
    )
    return Simulated(record, program.states)


def _elisions(events: int, frames: int) -> st.SearchStrategy[Elision]:
    return st.builds(
        Elision,
        kind=st.sampled_from(("untraced_call", "no_source", "tracer_removed")),
        event=st.integers(-1, events - 1),
        frame=st.integers(0, frames),
        name=TEXTS,
        count=st.integers(1, 9),
    )
