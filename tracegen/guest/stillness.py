"""Lines that can change nothing but the frame's own names: after one, no value need be looked at again.

Told by the bytecode, per line of a code object. Python code that an instruction runs (``__eq__``, a property, a
finaliser) makes events of its own, which speak for themselves; what is left is what an instruction does in C. Taken for
granted: reading, comparing and calculating change no value in C. Those that do are ``LOUD``, or depend on what the
program uses: a defaultdict's items, iterators that call a function in C (``map(found.append, ...)``), threads.
"""

from __future__ import annotations

import dis
import sys
from _weakref import CallableProxyType, ProxyType, ReferenceType
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from .callees import CALL_OPS, SPREAD_OPS, makes_iterators
from .guard import dict_of, mro_of
from .opcodes import CACHE, GENERATOR_LIKE, TAKES_ITEM, codes_of

STILL = 1
"""Set for every line in a table, so that ``loud = STILL`` trusts none."""
SUBSCRIPT = 2
"""The line reads items: a defaultdict makes them."""
ITERATION = 4
"""The line goes on with an iterator."""
IN_PLACE = 8
"""The line calculates in place into names of the frame: nothing else changes if those are immutable then."""
CALLS = 16
"""The line calls something: see ``callees``."""
FINAL = 32 if sys.version_info < (3, 13) else 0
"""No line has it. Of the program: what a name was bound to may run code when it goes, and make no event.

Up to 3.12 ``f_locals`` keeps a value until the frame's next event, so that finalisers run within the recorder.
"""

Line = Tuple[int, Tuple[str, ...]]
"""Marks of a line, and the names that it can bind or unbind."""
Part = Tuple[int, int, Optional[int]]
"""Offsets at which instructions of one line begin and end, and the line."""

_WEAK = frozenset(map(id, (ReferenceType, ProxyType, CallableProxyType)))
_WEAK_MODULES = ("weakref", "_weakrefset")
_GENERATORS = frozenset(map(id, (GeneratorType, CoroutineType, AsyncGeneratorType)))
"""What of them runs when they go is told by their codes."""
_SETUPS = codes_of("SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH")
_HANDLER = dis.opmap.get("PUSH_EXC_INFO", -1)
_LEFT = (_HANDLER, dis.opmap.get("CLEANUP_THROW", _HANDLER))
"""Begin what runs when a generator is left: the second on the way out of ``await`` and ``yield from``."""
_YIELD = dis.opmap["YIELD_VALUE"]
_VERSION = sys.version_info[:2]
_USABLE = _VERSION >= (3, 10)
"""Earlier versions pass from line to line without an event where code jumps into a line's middle."""

_QUIET = """
CACHE NOP POP_TOP ROT_TWO ROT_THREE ROT_FOUR ROT_N DUP_TOP DUP_TOP_TWO COPY SWAP PUSH_NULL RESUME GEN_START
COPY_FREE_VARS MAKE_CELL MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE
LOAD_CONST LOAD_SMALL_INT LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW LOAD_FAST_LOAD_FAST
LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_GLOBAL LOAD_DEREF LOAD_CLOSURE LOAD_ATTR LOAD_METHOD LOAD_SUPER_ATTR
LOAD_ASSERTION_ERROR LOAD_COMMON_CONSTANT
UNARY_POSITIVE UNARY_NEGATIVE UNARY_NOT UNARY_INVERT TO_BOOL
BINARY_POWER BINARY_MULTIPLY BINARY_MATRIX_MULTIPLY BINARY_FLOOR_DIVIDE BINARY_TRUE_DIVIDE BINARY_MODULO BINARY_ADD
BINARY_SUBTRACT BINARY_LSHIFT BINARY_RSHIFT BINARY_AND BINARY_XOR BINARY_OR COMPARE_OP IS_OP
BUILD_TUPLE BUILD_LIST BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_STRING BUILD_SLICE LIST_TO_TUPLE
BUILD_INTERPOLATION BUILD_TEMPLATE
LIST_APPEND SET_ADD MAP_ADD FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE
JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP
POP_JUMP_IF_FALSE POP_JUMP_IF_TRUE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_FALSE
POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_FALSE
POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE
NOT_TAKEN GET_ITER END_FOR POP_ITER RETURN_VALUE RETURN_CONST RETURN_GENERATOR POP_BLOCK SETUP_FINALLY POP_EXCEPT
PUSH_EXC_INFO CHECK_EXC_MATCH JUMP_IF_NOT_EXC_MATCH RERAISE RAISE_VARARGS
GET_LEN YIELD_VALUE MATCH_MAPPING MATCH_SEQUENCE MATCH_KEYS MATCH_CLASS
"""
_ITERATING = "FOR_ITER UNPACK_SEQUENCE UNPACK_EX LIST_EXTEND SET_UPDATE DICT_UPDATE DICT_MERGE CONTAINS_OP"
_SUBSCRIBING = "BINARY_SUBSCR BINARY_SLICE"
_BINDING = "STORE_FAST DELETE_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST LOAD_FAST_AND_CLEAR"

