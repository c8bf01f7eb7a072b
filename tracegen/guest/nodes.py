"""What snapshots are made of: each node tells whether a value still shows what it showed when the node was made.

A node holds strong references to exact immutable built-ins only, and to what ``snapshots.keep_values_of`` was told of:
any other would delay a finaliser. Items are compared by identity, never by ``==``: ``[1] == [True]``, and equality is
the program's code.
"""

from __future__ import annotations

import _thread
import re
import types
from collections import Counter, OrderedDict, defaultdict
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from . import memory
from .guard import attributes_of
from .stopped import SOME, STOPPED, compared, forget, shows
from .tables import Table

if TYPE_CHECKING:
    from .values import ValueRenderer

FIRST = (0, 1)
"""Number of a container's first item, and where its text begins."""
MAPPINGS = {id(kind): name for kind, name in ((dict, ""), (Counter, "Counter"), (OrderedDict, "OrderedDict"))}
MAPPINGS[id(defaultdict)] = "defaultdict"
"""Dicts by their types' ids, with the name that stands before what they hold."""


class Items:
    """A list, tuple, set or deque: its exact type and its items.

    Items that are not immutable are snapshots themselves; ``flat`` if there are none.
    """

    __slots__ = ("_address _owns alone anchor flat height items kind lengths many text").split()
    cyclic = False
    """Whether what it shows depends on what is around it, so that comparing it tells nothing for another place."""

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
        self.anchor = FIRST
        """An item's number and where its text begins, of a list that changed there before."""
        self.alone = False
        """Whether one name alone is known by it, so that it may be changed in place; see ``splices``."""
        self._address = memory.address(items) if len(items) >= memory.SHORTEST and memory.usable else 0
        self.many = not self.flat and len(items) >= SOME
        """Whether it has so many parts that it is worth while to know for an event how comparing them ended."""
        self._owns = Owns.of(items) if self.many else None

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        items = self.items
        kind: Any = self.kind
        if type(value) is not kind or len(value) != len(items):
            return False
        if not self.flat:
            if self.many:
                return self._shown_by(value)
            differing = _differing(items, value)
            if differing is not None and STOPPED:
                STOPPED[id(value)] = self, differing
            return differing is None
        if self._address and kind is list:
            return memory.same(items, value, self._address)
        return all(map(is_, items, value))

    def _shown_by(self, value: Any) -> bool:
        """Whether a value of as many items shows them, of which some are snapshots."""
        known = compared(value, self) if STOPPED and not self.cyclic else None
        if known is not None:
            return known
        shown = value
        if self._owns is not None:
            shown = list(value)
            if not self._owns.replace(shown):
                return False
        differing = _differing(self.items, shown)
        if differing is not None:
            if differing >= SOME or STOPPED:
                STOPPED[id(value)] = self, differing
        elif not self.cyclic:
            shows(value, self)
        return differing is None

    def first(self, count: int) -> Iterable[Any]:
        """Return what the first parts are known by that are compared."""
        return self.items[:count]

    def replace(self, start: int, end: int, items: List[Any], lengths: List[int], text: str) -> None:
        """Become the snapshot of a list that shows ``text``, with ``items[start:end]`` replaced; of a flat one."""
        self.items[start:end] = items
        if self.lengths is not None:
            self.lengths[start:end] = lengths
        self.text = text
        self._address = memory.address(self.items) if self._address else 0


class Members(Items):
    """A set of numbers or texts that changed before, with its members as they are shown."""

    __slots__ = ("order",)
    order: List[Any]


