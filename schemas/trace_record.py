"""The lossless record of one run: facts as the recorder saw them. Every text is a pure function of it."""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from schemas.base import Model
from schemas.job import Granularity, JobKind, Provenance

RECORD_VERSION: Final = 2

RecordKind = Literal[JobKind, "test"]
"""``test``: one test of a suite; it belongs to no ``TraceJob``."""

EventKind = Literal["call", "line", "return", "yield", "resume", "exception", "unwind", "expression", "opcode"]
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)

DETAIL_KINDS: Final[frozenset[EventKind]] = frozenset({"expression", "opcode"})
"""Events between those of lines, recorded only where they were asked for."""
VALUE_KINDS: Final[frozenset[EventKind]] = frozenset({"return", "yield", "exception", "expression"})
"""Events with a value; the others have none."""

OutcomeLabel = Literal["returned", "raised", "exited", "event_limit", "byte_limit", "timeout", "killed"]
OUTCOMES: Final[tuple[OutcomeLabel, ...]] = get_args(OutcomeLabel)

DeterminismLabel = Literal["verified", "differs", "perturbed", "unchecked"]

ElisionKind = Literal["untraced_call", "no_source", "tracer_removed", "no_expressions", "loop", "stepped_over", "cut"]
ELISION_KINDS: Final[tuple[ElisionKind, ...]] = get_args(ElisionKind)
VIEW_ELISIONS: Final[frozenset[ElisionKind]] = frozenset({"loop", "stepped_over", "cut"})
"""What a view left out of a record; the other kinds are the recorder's."""

MAIN_PATH: Final = "<main>"
"""Path of the source that holds ``main``, the caller of a ``function`` job's call expression."""


class Place(NamedTuple):
    """Where something stands within its file, beside its first line; columns in characters from 0."""

    column: int
    """Of its first character. Null where there is no place."""
    end_line: int
    """Its last line. Null where there is no place."""
    end_column: int
    """Of the first character after it. Null where there is no place."""


class Instruction(NamedTuple):
    """One bytecode instruction of the frame's code."""

    offset: int
    """In bytes. Null but for ``opcode``."""
    opname: str
    """As ``dis`` names it, without its argument. Null but for ``opcode``."""


@dataclass(slots=True)
class Event:
    """One event of one frame. A plain dataclass: a model per event cost five times as much (10,000 events)."""

    kind: EventKind
    frame: int
    """The frame's ``uid``."""
    line: int
    """Physical line in the code's file, from 1."""
    set: dict[str, str] = field(default_factory=dict)
    """Names bound or changed since the frame's previous event, in order of binding, with their rendered values."""
    deleted: tuple[str, ...] = ()
    """Names that the frame no longer has."""
    value: str | None = None
    """``return``, ``yield`` and ``expression``: the value. ``exception``: the (type, value, traceback) triple."""
    place: Place | None = None
    """``expression``: where it stands. ``opcode``: where what it is compiled from stands, from 3.11 on, if known.
    Stored as ``column``, ``end_line`` and ``end_column``."""
    instruction: Instruction | None = None
    """``opcode``: what runs next. Stored as ``offset`` and ``opname``."""


@dataclass(slots=True, frozen=True)
class Frame:
    """One activation of a code object."""

    uid: int
    """1, 2, 3 … in order of entry, never reused."""
    parent: int | None
    """The recorded frame below it when it was first entered; ``None`` for an outermost one."""
    code: int
    """Index into ``codes``."""
    thread: int
    """0 for the main thread, then in order of first event."""


@dataclass(slots=True, frozen=True)
class Code:
    """One code object that ran."""

    path: str
    name: str
    """Qualified name."""
    first_line: int
    """``co_firstlineno``: of a decorated function, its first decorator."""
    def_line: int
    """Line of the ``def``, ``class`` or ``lambda`` itself."""
    flags: tuple[str, ...]
    """Of ``generator``, ``coroutine``, ``async_generator``, ``comprehension``, ``lambda``, ``class``, ``module``."""


