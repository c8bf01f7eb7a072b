"""Which code objects are recorded, and their table."""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from .alarm import alarm, may_see
from .callees import Callee, callees
from .opcodes import GENERATOR_LIKE, OPTIMIZED, is_return, is_yield
from .shadows import shadows, unreadable
from .sources import SourceFile
from .stillness import FINAL, Line, cleans_up, loops, loudness_of_code, still_lines
from .wire import WireWriter, encode, quoted

UNBOUND = object()
"""What a name without a value is known by."""
_PROXY = sys.version_info >= (3, 13)
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_IMPLICIT = frozenset(
    (
        "__module__ __qualname__ __firstlineno__ __static_attributes__ __classcell__ __classdictcell__ __annotate__ "
        "__annotate_func__ __conditional_annotations__ __name__ __package__ __loader__ __spec__ __file__ __cached__ "
        "__builtins__ __path__"
    ).split()
)
"""Names that the interpreter binds in class and module bodies by itself."""


_ENTRIES = 4


class _Keys(Dict[str, str]):
    """Names as JSON, with their colon."""

    def __missing__(self, name: str) -> str:
        return quoted(name) + ":"


class _Lines(Dict[Optional[int], str]):
    """Line numbers as text; from 3.11 on a module's frame is entered on line 0."""

    def __missing__(self, line: Optional[int]) -> str:
        text = self[line] = str(line or 1)
        return text


class CodeInfo:
    """What the event loop needs of one recorded code object; kept by its file from one input to the next."""

    __slots__ = (
        "_callees",
        "_ops",
        "cleans_up",
        "code",
        "generator",
        "heads",
        "index",
        "keys",
        "lines",
        "loud",
        "module",
        "names",
        "order",
        "row",
        "sees",
        "shadows",
        "still",
        "unbound",
        "unread",
        "whole",
    )

    def __init__(self, code: CodeType, row: bytes, final: bool = False) -> None:
        self.code = code
        self.row = row
        """Its row in the table of codes, as the wire has it."""
        self.index = -1
        """Its number in the table of the input that runs."""
        self.generator = bool(code.co_flags & GENERATOR_LIKE)
        self.module = code.co_name == "<module>"
        self.names = _names(code) if code.co_flags & OPTIMIZED else None
        self.order = {name: position for position, name in enumerate(self.names or ())}
        self.unbound = dict.fromkeys(self.names or (), UNBOUND)
        self.shadows = shadows(code)
        self.whole = self.names is not None and not self.shadows and len(self.names) == _count(code)
        """Whether ``f_locals`` holds the names that are shown and no others, if nobody put some there."""
        self.still: Dict[Optional[int], Line] = {}
        """Its still lines, once ``read`` has found them, and parts of lines by keys below zero."""
        self.heads: Dict[Optional[int], Dict[int, int]] = {}
        """By line, the keys of loop heads that come again, by the offsets at which their events do."""
        self.unread = _ENTRIES if self.whole else 0
        """How often it is to be entered until its lines are read, if it does not run for long before."""
        self.loud = loudness_of_code(code) | (FINAL if final else 0)
        self.cleans_up = cleans_up(code)
        self.sees = may_see(code)
        """Whether it may see that SIGALRM is taken."""
        self._callees: Optional[Dict[Optional[int], Optional[Tuple[Callee, ...]]]] = None
        self._ops = code.co_code  # a copy at every access from 3.11 on
        self.keys: Dict[str, str] = _Keys({name: quoted(name) + ":" for name in self.names or ()})
        self.lines: Dict[Optional[int], str] = _Lines()

    def read(self) -> None:
        """Find the still lines: takes as long as some events, which few codes have."""
        self.unread = 0
        self.still = still_lines(self.code)
        self.heads, parts = loops(self.code, self.still)
        self.still.update(parts)

    def enter(self) -> None:
        """Count an entry while the lines are unread."""
        self.unread -= 1
        if not self.unread:
            self.read()

    def callees(self, line: Optional[int]) -> Optional[Tuple[Callee, ...]]:
        """Return what the calls of a line call, if that is known."""
        if self._callees is None:
            self._callees = callees(self.code)
        return self._callees.get(line)

    def part(self, line: Optional[int], frame: FrameType) -> Optional[int]:
        """Return the key of what a frame runs from its line's event on, if that is less than the line."""
        return self.heads[line].get(frame.f_lasti, line)

    def is_return(self, frame: FrameType) -> bool:
        """Whether a ``return`` event is one, and not an exception that leaves the frame."""
        return is_return(self._ops, frame.f_lasti)

    def is_yield(self, frame: FrameType) -> bool:
        """Whether a generator's ``return`` event is a suspension."""
        return is_yield(self._ops, frame.f_lasti)

    def visible(self, frame: FrameType) -> Dict[str, Any]:
        """Return the frame's locals in order: arguments and variables, cells, free variables; bodies by binding."""
        found: Dict[str, Any] = frame.f_locals
        if self.names is None:
            return {name: found[name] for name in list(found) if _shown(name) and not self._implicit(name)}
        if self.shadows:
            hidden = unreadable(self.shadows, frame)
            return {name: found[name] for name in self.names if name not in hidden and name in found}
        if _PROXY:
            # One copy: f_locals is a proxy that searches the names at every look-up.
            found = dict(found)
            if len(found) == len(self.names):
                return found  # all are bound: in their order
        return {name: found[name] for name in self.names if name in found}

    def _implicit(self, name: str) -> bool:
        return name in _IMPLICIT or (self.module and name.startswith("__") and name.endswith("__"))