class Fields:
    """A dict, or an object that is shown by its attributes: its exact type, its keys and its values."""

    __slots__ = ("_both _nested namespace_of _owns flat height keys kind lengths many text values").split()
    cyclic = False

    def __init__(
        self,
        kind: type,
        keys: List[Any],
        values: List[Any],
        text: Optional[str] = None,
        namespace_of: Optional[Callable[[Any, type], Any]] = None,
    ) -> None:
        self.kind = kind
        self.keys = keys
        self.values = values
        self.text = text
        self.height = 0
        self.lengths: Optional[List[int]] = None
        """Length of each pair's text, of a long dict that changed before; see ``splices``."""
        self._both = both = keys + values
        self.flat = _is_flat(values)
        """Whether all values are immutable."""
        self._nested = [] if self.flat else [row for row in enumerate(both) if type(row[1]) in SNAPSHOTS]
        if len(self._nested) > 1:
            self._nested.sort(key=lambda row: type(row[1]) is Own)  # last what runs the program's code
        self.many = many = len(self._nested) >= SOME
        self._owns = Owns.of(both) if many else None
        if self._owns is not None:
            self._nested = [row for row in self._nested if type(row[1]) is not Own]
        self.namespace_of = namespace_of
        if namespace_of is None and kind is not dict and id(kind) not in MAPPINGS:
            self.namespace_of = attributes_of(kind)

    @property
    def opening(self) -> int:
        """Characters before the first item of a dict other than a defaultdict."""
        return 1 if self.kind is dict else len(MAPPINGS[id(self.kind)]) + 2

    def like(self, keys: List[Any], values: List[Any], text: str) -> Fields:
        """Return the snapshot of a dict of the same kind that holds something else."""
        return Fields(self.kind, keys, values, text)

    def fits(self, value: Any) -> bool:
        """Whether a dict differs in nothing but what it holds."""
        return type(value) is self.kind

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        kind = self.kind
        if type(value) is not kind:
            return False
        namespace: Any = value
        if self.namespace_of is not None:
            namespace = self.namespace_of(value, kind)
            if type(namespace) is not dict:
                return False
        if len(namespace) != len(self.keys):
            return False
        if self.flat:
            return all(map(is_, self._both, [*namespace, *namespace.values()]))
        if self.many and STOPPED and not self.cyclic:
            known = compared(value, self)
            if known is not None:
                return known
        both = [*namespace, *namespace.values()]
        for position, snapshot in self._nested:
            if not snapshot.unchanged(both[position]):
                if self.many or STOPPED:
                    STOPPED[id(value)] = self, self._nested.index((position, snapshot))
                return False
            both[position] = snapshot
        if self._owns is not None and not self._owns.replace(both):
            return False
        if all(map(is_, self._both, both)):
            if self.many and not self.cyclic:
                shows(value, self)
            return True
        if self.many:
            STOPPED[id(value)] = self, len(self._nested)
        return False

    def first(self, count: int) -> Iterable[Any]:
        """Return what the values are known by that are among the first parts that are compared, else ``None``."""
        size = len(self.keys)
        found: List[Any] = [None] * size
        for position, snapshot in self._nested[:count]:
            found[position - size] = snapshot
        return found


class FactoryFields(Fields):
    """A defaultdict, with what it is to make, and the text of that."""

    __slots__ = ("factory", "shown")
    factory: Any
    shown: str

    @property
    def opening(self) -> int:
        """Characters before the first item."""
        return len("defaultdict(, {") + len(self.shown)

    def like(self, keys: List[Any], values: List[Any], text: str) -> Fields:
        """Return the snapshot of a defaultdict with the same factory that holds something else."""
        other = FactoryFields(self.kind, keys, values, text)
        other.factory, other.shown = self.factory, self.shown
        return other

    def fits(self, value: Any) -> bool:
        """Whether a defaultdict differs in nothing but what it holds."""
        if type(value) is not defaultdict:
            return False
        factory = value.default_factory
        return self.factory is factory or (type(self.factory) in SNAPSHOTS and self.factory.unchanged(factory))

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        return self.fits(value) and super().unchanged(value)


class Pairs:
    """A dict whose keys can change what they show, or are not known to be immutable: keys and values in turn."""

    __slots__ = ("parts",)

    def __init__(self, parts: List[Any]) -> None:
        self.parts = parts

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        if type(value) is not dict or 2 * len(value) != len(self.parts):
            return False
        return _differing(self.parts, parts_of(value)) is None


def parts_of(value: Dict[Any, Any]) -> List[Any]:
    """Return a dict's keys and values in turn, at once: comparing them may run code that changes the dict."""
    return list(chain.from_iterable(list(value.items())))


def _differing(before: List[Any], now: Iterable[Any]) -> Optional[int]:
    """Return the number of the first value that does not show what it showed, if there is one."""
    for place, (old, new) in enumerate(zip(before, now)):
        if old is not new and not (type(old) in SNAPSHOTS and old.unchanged(new)):
            return place
    return None


class Named:
    """A function, class or module: shown by its name alone, and known by it, so that nothing is kept alive."""

    __slots__ = ("kind", "name", "name_of")

    def __init__(self, kind: type, name: Tuple[Any, ...], name_of: Callable[[Any], Tuple[Any, ...]]) -> None:
        self.kind = kind
        self.name = name
        self.name_of = name_of

    def unchanged(self, value: Any) -> bool:
        """Whether the value is shown by the same name."""
        return type(value) is self.kind and self.name_of(value) == self.name


