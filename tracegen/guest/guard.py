"""Calls to a user's ``__repr__`` under guard: bounded in time, output discarded, side effects on its object undone."""

from __future__ import annotations

import sys
import time
from itertools import repeat
from operator import is_
from types import GeneratorType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Type

from . import memory
from .alarm import TimeUp, alarm


class Called(NamedTuple):
    """What a guarded call gave: ``text``, or ``None`` with the ``fault``; ``printed`` if it wrote to a stream."""

    text: Optional[str]
    fault: str
    printed: bool


_called: Callable[[Type[Called], Tuple[str, str, bool]], Called] = tuple.__new__  # half the time of calling the class


class _Discard:
    """Stands in for stdout and stderr; remembers that something was written."""

    encoding = "utf-8"
    errors = "strict"
    used = False

    def write(self, text: str) -> int:
        self.used = True
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


_announce: List[Callable[[str], None]] = []


def announce_to(write: Callable[[str], None]) -> None:
    """Tell ``write`` each type whose object is about to be asked, and an empty text when it has answered."""
    _announce[:] = [write]


def announcing() -> bool:
    """Whether somebody is told of each call."""
    return bool(_announce)


HEAP_TYPE = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``: of a class that was made at run time."""


mro_of: Any = type.__dict__["__mro__"].__get__
"""Returns a class's MRO without running its metaclass."""
dict_of: Any = type.__dict__["__dict__"].__get__
"""Returns a class's ``__dict__`` without running its metaclass."""


def find_in(kind: type, name: str) -> Any:
    """Return the attribute that the type's MRO gives, without running its metaclass; it must be there."""
    for base in mro_of(kind):
        namespace = dict_of(base)
        if name in namespace:
            return namespace[name]
    raise AttributeError(name)


def full_name(kind: type) -> str:
    """Return the module and qualified name of a class without running its metaclass."""
    module = dict_of(kind).get("__module__")
    name = type.__dict__["__qualname__"].__get__(kind)
    return "%s.%s" % (module, name) if type(module) is str else str(name)


def call(function: Callable[[Any], Any], value: Any, announced: bool = False) -> Called:
    """Return what ``function(value)`` gave, also if it raised. Its event ends with ``alarm.rest`` or ``release``."""
    if _announce and not announced:
        return _announced(function, value)
    sink = _Discard()
    streams = sys.stdout, sys.stderr
    around, now = alarm.since, time.monotonic()
    alarm.since = now  # before it is asked whether it is held: ringing for no call it would let go
    if not alarm.held:
        try:
            alarm.arm(now)
        except BaseException:  # of a handler of the program
            alarm.since = around
            raise
    sys.stdout = sys.stderr = sink
    try:
        try:
            text = function(value)
        finally:
            alarm.since = around
            sys.stdout, sys.stderr = streams
    except TimeUp:  # perhaps raised where things were being put back
        alarm.since = around
        sys.stdout, sys.stderr = streams
        return Called(None, "timed out", sink.used)
    except BaseException as error:
        kind = type.__dict__["__name__"].__get__(type(error))
        return Called(None, "raised %s" % kind, sink.used)
    if type(text) is str:
        return _called(Called, (text, "", sink.used))
    if not isinstance(text, str):
        return Called(None, "returned no str", sink.used)
    return Called(str.__str__(text), "", sink.used)


def _announced(function: Callable[[Any], Any], value: Any) -> Called:
    for write in _announce:
        write(full_name(type(value)))
    called = call(function, value, announced=True)
    for write in _announce:
        write("")
    return called


class _Layout:
    """Where a type's objects keep their attributes. Fixed when the class is made."""

    __slots__ = ("kind", "members", "namespace_of", "slots")

    def __init__(self, kind: type, slots: Dict[str, Any], namespace: Any) -> None:
        self.kind = kind
        self.slots = tuple(slots)
        self.members = tuple(slots.values())
        """The slots' descriptors."""
        self.namespace_of: Optional[Callable[[Any, type], Any]] = None if namespace is None else namespace.__get__
        """Reads the real ``__dict__``."""


_layouts: Dict[int, _Layout] = {}
# By id, with the type kept alive: a metaclass may define __hash__ and __eq__.


def _layout(kind: type) -> _Layout:
    known = _layouts.get(id(kind))
    if known is None or known.kind is not kind:
        known = _layouts[id(kind)] = _find_layout(kind)
    return known


def _find_layout(kind: type) -> _Layout:
    slots: Dict[str, Any] = {}
    namespace = None
    for base in reversed(mro_of(kind)):
        for name, member in list(dict_of(base).items()):
            if type(member) is MemberDescriptorType and name not in ("__dict__", "__weakref__"):
                slots[name] = member
            elif type(member) is GetSetDescriptorType and name == "__dict__" and kind is not type:
                namespace = member
    return _Layout(kind, slots, namespace)


def places(kind: type) -> Tuple[Tuple[Any, ...], Optional[Callable[[Any, type], Any]]]:
    """Return where a type's objects keep their attributes: the slots' descriptors, and what reads ``__dict__``."""
    layout = _layout(kind)
    return layout.members, layout.namespace_of


