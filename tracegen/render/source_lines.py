"""The source lines that a record carries: splitting, look-up by file and line, the context before a trace."""

import re
from collections.abc import Iterable

from schemas.trace_record import Code, Event, Place, SourceChunk

_LINE_END = re.compile(r"\r\n|\r|\n")


def physical_lines(text: str) -> list[str]:
    """Return the lines of ``text`` without their ends, split as Python's tokenizer does.

    Form feeds and Unicode separators do not end a line (``str.splitlines`` would shift every later number).
    """
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


class SourceLines:
    """Look-up of a record's lines by (path, line); of lines that two chunks hold, the first counts."""

    def __init__(self, chunks: Iterable[SourceChunk]) -> None:
        self.chunks = tuple(chunks)
        self._split = [physical_lines(chunk.text) for chunk in self.chunks]
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        for number, (chunk, lines) in enumerate(zip(self.chunks, self._split, strict=True)):
            for offset in range(len(lines)):
                self._places.setdefault((chunk.path, chunk.first_line + offset), (number, offset))

    def get(self, path: str, line: int) -> str | None:
        """Return the physical line without its end; ``None`` if no chunk holds it."""
        place = self._places.get((path, line))
        return None if place is None else self._split[place[0]][place[1]]

    def expression(self, path: str, event: Event) -> str:
        """Return the text of an expression's event on one line; its place where no chunk holds it."""
        place = event.place or Place(0, event.line, 0)
        found = [self.get(path, line) for line in range(event.line, place.end_line + 1)]
        lines = [line for line in found if line is not None]
        if len(lines) < len(found):
            return f"(line {event.line}, column {place.column})"
        lines[-1] = lines[-1][: place.end_column]
        lines[0] = lines[0][place.column :]
        return " ".join(line.strip() for line in lines)

    def append_comment(self, code: Code, comment: str) -> None:
        """Put ``comment`` at the end of the line of the code's ``def``, if a chunk holds it."""
        place = self._places.get((code.path, code.def_line))
        if place is not None:
            self._split[place[0]][place[1]] += comment

    def split_chunks(self) -> list[tuple[SourceChunk, list[str]]]:
        """Return every chunk with its lines, in the record's order."""
        return list(zip(self.chunks, self._split, strict=True))

    def joined(self) -> str:
        """Return all chunks without their trailing newlines, an empty line between, one newline at the end."""
        return "\n\n".join("\n".join(lines).rstrip("\n") for lines in self._split) + "\n"
