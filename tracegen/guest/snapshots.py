"""What a value looked like, so that an unchanged one need not be rendered again.

A snapshot holds strong references to exact immutable built-ins only: any other would delay a finaliser. Containers, and
objects that are shown by their attributes alone, are nodes with a snapshot per item. Items are compared by identity,
never by ``==``: ``[1] == [True]``, and equality is the program's code.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from operator import is_
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import memory
from .guard import instance_dict, namespace_getter

_IMMUTABLE = (int, str, float, bool, bytes, complex, type(None), type(Ellipsis), range)
# By id: a metaclass may define __hash__ and __eq__, which a set of types would run.
_IMMUTABLE_IDS = frozenset(map(id, _IMMUTABLE))
_WITH_TUPLES = _IMMUTABLE_IDS | {id(tuple)}
_LARGEST = 100_000
"""Items above which a snapshot costs more memory than rendering costs time."""
_FIRST = (0, 1)
_NODES = 400
"""Containers and names in one snapshot."""
_DEEPEST = 40
"""Containers around each other in one snapshot: deeper ones would use up the program's stack."""


class Items:
    """A list, tuple, set or deque: its exact type and its items.

    Items that are not immutable are snapshots themselves; ``flat`` if there are none.
    """

    __slots__ = ("_address", "anchor", "flat", "height", "items", "kind", "lengths", "text")

    def __init__(
        self,
        kind: type,
        items: List[Any],
        lengths: Optional[List[int]] = None,
        text: Optional[str] = None,
        flat: bool = False,
    ) -> None:
        self.kind = kind
        self.items = items
        self.flat = flat or _is_flat(items)
        self.lengths = lengths
        """Length of each item's text, of a long list that changed before; see ``splices``."""
        self.text = text
        """The value's own text, where it is known; see ``structures``."""
        self.height = 0
        """Containers around each other in it, where the text is known."""
        self.anchor = _FIRST
        """An item's number and where its text begins, of a list that changed there before."""
        self._address = memory.address(items) if len(items) >= memory.SHORTEST and memory.usable else 0

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        items = self.items
        kind: Any = self.kind
        if type(value) is not kind or len(value) != len(items):
            return False
        if not self.flat:
            return _same(items, value)
        if self._address and kind is list:
            return memory.same(items, value, self._address)
        return all(map(is_, items, value))


class Fields:
    """A dict, or an object that is shown by its attributes: its exact type, its keys and its values."""

    __slots__ = ("_both", "_namespace_of", "_nested", "height", "keys", "kind", "text", "values")

    def __init__(self, kind: type, keys: List[Any], values: List[Any], text: Optional[str] = None) -> None:
        self.kind = kind
        self.keys = keys
        self.values = values
        self.text = text
        self.height = 0
        self._both = keys + values
        self._nested = [] if _is_flat(values) else [row for row in enumerate(values) if type(row[1]) in SNAPSHOTS]
        self._namespace_of = None if kind is dict else namespace_getter(kind)

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        kind = self.kind
        if type(value) is not kind:
            return False
        namespace: Any = value
        if self._namespace_of is not None:
            namespace = self._namespace_of(value, kind)
            if type(namespace) is not dict:
                return False
        if len(namespace) != len(self.keys):
            return False
        if not self._nested:
            return all(map(is_, self._both, chain(namespace, namespace.values())))
        values = list(namespace.values())
        for position, snapshot in self._nested:
            if not snapshot.unchanged(values[position]):
                return False
            values[position] = snapshot
        return all(map(is_, self._both, chain(namespace, values)))


def _same(before: List[Any], now: Iterable[Any]) -> bool:
    for old, new in zip(before, now):
        if old is not new and not (type(old) in SNAPSHOTS and old.unchanged(new)):
            return False
    return True


class Named:
    """A function, class or module: shown by its name alone, and known by it, so that nothing is kept alive."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: type, name: Tuple[Any, ...]) -> None:
        self.kind = kind
        self.name = name

    def unchanged(self, value: Any) -> bool:
        """Whether the value is shown by the same name."""
        return type(value) is self.kind and _NAMES[self.kind](value) == self.name


class Bare:
    """An object of a built-in type that shows nothing but its type, such as an iterator."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def unchanged(self, value: Any) -> bool:
        """Whether the value is of the type."""
        return type(value) is self.kind


Snapshot = Union[Items, Fields, Named, Bare]
SNAPSHOTS = frozenset((Items, Fields, Named, Bare))
"""The types of what ``take`` returns."""


def _is_flat(items: List[Any]) -> bool:
    return SNAPSHOTS.isdisjoint(map(type, items))


def _class_name(value: type) -> Tuple[Any, ...]:
    return type.__dict__["__module__"].__get__(value), type.__dict__["__qualname__"].__get__(value)


_NAMES: Dict[type, Callable[[Any], Tuple[Any, ...]]] = {
    FunctionType: lambda value: (FunctionType.__dict__["__qualname__"].__get__(value),),
    ModuleType: lambda value: (vars(ModuleType)["__dict__"].__get__(value).get("__name__"),),
    type: _class_name,
}


def _named(value: Any, kind: type) -> Optional[Named]:
    if not (kind is FunctionType or kind is ModuleType or kind is type):
        return None
    name = _NAMES[kind](value)
    return Named(kind, name) if all(type(part) is str for part in name) else None


def immutable(value: Any) -> bool:
    """Whether nothing that the value shows can change: an immutable built-in, or a tuple of such."""
    kind = type(value)
    return id(kind) in _IMMUTABLE_IDS or (kind is tuple and _flat(value, 3))


def _flat(items: Any, depth: int = 3) -> bool:
    kinds = set(map(id, map(type, items)))
    if kinds <= _IMMUTABLE_IDS:
        return True
    if depth == 0 or not kinds <= _WITH_TUPLES:
        return False
    return all(_flat(item, depth - 1) for item in items if type(item) is tuple)


class _Taker:
    """Takes one snapshot; gives up on cycles, on too many nodes and on what it cannot see into."""

    def __init__(self, structural: Callable[[type], bool]) -> None:
        self.structural = structural
        self.nodes = 0
        self.path: List[int] = []

    def take(self, value: Any) -> Optional[Snapshot]:
        self.nodes += 1
        kind = type(value)
        named = _named(value, kind)
        if named is not None:
            return named
        if self.nodes > _NODES or len(self.path) > _DEEPEST or id(value) in self.path:
            return None
        self.path.append(id(value))
        node = self._take(value, kind)
        self.path.pop()
        return node

    def _take(self, value: Any, kind: type) -> Optional[Snapshot]:
        if kind is list or kind is tuple or kind is set or kind is frozenset or kind is deque:
            items = self._items(value) if len(value) <= _LARGEST else None
            return None if items is None else Items(kind, items)
        namespace = value if kind is dict else instance_dict(value) if self.structural(kind) else None
        if namespace is None or len(namespace) > _LARGEST or not _flat(namespace):
            return None
        values = self._items(namespace.values())
        return None if values is None else Fields(kind, list(namespace), values)

    def _items(self, items: Any) -> Optional[List[Any]]:
        done = list(items)
        if _flat(done):
            return done
        for position, item in enumerate(done):
            if not immutable(item):
                done[position] = self.take(item)
                if done[position] is None:
                    return None
        return done


def take(value: Any, structural: Callable[[type], bool]) -> Optional[Snapshot]:
    """Return the snapshot of a value, or ``None``. ``structural``: is a type shown by its attributes alone?"""
    if type(value) is list and len(value) <= _LARGEST and _flat(value):
        return Items(list, list(value))
    return _Taker(structural).take(value)
