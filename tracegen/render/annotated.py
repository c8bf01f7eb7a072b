"""The ``annotated`` renderer: the source, then its lines as they ran, with what each changed as a comment beside it.

    3     for c in s:         # c = 'a' -> 'b'
    4         n += g(c, t)
    7 def g(a, b):            # call g: a = 'b', b = 'b'
    8     return int(a == b)  # return 1
    4 ...                     # n = 0 -> 1

``4 ...`` goes on with line 4 after what it called; ``# -- FILE`` says that the lines that follow are of another file.
The values of expressions stand among the changes, in their order: ``# g(c, t) -> 1``; opcodes are not shown.
For reading, by models and people: nothing is shortened but a value that is replaced, and there is no parser.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.document import Segment
from schemas.special_tokens import BEGIN_OF_TEXT, END_OF_TEXT
from schemas.trace_record import VIEW_ELISIONS, Elision, Event, TraceRecord
from tracegen.lines import line_record
from tracegen.render.compact import outcome_text
from tracegen.render.segments import control, plain
from tracegen.render.source_lines import SourceLines
from tracegen.render.steps import Change, Step, steps
from tracegen.render.terminal_text import exception_text, printable
from tracegen.stacks import ENTERING

BEFORE_CHARACTERS: Final = 60
"""Most of a value that is replaced: it stood in full where it was bound."""
MARGIN: Final = 60
"""Comments stand in one column, right of all lines that are not longer than this."""
_ELIDED: Final = {
    "untraced_call": "not traced",
    "no_source": "without source",
    "tracer_removed": "the program removed the tracer",
    "no_expressions": "not all its expressions are recorded",
}


class AnnotatedRenderer:
    """Renders source lines in order of execution, with changes beside them."""

    name = "annotated"
    version = 1

    def render(self, record: TraceRecord) -> tuple[Segment, ...]:
        """Return the whole text; only its begin and end are special tokens."""
        return tuple(_segments(record))


@dataclass(slots=True)
class _Row:
    source: str
    comments: list[list[Segment]] = field(default_factory=list)


def _segments(record: TraceRecord) -> Iterator[Segment]:
    record = line_record(record, ("opcode",))
    lines = SourceLines(record.sources)
    width = len(str(max((event.line for event in record.events), default=1)))
    rows = _Rows(record, lines, width).build()
    column = max((len(row.source) for row in rows if len(row.source) <= MARGIN), default=0)
    yield control(BEGIN_OF_TEXT)
    yield plain("context", "".join(_context(lines, width)) or "\n")
    yield plain("source", "\n")
    for row in rows:
        yield from _row(row, column)
    yield plain("source", "# ")
    yield plain("value", outcome_text(record.outcome))
    yield plain("source", "\n")
    yield control(END_OF_TEXT)


def _context(lines: SourceLines, width: int) -> Iterator[str]:
    for chunk, texts in lines.split_chunks():
        yield f"# -- {printable(chunk.path)}\n"
        for offset, text in enumerate(texts):
            number = f"{chunk.first_line + offset:>{width}}"
            yield f"{number} {text}\n" if text else f"{number}\n"


def _row(row: _Row, column: int) -> Iterator[Segment]:
    yield plain("source", f"{row.source:<{column}}" if row.comments else row.source)
    for comment in row.comments:
        yield plain("source", "  # ")
        yield from comment
    yield plain("source", "\n")


class _Rows:
    """Turns steps into rows: one for every call, line that runs, and return to a line that goes on."""

    def __init__(self, record: TraceRecord, lines: SourceLines, width: int) -> None:
        self._record = record
        self._lines = lines
        self._width = width
        self._lasts: dict[int, int] = {}
        """Line of each frame's latest event."""
        self._place: tuple[int, int] | None = None
        """Frame and line of the latest row, while comments may join it."""
        self.rows: list[_Row] = []

    def build(self) -> list[_Row]:
        """Return the rows in order."""
        self._notes(elision for elision in self._record.elisions if elision.event < 0)
        path, thread = "", 0
        for step in steps(self._record):
            of_thread = self._record.frame(step.event.frame).thread
            if of_thread != thread:
                self._add(f"# -- thread {of_thread}", None)
            if step.code.path != path:
                self._add(f"# -- {printable(step.code.path)}", None)
            path, thread = step.code.path, of_thread
            self._step(step)
            self._lasts[step.event.frame] = step.event.line
            self._notes(step.elisions)
        return self.rows

    def _step(self, step: Step) -> None:
        event = step.event
        if event.kind in ENTERING:
            self._add(self._source(step, step.code.def_line if event.kind == "call" else event.line), event)
            colon = ": " if step.arrived else ""
            arguments = [piece for change in step.arrived for piece in (_separator, *_change(change))]
            self._comment(plain("source", f"{event.kind} {step.code.name}{colon}"), *arguments[1:])
        else:
            if step.arrived:
                self._go_on(event, self._lasts[event.frame])
                self._changes(step.arrived)
            if event.kind == "line":
                self._add(self._source(step, event.line), event)
            elif self._place != (event.frame, event.line):
                self._go_on(event, event.line)
            if event.kind != "line":
                self._comment(*self._happening(step))
        self._changes(step.effects)

    def _happening(self, step: Step) -> list[Segment]:
        event = step.event
        if event.kind != "expression":
            return _happening(event)
        text = self._lines.expression(step.code.path, event)
        return [plain("source", f"{printable(text)} -> "), plain("value", _shown(event.value or ""))]

    def _source(self, step: Step, line: int) -> str:
        text = self._lines.get(step.code.path, line)
        return f"{line:>{self._width}} " + ("(no source)" if text is None else text)

    def _go_on(self, event: Event, line: int) -> None:
        self._add(f"{line:>{self._width}} ...", event)
        self._place = event.frame, line

    def _add(self, source: str, event: Event | None) -> None:
        self.rows.append(_Row(source))
        self._place = None if event is None else (event.frame, event.line)

    def _comment(self, *pieces: Segment) -> None:
        self.rows[-1].comments.append([piece for piece in pieces if piece.text])

    def _changes(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._comment(*_change(change))

    def _notes(self, elisions: Iterable[Elision]) -> None:
        for elision in elisions:
            counted = f"{elision.count} event" if elision.kind in VIEW_ELISIONS else f"{elision.count} time"
            plural = "" if elision.count == 1 else "s"
            reason = _ELIDED.get(elision.kind, "left out")
            self._add(f"# -- {printable(elision.name)}: {reason}, {counted}{plural}", None)


_separator: Final = plain("source", ", ")


def _change(change: Change) -> list[Segment]:
    if change.after is None:
        return [plain("source", "del "), plain("state", change.name)]
    before = []
    if change.before is not None:
        before = [plain("value", _shortened(change.before)), plain("source", " -> ")]
    return [plain("state", change.name), plain("source", " = "), *before, plain("value", _shown(change.after))]


def _happening(event: Event) -> list[Segment]:
    if event.kind == "unwind":
        return [plain("source", "left by the exception")]
    word = {"return": "return", "yield": "yield"}.get(event.kind, "raises")
    value = exception_text(event.value or "") if event.kind == "exception" else event.value or ""
    return [plain("source", f"{word} "), plain("value", _shown(value))]


def _shown(text: str) -> str:
    return printable(text) if text else "(empty text)"


def _shortened(text: str) -> str:
    if len(text) <= BEFORE_CHARACTERS:
        return _shown(text)
    return f"{_shown(text[:BEFORE_CHARACTERS])}... (+{len(text) - BEFORE_CHARACTERS} characters)"