class Bare:
    """An object of a built-in type that shows nothing but its type, such as an iterator."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def unchanged(self, value: Any) -> bool:
        """Whether the value is of the type."""
        return type(value) is self.kind


class Method:
    """A bound method: shown by its function's name and its object."""

    __slots__ = ("name", "owner")

    def __init__(self, name: str, owner: Any) -> None:
        self.name = name
        self.owner = owner

    def unchanged(self, value: Any) -> bool:
        """Whether the value is a method of that name of an object that shows the same."""
        if type(value) is not types.MethodType or method_name(value) != self.name:
            return False
        owner, now = self.owner, value.__self__
        return owner is now or (type(owner) in SNAPSHOTS and owner.unchanged(now))


def method_name(value: Any) -> Optional[str]:
    """Return the name of a bound method's function, if that is a plain one."""
    function = value.__func__
    if type(function) is not types.FunctionType and type(function) is not types.BuiltinFunctionType:
        return None
    name = function.__qualname__
    return name if type(name) is str else None


class Own:
    """An object that is shown by its class's own ``__repr__``: asked again, and known by what that gives."""

    __slots__ = ("kind", "renderer", "text")

    def __init__(self, kind: type, text: str, renderer: ValueRenderer) -> None:
        self.kind = kind
        self.text = text
        self.renderer = renderer

    def unchanged(self, value: Any) -> bool:
        """Whether the value's ``__repr__`` gives the same text."""
        return type(value) is self.kind and self.renderer.ask(value) == self.text


class Owns:
    """Many such objects in one container, compared at once."""

    __slots__ = ("_kinds", "_marks", "_places", "_renderer", "_texts")

    def __init__(self, found: List[Tuple[int, Own]]) -> None:
        self._places = [place for place, _ in found]
        self._marks = [mark for _, mark in found]
        self._kinds = [mark.kind for mark in self._marks]
        self._texts = [mark.text for mark in self._marks]
        self._renderer = self._marks[0].renderer

    @classmethod
    def of(cls, marks: List[Any]) -> Optional[Owns]:
        """Return those among the marks of a container's items, if they are many."""
        found = [(place, mark) for place, mark in enumerate(marks) if type(mark) is Own]
        return cls(found) if len(found) >= SOME else None

    def replace(self, values: List[Any]) -> bool:
        """Put the marks in the places of objects that give the same texts; return whether all do."""
        found = [values[place] for place in self._places]
        if not all(map(is_, map(type, found), self._kinds)):
            return False
        told = self._renderer.told(found)
        if told is None or list(map(told.get, map(id, found))) != self._texts:
            return False
        for place, mark in zip(self._places, self._marks):
            values[place] = mark
        return True


class Wrapped:
    """A container of another type than list, tuple, dict or set: its exact type and what it shows."""

    __slots__ = ("height", "kind", "parts", "parts_of", "text")
    many = False

    def __init__(
        self, kind: type, parts_of: Callable[[Any], List[Any]], parts: List[Any], text: Optional[str] = None
    ) -> None:
        self.kind = kind
        self.parts_of = parts_of
        self.text = text
        self.height = 0
        self.parts = Items(list, parts)
        """Snapshot of the list that ``parts_of`` gives."""

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        if type(value) is not self.kind:
            return False
        parts = self.parts_of(value)
        shown = self.parts.unchanged(parts)
        if STOPPED:  # the list is about to go
            forget(parts)
        if shown:
            return True
        stopped = STOPPED.pop(id(parts), None)
        if stopped is not None:
            STOPPED[id(value)] = stopped
        return False


class Around:
    """The containers around the place of a snapshot with cycles that is being compared, by id, outermost first."""

    def __init__(self) -> None:
        self.ids: List[int] = []

    def compare(self, value: Any, compare: Callable[[Any], bool]) -> bool:
        """Return ``compare(value)``, which is within ``value``; a value within itself is another picture."""
        if id(value) in self.ids:
            return False
        self.ids.append(id(value))
        try:
            return compare(value)
        finally:
            self.ids.pop()


class AroundItems(Items):
    """``Items`` with a cycle somewhere around or within."""

    __slots__ = ("around",)
    cyclic = True
    around: Around

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        return self.around.compare(value, super().unchanged)


class AroundFields(Fields):
    """``Fields`` with a cycle somewhere around or within."""

    __slots__ = ("around",)
    cyclic = True
    around: Around

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        return self.around.compare(value, super().unchanged)


