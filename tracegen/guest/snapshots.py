"""What a value looked like, so that an unchanged one need not be rendered again: a tree of ``nodes``."""

from __future__ import annotations

import types
from collections import OrderedDict, deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, cast

from . import builtins_text
from .guard import attributes
from .nodes import (
    Around,
    AroundFields,
    AroundItems,
    AroundPairs,
    AroundWrapped,
    Back,
    Bare,
    Fields,
    Items,
    Method,
    Named,
    Own,
    Pairs,
    Snapshot,
    Wrapped,
    class_name,
    method_name,
    named,
    parts_of,
)
from .types_text import bare_text, class_text, exception_text, named_tuple_text

if TYPE_CHECKING:
    from .values import ValueRenderer

_IMMUTABLE = (int, str, float, bool, bytes, complex, type(None), type(Ellipsis), range)
# By id, as in ``IMMUTABLE``: a metaclass may define __hash__ and __eq__, which a set of types would run.
IMMUTABLE = set(map(id, _IMMUTABLE))
"""Types whose values show nothing that can change, by id: of the built-ins, and such as ``keep_values_of`` was told."""
_WITH_TUPLES = IMMUTABLE | {id(tuple)}
_SEQUENCES = frozenset(map(id, (list, tuple, set, frozenset, deque)))
_LARGEST = 100_000
"""Items above which a snapshot costs more memory than rendering costs time."""
_NODES = 2_000
"""Containers and names in one snapshot."""
_DEEPEST = 40
"""Containers around each other in one snapshot: deeper ones would use up the program's stack."""


def keep_values_of(kind: type) -> None:
    """Take a type's values for immutable: one in C, never gone, whose values hold no other objects."""
    IMMUTABLE.add(id(kind))
    _WITH_TUPLES.add(id(kind))


def immutable(value: Any) -> bool:
    """Whether nothing that the value shows can change: an immutable built-in, or a tuple of such."""
    kind = type(value)
    return id(kind) in IMMUTABLE or (kind is tuple and _flat(value, 3))


def _flat(items: Any, depth: int = 3) -> bool:
    kinds = set(map(id, map(type, items)))
    if kinds <= IMMUTABLE:
        return True
    if depth == 0 or not kinds <= _WITH_TUPLES:
        return False
    return all(_flat(item, depth - 1) for item in items if type(item) is tuple)


def _key_and_value(items: Any) -> List[Any]:
    return list(chain.from_iterable(items))


PARTS: Dict[Any, Callable[[Any], List[Any]]] = {
    builtins_text.list_text: lambda value: list(list.__iter__(value)),
    builtins_text.tuple_text: lambda value: list(tuple.__iter__(value)),
    builtins_text.dict_text: lambda value: _key_and_value(dict.items(value)),
    builtins_text.counter_text: lambda value: _key_and_value(dict.items(value)),
    builtins_text.frozen_dict_text: lambda value: _key_and_value(value.items()),
    builtins_text.ordered_text: lambda value: _key_and_value(OrderedDict.items(value)),
    builtins_text.defaultdict_text: lambda value: [value.default_factory, *_key_and_value(dict.items(value))],
    builtins_text.view_text: list,
    builtins_text.template_text: lambda value: [value.strings, value.interpolations],
    builtins_text.interpolation_text: lambda value: [
        value.value,
        value.expression,
        value.conversion,
        value.format_spec,
    ],
    named_tuple_text: lambda value: list(tuple.__iter__(value)),
    exception_text: lambda value: [BaseException.__dict__["args"].__get__(value)],
}
"""By handler, what a value shows besides its type."""


class _Cycle(Exception):
    """There is a cycle: begin again with nodes that know what is around them."""


class _Impossible(Exception):
    """There is something that cannot be seen into, or too much."""


