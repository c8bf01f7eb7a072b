"""Where the loops of a record's sources stand, by their syntax."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from schemas.trace_record import SourceChunk

_COMPOUND: Final = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
_LOOP: Final = (ast.For, ast.AsyncFor, ast.While)


@dataclass(slots=True, frozen=True)
class Loop:
    """The lines of one loop; a comprehension's head and body are the line of its element."""

    head: int
    body: int
    """First line of the body."""
    settled: int
    """A later line than this shows that the body's first statement is over; of ``body`` if one line holds it."""
    end: int
    """Last line of the body; ``else`` is not of the loop."""
    nested: bool = False
    """The body begins with another loop."""


def loops_by_path(chunks: Iterable[SourceChunk]) -> dict[str, list[Loop]]:
    """Return the loops of every file. A chunk that this interpreter cannot parse is taken to have none."""
    found: dict[str, list[Loop]] = {}
    for chunk in chunks:
        for loop in _loops(chunk.text):
            found.setdefault(chunk.path, []).append(_moved(loop, chunk.first_line - 1))
    return found


def _moved(loop: Loop, by: int) -> Loop:
    return replace(loop, head=loop.head + by, body=loop.body + by, settled=loop.settled + by, end=loop.end + by)


@lru_cache(maxsize=512)  # one function's inputs share their sources
def _loops(text: str) -> tuple[Loop, ...]:
    indented = text[:1] in (" ", "\t")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the program's own text
            tree = ast.parse("if 1:\n" + text if indented else text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # half a statement, or a newer Python's
        return ()
    return tuple(_moved(loop, -1) if indented else loop for node in ast.walk(tree) for loop in _loop(node))


def _loop(node: ast.AST) -> Iterator[Loop]:
    if isinstance(node, _LOOP):
        first, last = node.body[0], node.body[-1]
        # A decorated function or class begins with its first decorator.
        begin = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))])
        settled = begin if isinstance(first, _COMPOUND) else first.end_lineno or begin
        yield Loop(node.lineno, begin, settled, last.end_lineno or last.lineno, isinstance(first, _LOOP))
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        line = (node.key if isinstance(node, ast.DictComp) else node.elt).lineno
        yield Loop(line, line, line, node.end_lineno or line)