@dataclass(slots=True, frozen=True)
class SourceChunk:
    """Consecutive physical lines of one file, each with its line end."""

    path: str
    first_line: int
    text: str


@dataclass(slots=True, frozen=True)
class Elision:
    """Something that ran and was not recorded, or that a view left out."""

    kind: ElisionKind
    event: int
    """Index of the event after which it happened; -1: before the first."""
    frame: int
    """Frame that it happened in."""
    name: str
    """What was left out: a qualified name, or a reason."""
    count: int
    """How many times in a row; of a view's kinds, how many events."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """How the run ended."""

    label: OutcomeLabel
    signal: int | None = None
    """Number of the signal that ended the process."""
    exit_code: int | None = None
    """Of a program that exited."""


@dataclass(slots=True, frozen=True)
class Determinism:
    """What a second run in another container, with another hash seed and input order, showed."""

    label: DeterminismLabel
    first_difference: str | None = None
    """Where the runs part, for people."""


@dataclass(slots=True, frozen=True)
class Output:
    """What the program wrote to one standard stream."""

    text: str = ""
    """UTF-8 text; if the bytes were not UTF-8, ``escaped``."""
    bytes_cut: int = 0
    """Bytes beyond the limit, which are not kept."""
    escaped: bool = False
    """The bytes were not UTF-8: backslashes are doubled and bad bytes written as ``\\xNN``."""


@dataclass(slots=True, frozen=True)
class Expectation:
    """A result that the source promised, beside the one that came."""

    source: str
    """The call expression, or the doctest example."""
    want: str
    """As the source states it."""
    got: str
    """The returned value's text, or what the example printed."""
    matched: bool
    """Equal as rendered values, or as ``doctest`` compares."""


@dataclass(slots=True, frozen=True)
class Counts:
    """Sizes of the record."""

    events: int
    frames: int
    wire_bytes: int
    """Of the recorder's output for this input."""


class TraceRecord(Model):
    """One input's run. Replaying ``set``/``deleted`` per frame gives the locals at every event."""

    record_version: Literal[2] = RECORD_VERSION
    trace_id: str
    """Of the job and this input."""
    job_id: str
    """Of everything that can change the events, but the inputs."""
    source_id: str
    """The id that the source gave."""
    kind: RecordKind
    entry: str
    """Dotted name within the module; empty for the module's own docstring."""
    inputs: str
    """The input as the job gave it: call expression, docstring or standard input."""
    expected: tuple[Expectation, ...] = ()
    """Empty where the source promised nothing."""
    outcome: Outcome
    determinism: Determinism
    granularity: Granularity = "line"
    """``opcode``: there is an event before each instruction, too."""
    expressions: bool = False
    """Whether there is an event for the value of each expression of interest."""
    sources: tuple[SourceChunk, ...]
    """Chunks in order of file, then line: the module's first, ``<main>`` last."""
    codes: tuple[Code, ...]
    frames: tuple[Frame, ...]
    events: tuple[Event, ...]
    elisions: tuple[Elision, ...] = ()
    stdout: Output = Output()
    stderr: Output = Output()
    counts: Counts
    provenance: Provenance
    python: str
    """Full version of the interpreter, e.g. ``3.11.7``."""
    image: str
    """Content digest of the image (or interpreter)."""
    sandbox: str
    """The backend, and after ``+`` how it departs from its default: ``docker``, ``docker+runsc``,
    ``bubblewrap``, ``bubblewrap+rlimits``, ``process``."""
    recorder_version: str

    def frame(self, uid: int) -> Frame:
        """Return the frame with that uid; uids count from 1 without gaps. Raises ``IndexError``."""
        if uid < 1:
            raise IndexError(f"frame uids start at 1, not {uid}")
        return self.frames[uid - 1]

    def code_of(self, event: Event) -> Code:
        """Return the code object that the event's frame runs."""
        return self.codes[self.frame(event.frame).code]