_LOUD, _CALM, _SUBSCRIBES, _ITERATES, _CALLS, _SPREADS, _BINDS, _CALCULATES, _EXTENDS, _INTRINSIC = range(10)
_MARKS = {_SUBSCRIBES: SUBSCRIPT, _ITERATES: ITERATION, _CALLS: CALLS, _SPREADS: CALLS | ITERATION}
_IN_PLACE_ONLY = frozenset(code for name, code in dis.opmap.items() if name.startswith("INPLACE_"))
_QUIET_INTRINSICS = (3, 4, 5, 6)
"""Of ``CALL_INTRINSIC_1``: end a generator, wrap what an asynchronous one yields, ``+x``, list to tuple."""
_FIRST_IN_PLACE = 13
"""From this argument on ``BINARY_OP`` calculates in place."""


def _classes() -> bytes:
    found = bytearray(256)
    for kind, names in ((_CALM, _QUIET), (_ITERATES, _ITERATING), (_SUBSCRIBES, _SUBSCRIBING), (_BINDS, _BINDING)):
        for code in codes_of(*names.split()):
            found[code] = kind
    for code in _IN_PLACE_ONLY | codes_of("BINARY_OP"):
        found[code] = _CALCULATES
    for code in CALL_OPS | codes_of("STORE_SUBSCR", "DELETE_SUBSCR"):
        found[code] = _CALLS
    for code in SPREAD_OPS:
        found[code] = _SPREADS
    found[dis.EXTENDED_ARG] = _EXTENDS
    if (3, 12) <= _VERSION <= (3, 15):
        found[dis.opmap["CALL_INTRINSIC_1"]] = _INTRINSIC
    return bytes(found)