class _Taker:
    """Takes one snapshot."""

    def __init__(self, renderer: ValueRenderer, around: Optional[Around]) -> None:
        self.renderer = renderer
        self.around = around
        """With it cycles are allowed for."""
        self.nodes = 0
        self.path: List[int] = []
        self.cyclic = False

    def take(self, value: Any) -> Snapshot:
        """Return the node of a value that is not immutable."""
        self.nodes += 1
        node = named(value)
        if node is not None:
            return node
        if id(value) in self.path:
            return self._back(self.path.index(id(value)))
        if self.nodes > _NODES or len(self.path) > _DEEPEST:
            raise _Impossible
        kind = type(value)
        if kind is types.MethodType:
            return self._method(value)
        if id(kind) in _SEQUENCES:
            return self._within(value, self._sequence)
        if kind is dict or self.renderer.attributive(kind):
            return self._within(value, self._fields)
        handler = self.renderer.handler(kind)
        if handler is bare_text:
            return Bare(kind)
        if handler is class_text:
            return self._class(value, kind)
        parts = PARTS.get(handler)
        if parts is not None:
            return self._within(value, lambda value: self._wrapped(kind, parts, parts(value)))
        return self._own(value, kind)

    def _wrapped(self, kind: type, parts_of: Callable[[Any], List[Any]], parts: List[Any]) -> Snapshot:
        done = self._items(parts)
        if self.around is None:
            return Wrapped(kind, parts_of, done)
        return self._knowing(AroundWrapped(kind, parts_of, done))

    def _class(self, value: Any, kind: type) -> Snapshot:
        name = class_name(value)
        if not all(type(part) is str for part in name):
            raise _Impossible
        return Named(kind, name, class_name)

    def _own(self, value: Any, kind: type) -> Snapshot:
        if not self.renderer.asking(kind):
            raise _Impossible
        if id(value) not in self.renderer.asked:
            return Bare(kind)  # not shown, for a budget: it is its type that a digest tells
        text = self.renderer.asked[id(value)]
        if text is None:
            raise _Impossible
        return Own(kind, text, self.renderer)

    def _within(self, value: Any, taken: Callable[[Any], Snapshot]) -> Snapshot:
        self.path.append(id(value))
        node = taken(value)
        self.path.pop()
        return node

    def _back(self, level: int) -> Snapshot:
        if self.around is None:
            raise _Cycle
        self.cyclic = True
        return Back(self.around, level)

    def _method(self, value: Any) -> Snapshot:
        name = method_name(value)
        if name is None:
            raise _Impossible
        owner = value.__self__
        return Method(name, owner if immutable(owner) else self.take(owner))

    def _sequence(self, value: Any) -> Snapshot:
        kind, items = type(value), self._items(value)
        return Items(kind, items) if self.around is None else self._knowing(AroundItems(kind, items))

    def _fields(self, value: Any) -> Snapshot:
        kind = type(value)
        namespace = value if kind is dict else attributes(value)
        if not _flat(namespace):
            parts = self._items(parts_of(value))
            return Pairs(parts) if self.around is None else self._knowing(AroundPairs(parts))
        keys, values = list(namespace), self._items(namespace.values())
        return Fields(kind, keys, values) if self.around is None else self._knowing(AroundFields(kind, keys, values))

    def _knowing(self, node: Any) -> Snapshot:
        node.around = self.around
        return cast(Snapshot, node)

    def _items(self, items: Any) -> List[Any]:
        if len(items) > _LARGEST:  # before it is copied: it may be as large as the memory that is left
            raise _Impossible
        done = list(items)
        if not _flat(done):
            for position, item in enumerate(done):
                if not immutable(item):
                    done[position] = self.take(item)
        return done


def take(value: Any, renderer: ValueRenderer) -> Optional[Snapshot]:
    """Return the snapshot of a value that ``renderer`` has rendered last, or ``None``."""
    if type(value) is list and len(value) <= _LARGEST and _flat(value):
        return Items(list, list(value))
    kind = id(type(value))
    try:
        if kind not in renderer.cyclic:
            try:
                return _Taker(renderer, None).take(value)
            except _Cycle:
                pass
        taker = _Taker(renderer, Around())
        node = taker.take(value)
        if not taker.cyclic:
            renderer.cyclic.discard(kind)
        return node
    except _Impossible:
        return None
