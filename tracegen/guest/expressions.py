"""Compiles a program so that the values of its expressions can be recorded, and nothing else about it changes."""

from __future__ import annotations

import ast
import dis
import hashlib
import io
import sys
import warnings
from collections import Counter
from itertools import groupby
from types import CodeType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .rewriting import Rewriter
from .sites import Place, Site, with_sites

_LINES_OF_ALL = sys.version_info >= (3, 10)
"""Whether an instruction may have no line, which ends a run of its neighbours."""
Lines = Tuple[int, int]
"""First and last."""
_TRUE_PLACES = sys.version_info >= (3, 12)
"""Whether what stands in an f-string has its place in the file; before, the place is checked."""


class Compiled(NamedTuple):
    """A module's code, and the lines of which some expressions have no site although sites are wanted."""

    code: CodeType
    without_sites: List[Lines]


def compile_plainly(text: str, path: str) -> Compiled:
    """Return the text compiled. Raises what ``compile`` raises."""
    return Compiled(compile(text, path, "exec", dont_inherit=True), [])


def compile_with_sites(text: str, path: str) -> Compiled:
    """Return the text compiled with sites, but for those that would change which lines run.

    Raises what ``compile`` raises, and lets its warnings through, as for the plain text.
    """
    plain = compile_plainly(text, path).code
    source = _Source(text, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = _compiled(plain, source)
        except (RecursionError, MemoryError, SyntaxError, ValueError):  # nested too deeply for the compiler
            return Compiled(plain, [source.whole])
    return Compiled(code, list(dict.fromkeys(source.spared + source.bare)))


def _compiled(plain: CodeType, source: _Source) -> CodeType:
    """Spare, where lines would differ, what stands on several; then everything there; then whole code objects."""
    code = source.compiled()
    for spared, whole in ((source.spared, False), (source.bare, False), (source.bare, True)):
        different = list(_different(plain, code, whole))
        if not different:
            return code
        spared += different
        code = source.compiled()
    if any(_different(plain, code)):
        source.bare = [source.whole]
        return plain
    return code


class _Source:
    """A text and what to spare of it."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._lines = io.StringIO(text, newline=None).readlines()
        self._prefix = "site of " + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self._sites: Dict[str, Site] = {}
        self._misplaced: Set[int] = set()
        self.spared: List[Lines] = []
        """Where expressions on several lines get no site."""
        self.bare: List[Lines] = []
        """Where none gets one."""
        self.whole = (1, len(self._lines) + 1)

    def compiled(self) -> CodeType:
        """Return the code."""
        tree = ast.parse(self._text, self._path)
        self._sites = {}
        self._misplaced = set() if _TRUE_PLACES else set(self._wrong_places(tree))
        Rewriter(self._mark).rewrite(tree)
        return with_sites(compile(tree, self._path, "exec", dont_inherit=True), self._sites)

    def _mark(self, node: Any) -> Optional[str]:
        if id(node) in self._misplaced or _within(node, self.bare):
            return None
        if node.lineno != node.end_lineno and _within(node, self.spared):
            return None
        name = "%s %d" % (self._prefix, len(self._sites))
        self._sites[name] = Site(self._place(node))
        return name

    def _place(self, node: Any) -> Place:
        return (
            node.lineno,
            self._column(node.lineno, node.col_offset),
            node.end_lineno,
            self._column(node.end_lineno, node.end_col_offset),
        )

    def _column(self, line: int, offset: int) -> int:
        """Return characters for bytes of UTF-8."""
        return len(self._lines[line - 1].encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))

    def _wrong_places(self, tree: ast.AST) -> Iterator[int]:
        """Yield the nodes within f-strings whose place in the file is not theirs."""
        inner = {id(node): node for outer in ast.walk(tree) for node in _inside(outer)}
        for key, node in inner.items():
            if isinstance(node, ast.expr) and not self._stands_at(node):
                yield key

    def _stands_at(self, node: Any) -> bool:
        try:
            line, column, end_line, end_column = self._place(node)
            lines = self._lines[line - 1 : end_line]
            lines[-1] = lines[-1][:end_column]
            lines[0] = lines[0][column:]
            found = ast.parse("(" + "".join(lines) + ")", mode="eval").body
        except (SyntaxError, ValueError, IndexError):
            return False
        return ast.dump(found) == ast.dump(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for part in node.values if isinstance(node, ast.JoinedStr) else ():
        yield from ast.walk(part)


def _within(node: Any, ranges: List[Lines]) -> bool:
    return any(first <= node.end_lineno and node.lineno <= last for first, last in ranges)


def _different(plain: CodeType, code: CodeType, whole: bool = False) -> Iterator[Lines]:
    """Yield the lines that instructions go through more or less often than the plain ones, or in another order.

    ``whole``: all lines of a code object that has any.
    """
    pending = [(plain, code)]
    while pending:
        one, two = pending.pop()
        before, after = _runs(one), _runs(two)
        if before != after:
            counts = [Counter(runs) for runs in (before, after)]
            known = {line for line in (*before, *after) if line is not None}
            lines = [line for line in known if counts[0][line] != counts[1][line] and not whole]
            yield from ((line, line) for line in lines) if lines else [(min(known), max(known))]
        pending += zip(_inner(one), _inner(two))


def _runs(code: CodeType) -> List[Optional[int]]:
    """Return the lines of the instructions in their order, each as often as it begins."""
    if _LINES_OF_ALL:
        return [line for line, _ in groupby(line for _, _, line in code.co_lines())]
    return [line for line, _ in groupby(line for _, line in dis.findlinestarts(code))]


def _inner(code: CodeType) -> List[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]