_CLASSES = _classes()
_WITHOUT_NOTE = bytes((_CALM,))
_STORE = dis.opmap["STORE_FAST"]
_FOR_ITER = dis.opmap["FOR_ITER"]
_JUMPS = frozenset(code for name, code in dis.opmap.items() if "JUMP" in name or name in ("FOR_ITER", "SEND"))
_ABSOLUTE = codes_of("JUMP_ABSOLUTE")
_FORWARD = codes_of("JUMP_FORWARD", "FOR_ITER")
_BACKWARD = codes_of("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_PAIRS = codes_of("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST")


def loudness_of_type(kind: type, own: bool) -> int:
    """Return what not to trust where there are objects of a type; ``own``: of a type with its own ``__repr__``.

    Such an object may show what no-one sees change: the items of a hidden defaultdict, or that another object is gone.
    """
    bases = mro_of(kind)
    final = FINAL and id(kind) not in _GENERATORS and any(map(_has_finaliser, bases))
    if not own:
        return FINAL if final else 0
    module = dict_of(kind).get("__module__")
    weak = any(id(base) in _WEAK for base in bases) or (type(module) is str and module in _WEAK_MODULES)
    return (FINAL if final else 0) | (STILL if weak else SUBSCRIPT)


def _has_finaliser(base: type) -> bool:
    return "__del__" in dict_of(base)


def loudness_of_code(code: CodeType) -> int:
    """Return what not to trust once a code has run: it may make iterators that call a function in C at each step."""
    return ITERATION if makes_iterators(code) else 0


def cleans_up(code: CodeType) -> bool:
    """Whether a generator that is thrown away where it waits may have something left to run, and make no event."""
    if not FINAL or not code.co_flags & GENERATOR_LIKE:
        return False
    ops = code.co_code
    table: Any = getattr(dis, "_parse_exception_table", None)
    if table is None:  # up to 3.10
        return not _SETUPS.isdisjoint(ops[::2])
    regions = table(code)
    waiting = [each for each in regions if ops[each.target] in _LEFT and _YIELD in ops[each.start : each.end : 2]]
    return bool(waiting) and any(ops[each.target] == _HANDLER for each in regions)


def still_lines(code: CodeType) -> Dict[Optional[int], Line]:
    """Return the lines of a function after which nothing but the names given with them can have changed."""
    if not _USABLE:
        return {}
    ops = code.co_code
    kinds = ops[::2].translate(_CLASSES)
    marks: Dict[Optional[int], int] = {}
    names: Dict[Optional[int], Set[str]] = {}
    loud: Set[Optional[int]] = set()
    for start, end, line in _parts(code):
        part = kinds[start // 2 : end // 2]
        if _LOUD in part:
            loud.add(line)
            continue
        bound = names.setdefault(line, set())
        found = _marks_of(code, ops, start, part, bound) if part.translate(None, _WITHOUT_NOTE) else STILL
        if found is None:
            loud.add(line)
        else:
            marks[line] = marks.get(line, STILL) | found
    if None in loud:  # instructions without a line run after any
        return {}
    anywhere = marks.pop(None, STILL), names.pop(None, set())
    return {
        line: (mark | anywhere[0], tuple(sorted(names[line] | anywhere[1])))
        for line, mark in marks.items()
        if line not in loud
    }


def loops(
    code: CodeType, lines: Dict[Optional[int], Line]
) -> Tuple[Dict[Optional[int], Dict[int, int]], Dict[Optional[int], Line]]:
    """Return what is still of the heads of ``for`` loops when they come again, where calls on the line are over.

    First, by line, the offsets at which its event comes again with a key for each (below zero); then what is known of
    the instructions from there on, by key. ``lines``: what is known of whole lines. A head that comes again goes on at
    its ``FOR_ITER``; where any other jump stands on that way, nothing is said.
    """
    ops = code.co_code
    if not _USABLE or _FOR_ITER not in ops[::2]:
        return {}, {}
    kinds = ops[::2].translate(_CLASSES)
    parts = list(_parts(code))
    if any(line is None and kinds[a // 2 : b // 2].translate(None, _WITHOUT_NOTE) for a, b, line in parts):
        return {}, {}
    heads: Dict[Optional[int], Dict[int, int]] = {}
    found: Dict[Optional[int], Line] = {}
    for start, end, line in parts:
        whole = lines.get(line, (CALLS, ()))[0]
        for at in range(start, end, 2):
            if ops[at] == _FOR_ITER and whole & CALLS:
                way = _way(ops, parts, at, end, line)
                known = None if way is None else _known(code, ops, kinds, way)
                if known is not None and not known[0] & CALLS:
                    found[-at] = known
                    own = range(_begin(ops, at), at + 1, 2)
                    back = [first for first, _, of in parts if of == line and _goal(ops, first) in own]
                    heads.setdefault(line, {}).update(dict.fromkeys([*own, *back], -at))
    return heads, found


def _way(ops: bytes, parts: List[Part], at: int, end: int, line: Optional[int]) -> Optional[List[Tuple[int, int]]]:
    """Return the instructions of a line that run from its ``FOR_ITER`` on, within the loop and where it ends."""
    goal = _goal(ops, at)
    after = [(goal, last) for first, last, of in parts if of == line and first <= goal < last]
    way = [(at, end), *after]
    stops = {first: of for first, _, of in parts}
    if any(stops.get(last, -1) is None for _, last in way) or _line_at(parts, goal) is None:
        return None  # instructions without a line follow, and may lead back to it without an event
    jumps = [place for first, last in way for place in range(first, last, 2) if ops[place] in _JUMPS and place != at]
    goals = [_line_at(parts, _goal(ops, place)) for place in jumps]
    return way if line not in goals and None not in goals else None


def _line_at(parts: List[Part], offset: int) -> Optional[int]:
    """Return the line of the instruction at an offset; ``None`` if it has none, or if there is no instruction."""
    return next((line for first, last, line in parts if first <= offset < last), None)


def _known(code: CodeType, ops: bytes, kinds: bytes, way: List[Tuple[int, int]]) -> Optional[Line]:
    """Return the marks and names of some instructions; ``None`` if they may change more."""
    marks = STILL
    bound: Set[str] = set()
    for first, last in way:
        part = kinds[first // 2 : last // 2]
        more = None if _LOUD in part else _marks_of(code, ops, first, part, bound)
        if more is None:
            return None
        marks |= more
    return marks, tuple(sorted(bound))


def _begin(ops: bytes, at: int) -> int:
    """Return where an instruction begins with its extended arguments."""
    while at >= 2 and ops[at - 2] == dis.EXTENDED_ARG:
        at -= 2
    return at


def _goal(ops: bytes, at: int) -> int:
    """Return where a jump at an offset leads, also that of one of its extended arguments; ``-1`` if there is none."""
    at = _begin(ops, at)
    argument = 0
    while ops[at] == dis.EXTENDED_ARG:
        argument = (argument | ops[at + 1]) << 8
        at += 2
    op, argument = ops[at], argument | ops[at + 1]
    if op in _ABSOLUTE:
        return 2 * argument
    if op not in _BACKWARD and op not in _FORWARD:
        return -1
    at += 2
    while ops[at] in CACHE:
        at += 2
    return at + (2 * argument if op in _FORWARD else -2 * argument)


def _parts(code: Any) -> Iterator[Tuple[int, int, Optional[int]]]:
    """Yield the parts of the bytecode that are of one line; ``co_lines`` of 3.11 on has one per place in the source."""
    first, last, line = 0, 0, None
    for start, end, of_line in code.co_lines():
        if of_line != line:
            if last > first:
                yield first, last, line
            first, line = start, of_line
        last = end
    if last > first:
        yield first, last, line


def _marks_of(code: CodeType, ops: bytes, start: int, part: bytes, bound: Set[str]) -> Optional[int]:
    """Return the marks of a part of a line and add the names that it binds; ``None`` if it may change more."""
    marks = STILL
    for number, kind in enumerate(part):
        at = start + 2 * number
        op, argument = ops[at], ops[at + 1]
        if kind == _EXTENDS:
            if number + 1 < len(part) and part[number + 1] in (_BINDS, _CALCULATES):
                return None
        elif kind == _BINDS:
            places = _places(op, argument)
            if max(places) >= len(code.co_varnames):  # a cell, while a comprehension has its place
                return None
            bound.update(code.co_varnames[place] for place in places)
        elif kind == _CALCULATES and op not in _IN_PLACE_ONLY and argument == TAKES_ITEM:
            marks |= SUBSCRIPT
        elif kind == _CALCULATES and (op in _IN_PLACE_ONLY or argument >= _FIRST_IN_PLACE):
            place = _stored(ops, at)
            if place is None or place >= len(code.co_varnames):
                return None
            bound.add(code.co_varnames[place])
            marks |= IN_PLACE
        elif kind == _INTRINSIC and argument not in _QUIET_INTRINSICS:
            return None
        else:
            marks |= _MARKS.get(kind, 0)
    return marks


def _places(op: int, argument: int) -> Tuple[int, ...]:
    return (argument >> 4, argument & 15) if op in _PAIRS else (argument,)


def _stored(ops: bytes, at: int) -> Optional[int]:
    """Return the place to which what is calculated at an offset is bound at once, if it is."""
    later = at + 2
    while later < len(ops) and ops[later] in CACHE:
        later += 2
    if later >= len(ops) or (ops[later] != _STORE and ops[later] not in _PAIRS):
        return None
    return _places(ops[later], ops[later + 1])[0]
