"""Which lines of a file a code object needs to be shown: the outermost function (or class body) that holds it."""

from __future__ import annotations

import dis
import inspect
import io
import linecache
import tokenize
from types import CodeType
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .wire import encode

if TYPE_CHECKING:
    from .codes import CodeInfo

Key = Tuple[str, int]
"""A code object by name and first line: unambiguous enough in one file, and stable where identity is not."""


class Place(NamedTuple):
    """Where a code object stands in its file's nest of classes and functions."""

    name: str
    """Qualified; 3.8 to 3.10 have no ``co_qualname``."""
    outermost: int
    """First line of the outermost function around it, or of itself."""
    classes: Tuple[int, ...]
    """First lines of the classes around that function."""


def places(code: CodeType) -> Dict[Key, Place]:
    """Return the place of every code object within a module's."""
    found: Dict[Key, Place] = {}
    stack: List[Tuple[CodeType, str, Optional[int], Tuple[int, ...]]] = [(code, "", None, ())]
    while stack:
        outer, prefix, outermost, classes = stack.pop()
        for inner in outer.co_consts:
            if not isinstance(inner, CodeType):
                continue
            name = getattr(inner, "co_qualname", prefix + inner.co_name)
            function = bool(inner.co_flags & 0x1)
            top = outermost if outermost is not None else (inner.co_firstlineno if function else None)
            found[inner.co_name, inner.co_firstlineno] = Place(name, top or inner.co_firstlineno, classes)
            inside = classes if function or top else classes + (inner.co_firstlineno,)
            stack.append((inner, name + (".<locals>." if function else "."), top, inside))
    return found


class SourceFile:
    """One file's lines and the places of its code objects."""

    def __init__(self, path: str, text: str, code: Optional[CodeType] = None, whole: bool = False) -> None:
        self.path = path
        self.whole = whole
        """The host knows the whole text and shows all of it: no chunks are sent."""
        # Not str.splitlines: form feeds and other separators end no line for the compiler.
        self.lines = io.StringIO(text, newline=None).readlines()
        self.without_sites: List[Tuple[int, int]] = []
        """Lines, from and to, of which not every expression is recorded although expressions are wanted."""
        self.infos: Dict[int, CodeInfo] = {}
        """What the recorder knows of the file's codes, by id; the codes are kept alive."""
        self._chunks: Dict[Place, List[bytes]] = {}
        self._places = places(code if code is not None else compile(text, path, "exec", dont_inherit=True))
        self.final = any(name == "__del__" for name, _ in self._places)
        """Whether a class of the file has a finaliser."""

    @classmethod
    def of_library(cls, path: str) -> Optional[SourceFile]:
        """Return the file of an imported module, or ``None`` if its text is not to be had."""
        lines = linecache.getlines(path)
        if not lines:
            return None
        try:
            return cls(path, "".join(lines))
        except SyntaxError:  # the file changed since it was imported
            return None

    def place(self, code: CodeType) -> Place:
        """Return where the code stands; code made at run time is its own outermost."""
        key = code.co_name, code.co_firstlineno
        return self._places.get(key) or Place(getattr(code, "co_qualname", code.co_name), code.co_firstlineno, ())

    def chunks(self, place: Place) -> List[bytes]:
        """Return, as rows of the wire, the header of each class around the outermost function, and that function."""
        found = self._chunks.get(place)
        if found is None:
            found = [self._chunk(line, self._text(line, self._header_end(line))) for line in place.classes]
            found.append(self._chunk(place.outermost, self._block(place.outermost)))
            self._chunks[place] = found
        return found

    def _chunk(self, first_line: int, text: str) -> bytes:
        return encode("S", self.path, first_line, text)

    def def_line(self, first_line: int) -> int:
        """Return the line of the ``def`` or ``class`` below the decorators that begin at ``first_line``."""
        if not self._line(first_line).lstrip().startswith("@"):
            return first_line
        at_start = True
        for token in self._tokens(first_line):
            if at_start and token.string in ("def", "class", "async"):
                return first_line + token.start[0] - 1
            skipped = token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.INDENT)
            at_start = skipped
        return first_line

    def lacks_sites(self, code: CodeType) -> bool:
        """Whether expressions are wanted and some of the code's are not recorded."""
        if not self.without_sites:
            return False
        lines = [line for _, line in dis.findlinestarts(code) if line is not None]
        return any(first <= line <= last for line in lines for first, last in self.without_sites)

    def column(self, line: int, offset: int) -> int:
        """Return the column in characters of an offset in bytes of UTF-8, as the compiler counts."""
        return len(self._line(line).encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "replace"))

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _text(self, first: int, last: int) -> str:
        return "".join(self.lines[first - 1 : last])

    def _tokens(self, first_line: int) -> Iterator[tokenize.TokenInfo]:
        lines = iter(self.lines[first_line - 1 :])
        try:
            yield from tokenize.generate_tokens(lambda: next(lines, ""))
        except (tokenize.TokenError, SyntaxError):  # the rest of a block that began in the middle
            return

    def _header_end(self, first_line: int) -> int:
        depth = 0
        for token in self._tokens(self.def_line(first_line)):
            depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
            if token.string == ":" and depth == 0 and token.type == tokenize.OP:
                return self.def_line(first_line) + token.start[0] - 1
        return first_line

    def _block(self, first_line: int) -> str:
        try:
            return "".join(inspect.getblock(self.lines[first_line - 1 :]))
        except (tokenize.TokenError, SyntaxError):
            return self._line(first_line)
