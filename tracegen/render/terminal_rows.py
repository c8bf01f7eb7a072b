"""The rows of a trace in a terminal: what ran, indented by depth, and beside each line what it changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from schemas.trace_record import MAIN_PATH, Code, Elision, Event, TraceRecord
from tracegen.render.source_lines import SourceLines
from tracegen.render.terminal_text import Glyphs, exception_text, highlighted, shortened, styled
from tracegen.stacks import ENTERING, Stacks

if TYPE_CHECKING:
    from rich.text import Text

_BAR_STYLES: Final = ("blue", "magenta", "cyan", "green", "yellow")
_ELIDED: Final = {
    "untraced_call": "not traced",
    "no_source": "has no source",
    "tracer_removed": "the program removed the tracer",
    "no_expressions": "not all its expressions are recorded",
    "loop": "events left out",
    "stepped_over": "events stepped over",
    "cut": "events cut",
}


@dataclass(slots=True)
class Row:
    """One event: where, what, and the changes that came of it."""

    number: int | None
    bars: "Text"
    left: "Text"
    below: "Text"
    """The bars of lines that continue the row."""
    effects: list["Text"] = field(default_factory=list)
    is_line: bool = False
    """A source line, which the column of effects keeps clear of."""


class Rows:
    """Turns a record's events into rows. ``main``, the caller of the traced call, is not shown."""

    def __init__(self, record: TraceRecord, width: int, glyphs: Glyphs) -> None:
        self._record = record
        self._width = width
        self._glyphs = glyphs
        self._lines = SourceLines(record.sources)
        self._styled_lines: dict[tuple[str, int], Text] = {}
        self._colour_sources()
        self._margins = self._body_margins()
        self._told: dict[int, dict[str, str]] = {}
        self._hidden = {frame.uid for frame in record.frames if _is_main(record.codes[frame.code])}
        self._threads = len({frame.thread for frame in record.frames}) > 1

    def build(self, limit: int | None) -> Iterator[Row]:
        """Yield the rows of the first ``limit`` events."""
        stacks = Stacks(self._record)
        elided: dict[int, list[Elision]] = {}
        for elision in self._record.elisions:
            elided.setdefault(elision.event, []).append(elision)
        last: Event | None = None
        row: Row | None = None
        for index, event in enumerate(self._record.events[:limit]):
            running = stacks.follow(event)
            if event.frame in self._hidden:
                continue
            depth = sum(frame not in self._hidden for frame in running) - 1
            effects = self._effects(event)
            if row is not None and last is not None and last.frame == event.frame:
                row.effects += effects
                effects = []
            if event.kind == "expression" and row is not None and last is not None and last.frame == event.frame:
                row.effects.append(self._value(event))
                continue
            if row is not None:
                yield row
            yield from self._between(last, event, depth, effects)
            row = self._row(event, depth)
            if event.kind == "resume" and event.frame not in self._told:
                row.effects += effects
            self._apply(event)
            last = event
            for elision in elided.get(index, ()):
                yield row
                row, last = self._elision(elision, depth), None
        if row is not None:
            yield row

    def _between(self, last: Event | None, event: Event, depth: int, effects: list["Text"]) -> Iterator[Row]:
        """Say that another thread goes on, and what changed while other functions ran."""
        thread = self._record.frame(event.frame).thread
        if last is not None and event.kind not in ENTERING and self._record.frame(last.frame).thread != thread:
            yield self._note(f"thread {thread}", depth)
        if effects and event.frame in self._told:
            bars = self._bars(depth + 1)
            yield Row(None, bars, styled(), bars, effects, is_line=True)

    def _row(self, event: Event, depth: int) -> Row:
        glyphs = self._glyphs
        inner = self._bars(depth + 1)
        room = self._width - inner.cell_len - 8
        if event.kind in ENTERING:
            bars = self._bars(depth) + styled(
                (glyphs.again if event.frame in self._told else glyphs.top, _bar_style(depth))
            )
            return Row(self._record.code_of(event).def_line, bars, self._header(event, room), inner)
        if event.kind == "line":
            return Row(event.line, inner, self._source(event), inner, is_line=True)
        if event.kind == "expression":
            return Row(None, inner, styled(), inner, [self._value(event)], is_line=True)
        if event.kind == "exception":
            text = shortened(exception_text(event.value or ""), room, glyphs.cut)
            return Row(event.line, inner, styled((f"{glyphs.cross} {text}", "bold red")), inner)
        bars = self._bars(depth) + styled((glyphs.bottom, _bar_style(depth)))
        if event.kind == "unwind":
            return Row(None, bars, styled((f"{glyphs.cross} left by the exception", "red")), inner)
        word, style = ("yields", "bold yellow") if event.kind == "yield" else ("returns", "bold green")
        value = shortened(event.value or "", room, glyphs.cut)
        return Row(None, bars, styled((f"{word} ", "dim"), (value, style)), inner)

    def _header(self, event: Event, room: int) -> "Text":
        code = self._record.code_of(event)
        name = shortened(code.name.replace("<locals>.", ""), room // 2, self._glyphs.cut)
        text = styled(("resumes " if event.kind == "resume" else "", "dim"), (name, "bold"))
        facts = styled((self._facts(event, code), "dim italic"))
        if event.kind == "call" and "class" not in code.flags and "module" not in code.flags:
            text.append_text(self._arguments(event, room - text.cell_len - facts.cell_len))
        return text + facts

    def _arguments(self, event: Event, room: int) -> "Text":
        share = room // max(len(event.set), 1) - 3
        text = styled(("(", "dim"))
        for number, (name, value) in enumerate(event.set.items()):
            fitting = shortened(value, max(share - len(name), 8), self._glyphs.cut)
            text.append_text(styled((", " if number else "", "dim"), (f"{name}=", "dim"), (fitting, "cyan")))
        return text + styled((")", "dim"))

    def _facts(self, event: Event, code: Code) -> str:
        """Return the kind of function, its file if the caller's is another, its thread if there are several."""
        frame = self._record.frame(event.frame)
        facts = [flag for flag in code.flags if flag not in ("comprehension", "lambda")]
        caller = None if frame.parent is None else self._record.codes[self._record.frame(frame.parent).code].path
        if caller not in (code.path, None, MAIN_PATH):
            facts.append(shortened(code.path, 40, self._glyphs.cut))
        if self._threads:
            facts.append(f"thread {frame.thread}")
        return "".join(f"  {fact}" for fact in facts)

    def _source(self, event: Event) -> "Text":
        path = self._record.code_of(event).path
        line = self._styled_lines.get((path, event.line))
        if line is None:
            return styled(("(no source)", "dim italic"))
        blank = len(line.plain) - len(line.plain.lstrip(" "))
        margin = self._margins.get(self._record.frame(event.frame).code, blank)
        return line[min(margin, blank) :]

    def _effects(self, event: Event) -> list["Text"]:
        """Return what changed in the frame since its event before; a call's arguments stand in its header."""
        if event.kind == "call":
            return []
        told = self._told.get(event.frame, {})
        effects = [styled((f"del {name}", "red")) for name in event.deleted if name not in event.set]
        room = self._width - self._width // 2
        for name, value in event.set.items():
            before = told.get(name)
            if before == value:
                continue
            text = styled((name, "yellow"), (" = ", "dim"))
            whole = len(name) + len(before or "") + len(value) + 6
            if before is not None and whole <= room:
                text.append_text(
                    styled((shortened(before, room, self._glyphs.cut), "dim"), (f" {self._glyphs.to} ", "dim"))
                )
            fitting = shortened(value, room - len(name) - 3, self._glyphs.cut)
            effects.append(text + styled((fitting, "bold yellow")))
        return effects

    def _value(self, event: Event) -> "Text":
        """Return an expression with its value."""
        room = self._width - self._width // 2
        glyphs = self._glyphs
        source = self._lines.expression(self._record.code_of(event).path, event)
        text = styled((shortened(source, room // 2, glyphs.cut), "dim"), (f" {glyphs.to} ", "dim"))
        return text + styled((shortened(event.value or "", room - text.cell_len, glyphs.cut), "cyan"))

    def _apply(self, event: Event) -> None:
        told = self._told.setdefault(event.frame, {})
        for name in event.deleted:
            told.pop(name, None)
        told.update(event.set)

    def _elision(self, elision: Elision, depth: int) -> Row:
        times = f" x{elision.count}" if elision.count > 1 else ""
        name = shortened(elision.name, 60, self._glyphs.cut)
        return self._note(f"{self._glyphs.cut} {name}{times} ({_ELIDED[elision.kind]})", depth + 1)

    def _note(self, text: str, depth: int) -> Row:
        bars = self._bars(depth)
        return Row(None, bars, styled((text, "dim italic")), bars)

    def _bars(self, depth: int) -> "Text":
        return styled(*((self._glyphs.bar, _bar_style(level)) for level in range(depth)))

    def _colour_sources(self) -> None:
        for chunk, lines in self._lines.split_chunks():
            for offset, text in enumerate(highlighted(lines)):
                self._styled_lines.setdefault((chunk.path, chunk.first_line + offset), text)

    def _body_margins(self) -> dict[int, int]:
        """Return for each code the indentation of its body, which the bars stand for."""
        margins: dict[int, int] = {}
        for index, line in {(self._record.frame(event.frame).code, event.line) for event in self._record.events}:
            code = self._record.codes[index]
            text = self._styled_lines.get((code.path, line))
            if text is not None and line > code.def_line:
                indentation = len(text.plain) - len(text.plain.lstrip(" "))
                margins[index] = min(margins.get(index, indentation), indentation)
        return margins


def _is_main(code: Code) -> bool:
    return code.path == MAIN_PATH and code.name == "main"


def _bar_style(depth: int) -> str:
    return "dim " + _BAR_STYLES[depth % len(_BAR_STYLES)]
