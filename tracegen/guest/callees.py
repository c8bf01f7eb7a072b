"""What the calls of a line call, and what it takes items from, by its bytecode; whether that changes a value by itself.

A Python function cannot: its lines are events, which speak for themselves. Of what is in C a list is trusted.
"""

from __future__ import annotations

import builtins
import dis
import re
import sys
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from .guard import HEAP_TYPE, dict_of, find_in, instance_dict, mro_of
from .nodes import BOUND_IN_C
from .opcodes import TAKES_ITEM, codes_of

Lookup = Callable[[str], Any]
"""Gives the value of a name, or raises ``KeyError``."""


class Callee(NamedTuple):
    """An expression that is called: a name, an attribute of another such expression, or a literal."""

    kind: str
    """``local``, ``global``, ``attribute``, ``literal``, ``made``; ``keywords``: called with such or with ``*``;
    ``item``: read; ``__setitem__`` or ``__delitem__``: an item of it is set or deleted."""
    name: str = ""
    base: Any = None
    """Of an attribute or item, what it is taken from, if known; of a literal, its type; of ``keywords``, the callee."""


class Unknown(Exception):
    """What is called cannot be told, or is not trusted."""


_VERSION = sys.version_info[:2]
_NULL = Callee("null")
_MADE = Callee("made")
"""A function of Python that the line has made: a lambda, or a comprehension."""
_MAKES = frozenset(("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"))
_COMMON_CONSTANTS: Any = getattr(dis, "_common_constants", ())
_OPS = {code: name for name, code in dis.opmap.items()}
_TEXTS = frozenset(number for number, each in enumerate(_COMMON_CONSTANTS) if type(each) is str)
"""Arguments with which ``LOAD_COMMON_CONSTANT`` gives a text, from 3.15 on."""
_LOADS = frozenset(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"))
_LOADS_OF_TWO = frozenset(("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"))
_ONLY_PUSH = ("LOAD_", "BUILD_")
_ONLY_POP = frozenset(("POP_TOP", "STORE_FAST", "STORE_DEREF", "STORE_GLOBAL", "STORE_NAME"))
_PERMUTE = frozenset(("SWAP", "ROT_TWO", "ROT_THREE", "ROT_FOUR", "ROT_N", "STORE_FAST_LOAD_FAST"))
_WITHOUT_EFFECT = frozenset(("CACHE", "PRECALL", "KW_NAMES", "EXTENDED_ARG", "NOP", "RESUME"))
_ENDS = frozenset("JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD RETURN_VALUE RAISE_VARARGS RERAISE PUSH_EXC_INFO".split())
_SUBSCRIPTS = {
    "BINARY_SUBSCR": ("item", 2),
    "BINARY_SLICE": ("item", 3),
    "STORE_SUBSCR": ("__setitem__", 2),
    "DELETE_SUBSCR": ("__delitem__", 2),
}
"""What is done to what lies so far from the end of the stack."""
_ITERATOR_MAKERS = frozenset("map filter iter accumulate takewhile dropwhile filterfalse starmap groupby".split())
_SPREAD = "CALL_FUNCTION_EX"
_CALLS = frozenset(("CALL", "CALL_KW", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"))
CALL_OPS = codes_of(*_CALLS, "PRECALL", "KW_NAMES")
"""Instructions that call what ``callees`` may know."""
SPREAD_OPS = codes_of(_SPREAD)
"""The same with arguments from an iterable."""


def callees(code: CodeType) -> Dict[Optional[int], Optional[Tuple[Callee, ...]]]:
    """Return for each line what it calls and takes items from; ``None`` where a call is not known. From 3.10 on."""
    found: Dict[Optional[int], Optional[Tuple[Callee, ...]]] = {}
    for line, one, _ in _followed(code):
        known = found.get(line, ())
        found[line] = None if one is None or known is None else (*known, one)
    return found


def makes_iterators(code: CodeType) -> bool:
    """Whether a code may make iterators that call a function in C at each step, such as ``map(found.append, ...)``."""
    if _ITERATOR_MAKERS.isdisjoint(code.co_names):
        return False
    if _VERSION < (3, 10) or not _ITERATOR_MAKERS.intersection(code.co_names) <= {"iter"}:
        return True
    # Of one argument ``iter`` asks that for its iterator.
    harmless = [one for _, one, count in _followed(code) if one == Callee("global", "iter") and count == 1]
    return len(harmless) != len([1 for each in dis.get_instructions(code) if each.argval == "iter"])


def _followed(code: CodeType) -> Iterator[Tuple[Optional[int], Optional[Callee], int]]:
    """Yield each call, and each look-up of an item: its line, what is called or read, and how many arguments it has."""
    ops = code.co_code
    plain: Any = dis  # its stubs know functions only
    labels = frozenset(plain.findlabels(ops))
    stack: List[Optional[Callee]] = []
    extended = 0
    keywords = False
    ranges: Any = code
    for start, end, line in ranges.co_lines():
        for at in range(start, end, 2):
            name, argument = _OPS[ops[at]], ops[at + 1] | extended << 8
            extended = argument if name == "EXTENDED_ARG" else 0
            if at in labels or name in _ENDS:
                stack.clear()
            keywords = keywords or name == "KW_NAMES"
            if name in _CALLS:
                called = _call(stack, name, argument)
                if called is not None and (keywords or "_KW" in name):
                    called = Callee("keywords", base=called)
                keywords = False
                yield line, called, argument
            elif name == _SPREAD:
                yield line, _spread(stack, argument), 0
            elif name not in _WITHOUT_EFFECT:
                kind, place = _SUBSCRIPTS.get(_read_as(name, argument), ("", 0))
                if kind:
                    yield line, Callee(kind, base=stack[-place] if len(stack) >= place else None), 1
                _step(stack, code, ops[at], name, argument)


def _read_as(name: str, argument: int) -> str:
    return "BINARY_SUBSCR" if name == "BINARY_OP" and argument == TAKES_ITEM else name


def _call(stack: List[Optional[Callee]], name: str, count: int) -> Optional[Callee]:
    """Take a call's arguments and callee from the stack; return the callee if it is known."""
    if name in ("CALL_FUNCTION_KW", "CALL_KW"):
        count += 1
    slots = 1 if name in ("CALL_FUNCTION", "CALL_FUNCTION_KW") else 2
    if len(stack) < count + slots:
        stack.clear()
        return None
    pair = stack[len(stack) - count - slots : len(stack) - count]
    del stack[len(stack) - count - slots :]
    stack.append(None)
    return pair[1] if pair[0] is _NULL else pair[0]


def _spread(stack: List[Optional[Callee]], flags: int) -> Optional[Callee]:
    """Do so where arguments come from an iterable, and with bit 0 of ``flags`` keywords from a mapping.

    From 3.14 on there is a place for the mapping always.
    """
    slots = (1 if _VERSION < (3, 11) else 2) + 1 + (flags & 1 if _VERSION < (3, 14) else 1)
    if len(stack) < slots:
        stack.clear()
        return None
    taken = stack[-slots:]
    stack[-slots:] = [None]
    called = taken[1] if taken[0] is _NULL else taken[0]
    return None if called is None else Callee("keywords", base=called)


def _step(stack: List[Optional[Callee]], code: CodeType, op: int, name: str, argument: int) -> None:
    """Follow one instruction that is no call: what is not known of a place on the stack is ``None``."""
    if name in _LOADS:
        stack.append(Callee("local", code.co_varnames[argument]) if argument < len(code.co_varnames) else None)
    elif name in _LOADS_OF_TWO:
        stack.extend(Callee("local", code.co_varnames[place]) for place in (argument >> 4, argument & 15))
    elif name == "LOAD_CONST":
        stack.append(Callee("literal", base=type(code.co_consts[argument])))
    elif name == "LOAD_COMMON_CONSTANT":
        stack.append(Callee("literal", base=str) if argument in _TEXTS else None)
    elif name == "PUSH_NULL":
        stack.append(_NULL)
    elif name == "LOAD_DEREF":
        stack.append(Callee("local", _cell(code, argument)))
    elif name == "LOAD_GLOBAL":
        _load_global(stack, code, argument)
    elif name in ("LOAD_ATTR", "LOAD_METHOD"):
        _load_attribute(stack, code, name, argument)
    elif name in _PERMUTE:
        stack.clear()
    else:
        effect = dis.stack_effect(op, argument if op >= dis.HAVE_ARGUMENT else None, jump=False)
        if effect < 0:
            del stack[effect:]
        if stack and name not in _ONLY_POP and not (effect > 0 and name.startswith(_ONLY_PUSH)):
            stack[-1] = _MADE if name in _MAKES else None
        if effect > 0:
            stack.extend([None] * effect)


def _cell(code: CodeType, place: int) -> str:
    first = code.co_varnames if _VERSION >= (3, 11) else ()
    return (*first, *[name for name in code.co_cellvars if name not in first], *code.co_freevars)[place]


def _load_global(stack: List[Optional[Callee]], code: CodeType, argument: int) -> None:
    if _VERSION < (3, 11):
        stack.append(Callee("global", code.co_names[argument]))
        return
    found = Callee("global", code.co_names[argument >> 1])
    pair = [_NULL, found] if _VERSION < (3, 13) else [found, _NULL]
    stack.extend(pair if argument & 1 else [found])


def _load_attribute(stack: List[Optional[Callee]], code: CodeType, name: str, argument: int) -> None:
    method = name == "LOAD_METHOD"
    if name == "LOAD_ATTR" and _VERSION >= (3, 12):
        method, argument = bool(argument & 1), argument >> 1
    base = stack.pop() if stack else None
    stack.append(None if base is None else Callee("attribute", code.co_names[argument], base))
    if method:
        stack.append(None)


def trusted(
    found: Tuple[Callee, ...], frame: FrameType, local: Lookup, iterating: bool = True, subscripting: bool = True
) -> bool:
    """Whether nothing that is called or read changes a value by itself.

    ``iterating``: whether all iterators are trusted; ``subscripting``: whether all that items are taken from is.
    """
    try:
        for one in found:
            if one.kind == "item":
                if not subscripting and not _may_be_read(_value(one.base, local, frame)):
                    return False
                continue
            if one.kind in ("__setitem__", "__delitem__"):
                if not _in_python(_value(one.base, local, frame), one.kind):
                    return False
                continue
            keywords = one.kind == "keywords"  # may be a key function in C
            if not _may_be_called(_value(one.base if keywords else one, local, frame), iterating and not keywords):
                return False
    except (Unknown, KeyError, AttributeError):
        return False
    return True


def _made() -> None:
    """Stand in for a function that a line has made."""


class _Method(NamedTuple):
    """A method of a type in C, found but not bound."""

    kind: type
    name: str


def _value(one: Optional[Callee], local: Lookup, frame: FrameType) -> Any:
    if one is None:
        raise Unknown
    if one.kind == "local":
        return local(one.name)
    if one.kind == "global":
        names = frame.f_globals
        return names[one.name] if one.name in names else frame.f_builtins[one.name]
    if one.kind == "made":
        return _made
    if one.kind != "attribute":
        raise Unknown
    if one.base.kind == "literal":
        return _Method(one.base.base, one.name)
    return _attribute(_value(one.base, local, frame), one.name)


def _attribute(value: Any, name: str) -> Any:
    """Return what an attribute is, without running any code; of a method its function."""
    kind = type(value)
    if id(kind) in _METHODS:
        return _Method(kind, name)
    if kind is ModuleType:
        return vars(ModuleType)["__dict__"].__get__(value)[name]
    if kind is _Method or not _flags_of(kind) & HEAP_TYPE or issubclass(kind, type):
        raise Unknown
    of_class = _of_class(kind, name)
    own = instance_dict(value) or {}
    if of_class is _MISSING:
        return own[name]
    if type(of_class) is staticmethod or type(of_class) is classmethod:
        of_class = of_class.__func__
    if type(of_class) is MemberDescriptorType:
        return of_class.__get__(value)  # a slot; empty, it raises AttributeError
    if type(of_class) is not FunctionType and _found(type(of_class), "__get__") is not None:
        raise Unknown
    return own.get(name, of_class)


_MISSING = object()
_flags_of: Any = type.__dict__["__flags__"].__get__
_GETATTRIBUTE = object.__dict__["__getattribute__"]


def _of_class(kind: type, name: str) -> Any:
    """Return what the type's MRO gives for a name; raises ``Unknown`` where looking attributes up is the program's."""
    found = _MISSING
    for base in mro_of(kind):
        namespace = dict_of(base)
        if found is _MISSING and name in namespace:
            found = namespace[name]
        if "__getattribute__" in namespace and namespace["__getattribute__"] is not _GETATTRIBUTE:
            raise Unknown
    return found


def _may_be_read(value: Any) -> bool:
    """Whether taking an item runs nothing in C that changes something: a defaultdict makes what is missing."""
    kind = type(value)
    if id(kind) in _READABLE:
        return True
    return _in_python(value, "__getitem__") or any(_found(kind, "__getitem__") is each for each in _READERS)


def _in_python(value: Any, name: str) -> bool:
    """Whether a special method is a function of Python, which makes events."""
    return type(_found(type(value), name)) is FunctionType


def _found(kind: type, name: str) -> Any:
    try:
        return find_in(kind, name)
    except AttributeError:
        return None


def _may_be_called(value: Any, iterating: bool) -> bool:
    kind = type(value)
    if kind is FunctionType:
        return True
    if kind is MethodType:
        return type(value.__func__) is FunctionType
    if kind is _Method:
        return _trusts(value.kind, value.name, iterating)
    if kind is BuiltinFunctionType or kind is BOUND_IN_C:
        if value.__self__ is builtins:
            return value.__name__ in _BUILTINS or (iterating and value.__name__ in _ITERATING_BUILTINS)
        return _trusts(type(value.__self__), value.__name__, iterating)
    return kind is type and (
        id(value) in _TYPES or (iterating and id(value) in _ITERATING_TYPES) or _plain(value, iterating)
    )


def _trusts(kind: type, name: str, iterating: bool) -> bool:
    methods = _METHODS.get(id(kind), _NO_NAMES)
    if methods is not None and name not in methods:
        return False
    return iterating or name not in _ITERATING_METHODS


def _plain(kind: type, iterating: bool) -> bool:
    """Whether making an object of the class runs nothing in C but the own of ``object``, exceptions and containers."""
    made, begun = find_in(kind, "__new__"), find_in(kind, "__init__")
    if type(begun) is not FunctionType and not (id(begun) in _PLAIN or (iterating and id(begun) in _CONTAINERS)):
        return False
    return id(made) in _PLAIN or (iterating and id(made) in _CONTAINERS)


def _makers(kinds: Iterable[type]) -> FrozenSet[int]:
    return frozenset(
        id(kind.__dict__[name]) for kind in kinds for name in ("__new__", "__init__") if name in kind.__dict__
    )


_EXCEPTIONS = [each for each in vars(builtins).values() if type(each) is type and issubclass(each, BaseException)]
_COLLECTIONS = (list, tuple, dict, set, frozenset)
# By id: their ``__eq__`` may be anybody's.
_PLAIN = _makers([object, *_EXCEPTIONS])
_CONTAINERS = _makers(_COLLECTIONS)
_READABLE = frozenset(map(id, (dict, list, tuple, str, bytes, range, re.Match, type(None), int, float, bool)))
_READERS = tuple(kind.__dict__["__getitem__"] for kind in (list, tuple, str, bytes))
_NO_NAMES: FrozenSet[str] = frozenset()
_OF_SETS = frozenset("copy union intersection difference symmetric_difference issubset issuperset isdisjoint".split())
_METHODS: Dict[int, Optional[FrozenSet[str]]] = {
    **{id(kind): None for kind in (str, bytes, int, float, bool, complex, tuple, range, re.Match)},
    id(re.Pattern): frozenset(("match", "fullmatch", "search", "findall", "finditer", "split")),
    id(list): frozenset(("index", "count", "copy")),
    id(dict): frozenset(("get", "keys", "values", "items", "copy")),
    id(set): _OF_SETS,
    id(frozenset): _OF_SETS,
}
"""By type, the methods that change nothing; ``None`` for all."""
_ITERATING_METHODS = _OF_SETS | {"join"}
_BUILTINS = frozenset(
    "isinstance issubclass len id ord chr hex oct bin abs round divmod pow hash repr ascii format callable getattr "
    "hasattr print".split()
)
_ITERATING_BUILTINS = frozenset("min max sum any all sorted next iter".split())
_TYPES = frozenset(map(id, (int, str, float, bool, bytes, complex, range, slice, object, type, super, reversed)))
_ITERATING_TYPES = frozenset(map(id, (*_COLLECTIONS, enumerate, zip)))
