"""What a value looked like, so that an unchanged one need not be rendered again.

A snapshot holds strong references to exact immutable built-ins only: any other would delay a finaliser. Containers, and
objects that are shown by their attributes alone, are nodes with a snapshot per item. Items are compared by identity,
never by ``==``: ``[1] == [True]``, and equality is the program's code.
"""

from __future__ import annotations

from collections import deque
from operator import is_
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union, cast

from .guard import instance_dict

_IMMUTABLE = (int, str, float, bool, bytes, complex, type(None), type(Ellipsis), range)
# By id: a metaclass may define __hash__ and __eq__, which a set of types would run.
_IMMUTABLE_IDS = frozenset(map(id, _IMMUTABLE))
_WITH_TUPLES = _IMMUTABLE_IDS | {id(tuple)}
_LARGEST = 100_000
"""Items above which a snapshot costs more memory than rendering costs time."""
_NODES = 400
"""Containers and names in one snapshot."""


class Node:
    """A container's or object's exact type, its items (a dict's keys), and a dict's or object's values.

    Items that are not immutable are nodes or names themselves; ``flat`` if there are none.
    """

    __slots__ = ("flat", "items", "kind", "values")

    def __init__(self, kind: type, items: List[Any], values: Optional[List[Any]], flat: bool) -> None:
        self.kind = kind
        self.items = items
        self.values = values
        self.flat = flat

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        kind = self.kind
        if type(value) is not kind:
            return False
        if self.values is None:
            now = cast(Sequence[Any], value)
            return len(now) == len(self.items) and self._same(self.items, now)
        namespace: Any = value if kind is dict else instance_dict(value)
        if namespace is None or len(namespace) != len(self.items):
            return False
        return all(map(is_, self.items, namespace)) and self._same(self.values, namespace.values())

    def _same(self, before: List[Any], now: Iterable[Any]) -> bool:
        if self.flat:
            return all(map(is_, before, now))
        for old, new in zip(before, now):
            if type(old) is Node or type(old) is Named:
                if not old.unchanged(new):
                    return False
            elif old is not new:
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

    def take(self, value: Any) -> Union[Node, Named, None]:
        self.nodes += 1
        named = _named(value, type(value))
        if named is not None:
            return named
        if self.nodes > _NODES or id(value) in self.path:
            return None
        self.path.append(id(value))
        node = self._take(value, type(value))
        self.path.pop()
        return node

    def _take(self, value: Any, kind: type) -> Optional[Node]:
        if kind is list or kind is tuple or kind is set or kind is frozenset or kind is deque:
            items = self._items(value) if len(value) <= _LARGEST else None
            return None if items is None else Node(kind, items, None, _is_flat(items))
        namespace = value if kind is dict else instance_dict(value) if self.structural(kind) else None
        if namespace is None or len(namespace) > _LARGEST or not _flat(namespace):
            return None
        values = self._items(namespace.values())
        return None if values is None else Node(kind, list(namespace), values, _is_flat(values))

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


def _is_flat(items: List[Any]) -> bool:
    kinds = set(map(id, map(type, items)))
    return id(Node) not in kinds and id(Named) not in kinds


def take(value: Any, structural: Callable[[type], bool]) -> Union[Node, Named, None]:
    """Return the snapshot of a value, or ``None``. ``structural``: is a type shown by its attributes alone?"""
    return _Taker(structural).take(value)