class AroundPairs(Pairs):
    """``Pairs`` with a cycle somewhere around or within."""

    __slots__ = ("around",)
    around: Around

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        return self.around.compare(value, super().unchanged)


class AroundWrapped(Wrapped):
    """``Wrapped`` with a cycle somewhere around or within."""

    __slots__ = ("around",)
    around: Around

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        return self.around.compare(value, super().unchanged)


class Back:
    """A value that is one of the containers around it: ``level`` counts from the outermost."""

    __slots__ = ("around", "level")

    def __init__(self, around: Around, level: int) -> None:
        self.around = around
        self.level = level

    def unchanged(self, value: Any) -> bool:
        """Whether the value is the same container around it."""
        return self.around.ids[self.level] == id(value)


Snapshot = Union[Items, Fields, Pairs, Named, Bare, Method, Own, Wrapped, Back, Table]
SNAPSHOTS = frozenset(
    (
        Items,
        Members,
        Fields,
        FactoryFields,
        Pairs,
        Named,
        Bare,
        Method,
        Own,
        Wrapped,
        AroundItems,
        AroundFields,
        AroundPairs,
        AroundWrapped,
        Back,
        Table,
    )
)
"""The types of all nodes."""


def _is_flat(items: List[Any]) -> bool:
    return SNAPSHOTS.isdisjoint(map(type, items))


def class_name(value: type) -> Tuple[Any, ...]:
    """Return what a class is shown by, past its metaclass."""
    return type.__dict__["__module__"].__get__(value), type.__dict__["__qualname__"].__get__(value)


def _own_name(value: Any) -> Tuple[Any, ...]:
    return (value.__qualname__,)


def _builtin_name(value: Any) -> Tuple[Any, ...]:
    # Of a method the type of its object is shown, of a function of a module nothing more.
    return (value.__name__, *class_name(type(value.__self__)))


def _descriptor_name(value: Any) -> Tuple[Any, ...]:
    return (value.__name__, *class_name(value.__objclass__))


def _pattern_name(value: Any) -> Tuple[Any, ...]:
    pattern = value.pattern
    return (repr(pattern) if type(pattern) is bytes else pattern), str(value.flags)  # the flags tell bytes from str


def _match_name(value: Any) -> Tuple[Any, ...]:
    string = value.string
    return (repr(value),) if type(string) is str or type(string) is bytes else (None,)


def _own_text(value: Any) -> Tuple[Any, ...]:
    return (repr(value),)


LOCK, REENTRANT_LOCK = type(_thread.allocate_lock()), type(_thread.RLock())
"""Types in C, without a name everywhere, whose ``__repr__`` calls no other code."""
BOUND_IN_C = type(re.compile("").match)
"""The type of methods that know their class, from 3.9 on; it has no name in ``types``."""

_NAMES: Dict[type, Callable[[Any], Tuple[Any, ...]]] = {
    types.BuiltinFunctionType: _builtin_name,
    types.MethodWrapperType: _builtin_name,
    types.WrapperDescriptorType: _descriptor_name,
    types.MethodDescriptorType: _descriptor_name,
    types.ClassMethodDescriptorType: _descriptor_name,
    types.GetSetDescriptorType: _descriptor_name,
    types.MemberDescriptorType: _descriptor_name,
    re.Pattern: _pattern_name,
    re.Match: _match_name,
    BOUND_IN_C: _builtin_name,
    LOCK: _own_text,
    REENTRANT_LOCK: _own_text,
    types.GeneratorType: _own_name,
    types.CoroutineType: _own_name,
    types.AsyncGeneratorType: _own_name,
    types.CodeType: lambda value: (value.co_name,),
    types.FunctionType: lambda value: (types.FunctionType.__dict__["__qualname__"].__get__(value),),
    types.ModuleType: lambda value: (vars(types.ModuleType)["__dict__"].__get__(value).get("__name__"),),
    type: class_name,
}
# By id: a metaclass may define __hash__ and __eq__, which a dict of types would run.
_NAMES_BY_ID = {id(kind): name_of for kind, name_of in _NAMES.items()}
NAMED = frozenset(_NAMES_BY_ID)
"""Types whose values are shown by names alone, by id."""


_TEXT = {id(str)}


def named(value: Any) -> Optional[Named]:
    """Return the node of a value that is shown by names alone."""
    kind = type(value)
    name_of = _NAMES_BY_ID.get(id(kind))
    if name_of is None:
        return None
    name = name_of(value)
    return Named(kind, name, name_of) if set(map(id, map(type, name))) == _TEXT else None
