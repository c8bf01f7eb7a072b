"""A trace for people: coloured lines for ``tracegen trace`` and plain ones for ``str(trace)``."""

import os
import shutil
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TextIO

from schemas.trace_record import TraceRecord
from tracegen.lines import line_record
from tracegen.render.terminal_rows import Row, Rows
from tracegen.render.terminal_text import ASCII, UNICODE, Glyphs, exception_text, printable, shortened, styled

if TYPE_CHECKING:
    from rich.text import Text

_OUTPUT_LINES: Final = 20


def trace_lines(
    record: TraceRecord,
    *,
    width: int = 100,
    colour: bool = False,
    limit: int | None = None,
    ascii_only: bool = False,
) -> Iterator[str]:
    """Yield the trace line by line, without line ends, none wider than ``width`` cells.

    Each source line stands with what it changed; a change that came while another function ran stands below it. Long
    values are cut with a mark that counts what is missing. ``colour`` adds ANSI codes; ``limit`` shows the first events
    only and says how many more there are. The values of expressions stand among the changes; opcodes are not shown.
    """
    record = line_record(record, ("opcode",))
    glyphs = ASCII if ascii_only else UNICODE
    rows = list(Rows(record, width, glyphs).build(limit))
    digits = max((len(str(row.number)) for row in rows if row.number is not None), default=1)
    wanted = max((row.bars.cell_len + row.left.cell_len for row in rows if row.is_line), default=0)
    column = min(digits + 3 + wanted, width // 2)
    title = _title(record, width, glyphs)
    painter = _Painter() if colour else None
    for text in (title, *_laid_out(rows, digits, column, width, glyphs), *_footer(record, width, limit, glyphs)):
        if text.cell_len > width:
            text.truncate(width - len(glyphs.cut))
            text.append(glyphs.cut)
        yield painter.paint(text) if painter else text.plain.rstrip()


def print_trace(record: TraceRecord, file: TextIO, *, limit: int | None = None) -> None:
    """Write the trace to ``file``: in colour and to the terminal's width if it is one, ``NO_COLOR`` unset."""
    terminal = file.isatty()
    width = shutil.get_terminal_size().columns if terminal else 100
    encoding = file.encoding or "utf-8"
    ascii_only = not encoding.lower().startswith("utf")
    colour = terminal and not os.environ.get("NO_COLOR")
    for line in trace_lines(record, width=max(width, 40), colour=colour, limit=limit, ascii_only=ascii_only):
        file.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _laid_out(rows: Iterable[Row], digits: int, column: int, width: int, glyphs: Glyphs) -> Iterator["Text"]:
    """Put the effects at ``column`` or after the line; below where they do not fit beside it."""
    for row in rows:
        number = "" if row.number is None else str(row.number)
        line = styled((f"{number:>{digits}} ", "dim")) + row.bars + row.left
        packed = _packed(row.effects, width - column)
        indent = max(column - line.cell_len, 2)
        if packed and line.cell_len + indent + packed[0].cell_len <= width:
            line.pad_right(indent)
            line.append_text(packed.pop(0))
        yield line
        for effects in packed:
            below = styled((" " * (digits + 1), "")) + row.below
            below.pad_right(max(column - below.cell_len, 1))
            yield below + effects


def _packed(effects: list["Text"], room: int) -> list["Text"]:
    """Join effects into lines of at most ``room`` cells."""
    lines: list[Text] = []
    for effect in effects:
        if lines and lines[-1].cell_len + 3 + effect.cell_len <= room:
            lines[-1] = lines[-1] + styled(("   ", "")) + effect
        else:
            lines.append(effect)
    return lines


def _title(record: TraceRecord, width: int, glyphs: Glyphs) -> "Text":
    what = record.inputs if record.kind == "function" else record.entry
    return styled((shortened(what, width - 2, glyphs.cut), "bold underline"))


def _footer(record: TraceRecord, width: int, limit: int | None, glyphs: Glyphs) -> Iterator["Text"]:
    hidden = len(record.events) - limit if limit is not None else 0
    if hidden > 0:
        yield styled((f"{glyphs.cut} {hidden} more events", "dim italic"))
    yield styled((glyphs.rule * width, "dim"))
    yield _outcome(record, width, glyphs)
    yield styled((glyphs.dot.join(_facts(record)), "dim"))
    for elision in record.elisions:
        if elision.kind == "tracer_removed":
            yield styled((f"{glyphs.cross} recording stopped before the end: {printable(elision.name)}", "bold red"))
    met = sum(expectation.matched for expectation in record.expected)
    if met:
        count = "" if len(record.expected) == 1 else f" {met} of {len(record.expected)}"
        yield styled((f"{glyphs.tick} as expected{count}", "green"))
    for expectation in record.expected:
        if not expectation.matched:
            room = width // 2 - 12
            want, got = (shortened(text, room, glyphs.cut) for text in (expectation.want, expectation.got))
            yield styled((f"{glyphs.cross} expected {want}, got {got}", "bold red"))
    for name, output in (("stdout", record.stdout), ("stderr", record.stderr)):
        yield from _output(name, output.text, output.bytes_cut, glyphs)


def _outcome(record: TraceRecord, width: int, glyphs: Glyphs) -> "Text":
    label = record.outcome.label
    root = record.events[0].frame if record.events else 0
    last = next((event for event in reversed(record.events) if event.frame == root and event.value is not None), None)
    value = "" if last is None else last.value or ""
    room = width - len(label) - 3
    if record.kind == "doctest" and label == "returned":
        return styled(("the examples ran", "green"))
    if label == "returned":
        return styled(("returned ", "green"), (shortened(value, room, glyphs.cut), "bold green"))
    if label == "raised":
        return styled(("raised ", "red"), (shortened(exception_text(value), room, glyphs.cut), "bold red"))
    signal = "" if record.outcome.signal is None else f" by signal {record.outcome.signal}"
    code = "" if record.outcome.exit_code is None else f" with code {record.outcome.exit_code}"
    return styled((label.replace("_", " ") + signal + code, "bold red"))


def _facts(record: TraceRecord) -> list[str]:
    facts = [_count(record.counts.events, "event"), _count(record.counts.frames, "frame")]
    return [*facts, f"Python {record.python}", record.determinism.label]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _output(name: str, text: str, bytes_cut: int, glyphs: Glyphs) -> Iterator["Text"]:
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
    for line in lines[:_OUTPUT_LINES] if text else []:
        yield styled((f"{name} {glyphs.bar}", "dim"), (printable(line.expandtabs(8)), ""))
    if len(lines) > _OUTPUT_LINES:
        yield styled((f"{glyphs.cut} {len(lines) - _OUTPUT_LINES} more lines of {name}", "dim italic"))
    if bytes_cut:
        yield styled((f"{glyphs.cut} {bytes_cut} more bytes of {name} were not kept", "dim italic"))


class _Painter:
    """Turns styled text into ANSI codes of the sixteen standard colours, which follow the terminal's own theme."""

    def __init__(self) -> None:
        from rich.color import ColorSystem
        from rich.console import Console

        self._console = Console(color_system=None)
        self._colours = ColorSystem.STANDARD

    def paint(self, text: "Text") -> str:
        parts = text.render(self._console)
        return "".join(
            part.style.render(part.text, color_system=self._colours) if part.style else part.text for part in parts
        )
