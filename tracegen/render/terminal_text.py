"""Pieces of terminal text: what is safe to print, shortened where it must be."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

_TRIPLE = re.compile(r"\(<class '.*?'>, (.*), <traceback object>\)", re.DOTALL)


@dataclass(slots=True, frozen=True)
class Glyphs:
    """The characters that draw a trace."""

    bar: str
    top: str
    again: str
    bottom: str
    to: str
    cross: str
    tick: str
    cut: str
    dot: str
    rule: str


UNICODE: Final = Glyphs("│ ", "╭ ", "├ ", "╰ ", "→", "✗", "✓", "…", " · ", "─")
ASCII: Final = Glyphs("| ", "+ ", "+ ", "` ", "->", "x", "ok", "...", " | ", "-")


def printable(text: str) -> str:
    """Return ``text`` with everything that a terminal would act on, or not show, as its escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def shortened(text: str, room: int, cut: str) -> str:
    """Return ``text`` in at most ``room`` cells; what is missing is counted after the mark ``cut``."""
    from rich.cells import cell_len, set_cell_size

    text = printable(text)
    if cell_len(text) <= room:
        return text
    mark = f"{cut}+{len(text)}"  # The longest that the count can be.
    head = set_cell_size(text, max(room - len(mark), 0)).rstrip(" ")
    return f"{head}{cut}+{len(text) - len(head)}"


def exception_text(triple: str) -> str:
    """Return the exception of a recorded (type, value, traceback) triple: ``KeyError('x')``."""
    match = _TRIPLE.fullmatch(triple)
    return match[1] if match else triple


def styled(*parts: tuple[str, str]) -> "Text":
    """Return the parts (text, style) as one line."""
    from rich.text import Text

    return Text.assemble(*parts, no_wrap=True, end="")


def highlighted(lines: list[str]) -> list["Text"]:
    """Return Python source lines in the terminal's own colours; tabs become spaces."""
    from rich.syntax import Syntax
    from rich.text import Text

    safe = [printable(line.expandtabs(8)) for line in lines]
    text = Syntax("", "python", theme="ansi_dark", background_color="default").highlight("\n".join(safe))
    split = list(text.split("\n", allow_blank=True))[: len(safe)]
    # A lexer that swallows an odd character would shift the lines: then they stand without colour.
    return split if [line.plain for line in split] == safe else [Text(line) for line in safe]