def attributes(value: Any) -> Dict[str, Any]:
    """Return an object's own attributes from ``__dict__`` and slots, without running any of its code."""
    layout = _layout(type(value))
    found: Dict[str, Any] = {}
    if layout.slots:
        held = _held(layout.members, value)
        found.update((name, item) for name, item in zip(layout.slots, held) if item is not _MISSING)
    namespace = instance_dict(value)
    if namespace is not None:
        found.update((name, item) for name, item in list(namespace.items()) if type(name) is str)
    return found


def attributes_of(kind: type) -> Callable[[Any, type], Any]:
    """Return what gives the attributes of a type's objects as a dict, called with the object and its type."""
    layout = _layout(kind)
    if layout.namespace_of is not None and not layout.members:
        return layout.namespace_of
    return lambda value, kind: attributes(value)


def instance_dict(value: Any) -> Optional[Dict[str, Any]]:
    """Return the real ``__dict__`` of an object, past any property or ``__getattribute__`` of its class."""
    kind = type(value)
    namespace_of = _layout(kind).namespace_of
    namespace = None if namespace_of is None else namespace_of(value, kind)
    return namespace if type(namespace) is dict else None


_MISSING = object()
ITERATORS = frozenset(
    map(id, (GeneratorType, map, filter, zip, enumerate, reversed, type(iter([])), type(iter(())), type(iter(""))))
)
"""Types of what reading uses up, by id."""
CONTAINERS = frozenset(map(id, (list, dict, set)))
"""Types of what is put back with its items, by id."""
_TO_PUT_BACK = ITERATORS | CONTAINERS
_NO_NAMES: Dict[str, Any] = {}
_NOTHING: List[Any] = []
_NO_PAIRS: List[Tuple[Any, Any]] = []
_read: Any = MemberDescriptorType.__get__


class Snapshot:
    """An object's attributes and the items of its built-in containers, one level deep, to be put back if changed."""

    __slots__ = ("before", "held", "inner", "iterator", "members", "namespace", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        kind = type(value)
        layout = _layout(kind)
        namespace_of = layout.namespace_of
        namespace = None if namespace_of is None else namespace_of(value, kind)
        items: Any
        if type(namespace) is dict:
            self.namespace: Optional[Dict[str, Any]] = namespace
            self.before = namespace.copy()
            items = self.before.values()
        else:
            self.namespace, self.before = None, _NO_NAMES
            items = ()
        self.members = members = layout.members
        self.held = _held(members, value) if members else _NOTHING
        if members:
            items = [*items, *self.held]
        self.inner: List[Tuple[Any, Any]] = _NO_PAIRS
        self.iterator = False
        """Whether an attribute is an iterator, which cannot be put back."""
        if _TO_PUT_BACK.isdisjoint(map(id, map(type, items))):
            return
        self.inner = []
        for item in items:
            kind = type(item)
            if kind is list or kind is dict or kind is set:
                self.inner.append((item, item.copy()))
            elif id(kind) in ITERATORS:
                self.iterator = True

    def restore(self) -> bool:
        """Put everything back; return whether anything had changed."""
        changed = False
        for item, copy in self.inner:
            if not same(item, copy):
                changed = True
                put_back(item, copy)
        if self.namespace is not None and not same(self.namespace, self.before):
            changed = True
            put_back(self.namespace, self.before)
        if self.members and not same(_held(self.members, self.value), self.held):
            return self._restore_slots() or changed
        return changed

    def _restore_slots(self) -> bool:
        changed = False
        for member, held in zip(self.members, self.held):
            # A slot that was empty may be filled: so do classes that keep their text, pathlib's among them.
            changed |= held is not _MISSING and fill(member, self.value, held)
        return changed


def put_back(holder: Any, copy: Any) -> None:
    """Make a container what it was when it was copied."""
    holder.clear()
    holder.extend(copy) if type(holder) is list else holder.update(copy)


def fill(member: Any, value: Any, held: Any) -> bool:
    """Make a slot hold what it held; return whether it had changed."""
    if _slot(member, value) is held:
        return False
    try:
        member.__set__(value, held)
    except (AttributeError, TypeError):  # of a type in C: read-only, and perhaps made anew by each look
        return False
    return True


def _held(members: Any, value: Any) -> List[Any]:
    try:
        return list(map(_read, members, repeat(value)))
    except AttributeError:  # an empty slot
        return [_slot(member, value) for member in members]


def _slot(member: Any, value: Any) -> Any:
    try:
        return member.__get__(value)
    except AttributeError:
        return _MISSING


def same(now: Any, before: Any) -> bool:
    """Whether a container holds what its copy does, by identity, never by ``==``, which is the program's."""
    if len(now) != len(before):
        return False
    if type(now) is dict:
        return all(map(is_, now, before)) and all(map(is_, now.values(), before.values()))
    if type(now) is set:
        return set(map(id, now)) == set(map(id, before))
    if len(now) >= memory.SHORTEST and memory.usable:
        return memory.same(now, before)
    return all(map(is_, now, before))