def _shown(name: Any) -> bool:
    return type(name) is str and (name.isidentifier() or name == ".0")


def _names(code: CodeType) -> Tuple[str, ...]:
    names = dict.fromkeys(code.co_varnames + code.co_cellvars + code.co_freevars)
    return tuple(name for name in names if _shown(name))


def _count(code: CodeType) -> int:
    return len({*code.co_varnames, *code.co_cellvars, *code.co_freevars})


def flags(code: CodeType) -> List[str]:
    """Return the flags of TRACE_FORMAT's code table."""
    found = []
    if code.co_flags & 0x20:
        found.append("generator")
    if code.co_flags & 0x80:
        found.append("coroutine")
    if code.co_flags & 0x200:
        found.append("async_generator")
    if code.co_name in _COMPREHENSIONS:
        found.append("comprehension")
    if code.co_name == "<lambda>":
        found.append("lambda")
    if not code.co_flags & OPTIMIZED:
        found.append("module" if code.co_name == "<module>" else "class")
    return found


class CodeTable:
    """Decides per code object whether it is recorded, and writes its row and source at first sight."""

    def __init__(self, wire: WireWriter, file_of: Callable[[FrameType], Optional[SourceFile]]) -> None:
        self._wire = wire
        self.file_of = file_of
        # By id, with the code kept alive: equal code objects of different files compare equal.
        self.known: Dict[int, Tuple[CodeType, Optional[CodeInfo]]] = {}
        self._chunks: Set[bytes] = set()
        """Those that were written."""
        self._count = 0

    def info(self, frame: FrameType) -> Optional[CodeInfo]:
        """Return the frame's code if it is recorded."""
        code = frame.f_code
        known = self.known.get(id(code))
        if known is None:
            known = (code, self._register(frame))
            self.known[id(code)] = known
        return known[1]

    def _register(self, frame: FrameType) -> Optional[CodeInfo]:
        file = self.file_of(frame)
        if file is None:
            return None
        code = frame.f_code
        for chunk in file.chunks(file.place(code)) if not file.whole else ():
            if chunk not in self._chunks:
                self._chunks.add(chunk)
                self._wire.put(chunk)
        if file.lacks_sites(code):
            self._wire.line("X", "no_expressions", self._wire.events - 1, 0, file.place(code).name, 1)
        info = file.infos.get(id(code))
        if info is None:
            info = file.infos[id(code)] = CodeInfo(code, _row(file, code), file.final)
        alarm.seen |= info.sees
        self._wire.put(info.row)
        info.index = self._count
        self._count += 1
        return info


def _row(file: SourceFile, code: CodeType) -> bytes:
    first = code.co_firstlineno
    return encode("C", file.path, file.place(code).name, first, file.def_line(first), flags(code))
