"""Text and snapshot of a value in one walk; parts that were seen before are taken over.

What it gives is what ``ValueRenderer.render`` and ``snapshots.take`` give, several times faster; where a budget, a
cycle or a type that it does not know is met, it gives nothing, and those two are asked.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from . import builtins_text
from .guard import attributes_of, find_in
from .nodes import (
    MAPPINGS,
    NAMED,
    Bare,
    FactoryFields,
    Fields,
    Items,
    Named,
    Own,
    Wrapped,
    named,
)
from .plain import CONTAINERS, DEEPEST, LEAVES, nested, plain_text
from .snapshots import IMMUTABLE, PARTS, immutable, keep_values_of
from .splices import Splice, narrowed, replaced, with_neighbours
from .standard_text import standard_text
from .stillness import SUBSCRIPT
from .stopped import NOWHERE, SOME, STOPPED, shows
from .tables import FEWEST, Table, table_of
from .types_text import dataclass_text, exception_text, name_of, named_tuple_text, shown_fields
from .values import ValueRenderer

_TEXT = frozenset((id(str),))
_BUILTIN = frozenset((id(list), id(tuple), *MAPPINGS))
"""Types whose shape need not be sought, by id."""
_NOT_SURE: Dict[int, Any] = {}
_REMEMBERED = 1_000
"""Most snapshots that are kept to be found by their value's address, and texts by their value's name."""
LONGEST_REMEMBERED = 2_000
"""Characters of the longest text that is kept so; of longer ones the renderer keeps few."""
_SHORT = 20
"""Characters of a short text: if the budget is for so many of them, values are asked before it is known what fits."""
_CONTAINERS = 400
"""Most containers in one value: beyond it a change is found no faster than by rendering."""

OWN = "own"
SINGLE = "single"
PLAIN = "plain"

Look = Tuple[str, Any]
"""A value's text, and what to know it by: itself if it is immutable, else a snapshot."""


class Unusual(Exception):
    """Something that the renderer must be asked for."""


class _Cycle(Unusual):
    """A container within itself."""


class _Walk:
    """One look at one value."""

    __slots__ = ("containers", "deepest", "left", "path", "renderer")

    def __init__(self, renderer: ValueRenderer) -> None:
        self.renderer = renderer
        self.left = renderer.characters
        self.containers = 0
        self.path: List[int] = []
        self.deepest = 0
        """The most containers around each other so far, within the container at hand."""

    def look(self, value: Any, changed: Any = None) -> Look:
        """Return the look of a value that is not what the snapshot ``changed`` shows."""
        kind = type(value)
        if id(kind) in LEAVES:
            if kind is str and len(value) > self.left:
                raise Unusual
            return self._charged(repr(value)), value
        depth = len(self.path)
        builtin = id(kind) in _BUILTIN
        shape = None if builtin else shape_of(kind, self.renderer)
        if shape is OWN or shape is SINGLE:
            return self._own(value, kind) if shape is OWN else self._single(value, kind, depth)
        # Whatever object had this address: what shows the same has the same text.
        known = self.renderer.looks.get(id(value))
        if known is not None and known is not changed and known.unchanged(value):
            self._reach(depth + known.height)
            return self._charged(known.text), known
        self.containers += 1
        if id(value) in self.path:
            raise _Cycle
        if self.containers > _CONTAINERS:
            raise Unusual
        around, self.deepest = self.deepest, 0
        self._reach(depth + 1)
        self.path.append(id(value))
        if builtin:
            found = self._builtin(value, kind, changed if type(changed) is Table else known)
        elif shape is PLAIN:
            found = self._plain(value, kind, depth)
        elif type(shape) is Shape:
            found = self._object(value, kind, shape)
        elif type(shape) is Sequence:
            found = self._sequence(value, kind, shape)
        else:
            raise Unusual
        self.path.pop()
        if found[1] is not value:
            self.keep(value, found[1], depth)
        self.deepest = max(around, self.deepest)
        return found

    def _builtin(self, value: Any, kind: type, before: Any) -> Look:
        if STOPPED and type(before) is not Table:
            before = STOPPED.get(id(value), NOWHERE)[0]
        again = self.again(value, before) if type(before) is Table else None
        if again is not None:
            return again.text, again.snapshot
        return self._items(value, kind) if kind is list or kind is tuple else self._mapping(value, kind)

    def _own(self, value: Any, kind: type) -> Look:
        renderer = self.renderer
        text = renderer.ask(value)
        if text is None:
            raise Unusual
        return self._charged(text), value if id(kind) in IMMUTABLE else Own(kind, text, renderer)

    def _single(self, value: Any, kind: type, depth: int) -> Look:
        renderer = self.renderer
        mark = value if immutable(value) else Bare(kind) if renderer.bare(kind) else named(value)
        if mark is None:
            raise Unusual
        key = (id(kind), mark.name) if type(mark) is Named else None
        text = None if key is None else renderer.names.get(key)
        if text is not None:
            return self._charged(text), mark
        renderer.left = self.left
        text = renderer.walk(value, depth)
        self.left = renderer.left
        if self.left < 0:
            raise Unusual
        if key is not None:
            if len(renderer.names) >= _REMEMBERED:
                renderer.names.clear()
            renderer.names[key] = text
        return text, mark

    def _reach(self, depth: int) -> None:
        if depth > self.renderer.depth:
            raise Unusual
        self.deepest = max(self.deepest, depth)

    def keep(self, value: Any, snapshot: Any, depth: int) -> None:
        """Keep the snapshot of what was walked through, to be found by its address."""
        snapshot.height = self.deepest - depth
        looks = self.renderer.looks
        if len(looks) >= _REMEMBERED:
            looks.clear()
        if len(snapshot.text) <= LONGEST_REMEMBERED:
            looks[id(value)] = snapshot
            if snapshot.many:
                shows(value, snapshot)

    def _charged(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise Unusual
        return text

    def _flat(self, values: List[Any], most: int = 0) -> bool:
        """Whether ``repr`` renders all at once; ``most``: how many tuples may lie within each other."""
        levels = nested(values, self.renderer, self.left, most)
        if levels > 0:
            self._reach(len(self.path) + levels)
        return levels >= 0

    def _plain(self, value: Any, kind: type, depth: int) -> Look:
        found = plain_text(value, self.renderer, self.left, depth)
        if found is None:
            raise Unusual
        text, items, levels = found
        self._reach(depth + 1 + levels)
        return self._charged(text), Items(kind, items, text=text, flat=True)

    def _items(self, value: Any, kind: type) -> Look:
        if len(value) > self.renderer.items:  # before it is copied: it may be as large as the memory that is left
            raise Unusual
        values = list(value)
        if self._flat(values, min(DEEPEST, self.renderer.depth - len(self.path))):
            text = self._charged(repr(value))
            return text, (value if kind is tuple else Items(kind, values, text=text, flat=True))
        texts, marks = self._looks(values, value)
        self.left -= 2 * len(texts)
        text = _list_of(kind, texts) if kind is list else _tuple_of(kind, texts)
        if kind is tuple and immutable(value):
            return text, value
        table = _table(None, None, marks, texts, text) if kind is list else None
        return text, table or Items(kind, marks, text=text)

    def _looks(self, values: List[Any], of: Any) -> Tuple[List[str], List[Any]]:
        """Return the texts of the values within another, and what they are known by."""
        texts: List[str] = []
        marks: List[Any] = []
        looks, depth, stops = self.renderer.looks, len(self.path), STOPPED
        stopped = stops.pop(id(of), None) if stops else None
        sure: Dict[int, Any] = _NOT_SURE
        if SOME <= len(values) <= self.left // _SHORT:
            self._ask_together(values)
        if stopped is not None and type(stopped[0]) is not Table and stopped[1] >= SOME:
            sure = dict(zip(map(id, values), stopped[0].first(stopped[1])))
        for value in values:
            kind = type(value)
            if kind is int or kind is float or value is None or (kind is str and len(value) <= self.left):
                text, mark = repr(value), value
                self.left -= len(text)
            else:
                known = looks.get(id(value))
                if known is None or not (
                    (sure and sure.get(id(value)) is known)
                    or ((not stops or stops.get(id(value), NOWHERE)[0] is not known) and known.unchanged(value))
                ):
                    text, mark = self.look(value, known)
                else:  # what ``look`` would find, with fewer steps
                    self._reach(depth + known.height)
                    text, mark = self._charged(known.text), known
            texts.append(text)
            marks.append(mark)
        return texts, marks

    def _ask_together(self, values: List[Any]) -> None:
        """Ask those that are shown by their own ``__repr__``, if they are many."""
        shapes = self.renderer.shapes
        asked = [value for value in values if shapes.get(id(type(value))) is OWN]
        if len(asked) >= SOME:
            self.renderer.told(asked)

    def _mapping(self, value: Any, kind: type) -> Look:
        if len(value) > self.renderer.items:
            raise Unusual
        keys = list(value)
        values = list(value.values())
        if len(keys) != len(values) or not self._flat(keys):
            raise Unusual
        flat = self._flat(values)
        if flat and kind is dict:
            text = self._charged(repr(value))
            return text, Fields(dict, keys, values, text)
        around, opening, closing = _DICT if kind is dict else self._around(value, kind, empty=not keys)
        if flat:
            text = self._charged(opening + repr(dict(zip(keys, values)))[1:-1] + closing)
            return text, around.like(keys, values, text)
        texts, marks = self._looks(values, value)
        pieces = [f"{key!r}: {item}" for key, item in zip(keys, texts)]
        text = opening + ", ".join(pieces) + closing
        self.left -= len(text) - sum(map(len, texts))
        return text, _table(around, keys, marks, pieces, text) or around.like(keys, marks, text)

    def _around(self, value: Any, kind: type, empty: bool) -> Tuple[Fields, str, str]:
        """Return the snapshot of such a dict without items, and what stands before and after those of this one."""
        if kind is defaultdict:
            self.renderer.loud |= SUBSCRIPT
            factory, mark = self.look(value.default_factory)
            around = FactoryFields(kind, [], [])
            around.factory, around.shown = mark, factory
            return around, "defaultdict(%s, {" % factory, "})"
        name = MAPPINGS[id(kind)]
        return (_EMPTY[id(kind)], name, "()") if empty else (_EMPTY[id(kind)], name + "({", "})")

    def again(self, value: Any, before: Table) -> Optional[Splice]:
        """Return how a table changed, which is innermost in ``path``; ``None`` if it is no such table any more."""
        differing = before.differing(value, self.renderer.items)
        if differing is None:
            return None
        left = self.left
        stop = len(differing.rows) - differing.end
        changed = differing.rows[differing.start : stop]
        texts, marks = self._looks(changed, changed)
        keys = None if differing.keys is None else differing.keys[differing.start : stop]
        if not before.takes(marks) or not self._flat(keys or []):
            self.left = left
            return None
        charged = sum(map(len, texts))
        if keys is not None:
            texts = [f"{key!r}: {item}" for key, item in zip(keys, texts)]
        self._reach(len(self.path) - 1 + before.height)
        pieces = before.pieces[: differing.start] + texts + before.pieces[len(before.pieces) - differing.end :]
        start, end = with_neighbours(differing.start, differing.end)
        middle = ", ".join(pieces[start : len(pieces) - end])
        lengths = list(map(len, before.pieces))
        first, rest, text = replaced(before.text, lengths, start, end, middle, (0, before.opening))
        self.left -= len(text) - charged
        return narrowed(before.text, Splice(text, before.again(differing, pieces, text), first, rest, middle))

    def _object(self, value: Any, kind: type, shape: Shape) -> Look:
        namespace = shape.namespace_of(value, kind)
        if type(namespace) is not dict or len(namespace) > self.renderer.items:
            raise Unusual
        keys = list(namespace)
        if not _all_text(keys):
            raise Unusual
        texts, marks = self._looks(list(namespace.values()), value)
        size = sum(map(len, texts))
        if shape.fields is None:
            text = "<%s>" % " ".join([shape.name, *map("%s=%s".__mod__, zip(keys, texts))])
        else:
            found = dict(zip(keys, texts))
            text = f"{shape.name}({', '.join([f'{name}={found[name]}' for name in shape.fields if name in found])})"
        self.left -= max(0, len(text) - size)
        return text, Fields(kind, keys, marks, text, shape.namespace_of)

    def _sequence(self, value: Any, kind: type, shape: Sequence) -> Look:
        if shape.size_of(value) > self.renderer.items:  # before it is copied, as in ``_items``
            raise Unusual
        parts = shape.parts_of(value)
        texts, marks = self._looks(*((list(parts[0]), parts[0]) if shape.arguments else (parts, value)))
        text = shape.text_of(kind, texts)
        self.left -= 2 * len(texts) + max(0, len(text) - sum(map(len, texts)))
        if shape.arguments:
            marks = parts if immutable(parts[0]) else [Items(tuple, marks)]
        return text, Wrapped(kind, shape.parts_of, marks, text)


_EMPTY = {id(kind): Fields(kind, [], []) for kind in (Counter, OrderedDict)}
_DICT = (Fields(dict, [], []), "{", "}")
_OF_ROWS = frozenset((Items, Fields))
"""Types of the snapshots of a table's rows."""


def _table(
    around: Optional[Fields], keys: Optional[List[Any]], marks: List[Any], pieces: List[str], text: str
) -> Optional[Table]:
    """Return the snapshot of a list or dict whose values have these, if they are rows of one type."""
    if len(marks) < FEWEST or type(marks[0]) not in _OF_ROWS or not marks[0].flat or len(set(map(type, marks))) > 1:
        return None
    return table_of(around, keys, marks, pieces, text)


class Sequence(NamedTuple):
    """How a type's objects are shown by their items, or an exception's by its arguments."""

    parts_of: Callable[[Any], List[Any]]
    text_of: Callable[[type, List[str]], str]
    size_of: Callable[[Any], int]
    arguments: bool = False
    """Whether the only part is the tuple of an exception's arguments."""


def _tuple_of(kind: type, texts: List[str]) -> str:
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def _named_tuple_of(kind: type, texts: List[str]) -> str:
    fields = find_in(kind, "_fields")
    if type(fields) is not tuple or len(fields) != len(texts) or not _all_text(list(fields)):
        raise Unusual
    return f"{type.__dict__['__name__'].__get__(kind)}({', '.join(map('%s=%s'.__mod__, zip(fields, texts)))})"


def _list_of(kind: type, texts: List[str]) -> str:
    return f"[{', '.join(texts)}]"


def _exception_of(kind: type, texts: List[str]) -> str:
    return f"{type.__dict__['__name__'].__get__(kind)}({', '.join(texts)})"


def _count_arguments(value: BaseException) -> int:
    return len(PARTS[exception_text](value)[0])


_SEQUENCES: Dict[Any, Sequence] = {
    builtins_text.list_text: Sequence(PARTS[builtins_text.list_text], _list_of, list.__len__),
    builtins_text.tuple_text: Sequence(PARTS[builtins_text.tuple_text], _tuple_of, tuple.__len__),
    named_tuple_text: Sequence(PARTS[named_tuple_text], _named_tuple_of, tuple.__len__),
    exception_text: Sequence(PARTS[exception_text], _exception_of, _count_arguments, arguments=True),
}
"""By handler, how it writes a subclass's items."""


class Shape(NamedTuple):
    """How a type's objects are shown by their attributes."""

    name: str
    fields: Optional[List[str]]
    """Those that a dataclass shows; ``None`` for all there are."""
    namespace_of: Callable[[Any, type], Any]


def shape_of(kind: type, renderer: ValueRenderer) -> Union[Shape, Sequence, str, None]:
    """Return the shape of a type whose objects show their attributes, or their items, and nothing else.

    ``OWN`` for one with its own ``__repr__``, ``SINGLE`` for one that shows no other values, ``PLAIN`` for a container
    that has a look here if its items are plain, ``None`` for any other.
    """
    shapes = renderer.shapes
    if id(kind) not in shapes:
        shapes[id(kind)] = _find_shape(kind, renderer)
    found: Union[Shape, Sequence, str, None] = shapes[id(kind)]
    return found


def _find_shape(kind: type, renderer: ValueRenderer) -> Union[Shape, Sequence, str, None]:
    if renderer.asking(kind):
        if standard_text(kind) is repr:  # in C, of plain data: nothing that it shows can change
            keep_values_of(kind)
        return OWN
    if id(kind) in CONTAINERS and kind is not list:
        return PLAIN
    if id(kind) in NAMED or id(kind) in IMMUTABLE or renderer.bare(kind):
        return SINGLE
    handler = renderer.handler(kind)
    if handler in _SEQUENCES:
        return _SEQUENCES[handler]
    if not renderer.attributive(kind):
        return None
    return Shape(name_of(kind), shown_fields(kind) if handler is dataclass_text else None, attributes_of(kind))


def _all_text(keys: List[Any]) -> bool:
    return set(map(id, map(type, keys))) <= _TEXT


def plain(value: Any, renderer: ValueRenderer) -> Optional[Look]:
    """Return the look of a list, set or deque of plain items; ``None`` for any other."""
    found = plain_text(value, renderer, renderer.characters, 0)
    if found is None:
        return None
    text, items, _ = found
    return text, Items(type(value), items, text=text, flat=True)


def known(value: Any, changed: Any, renderer: ValueRenderer) -> Optional[Look]:
    """Return the look of a value that was looked at before, or only need be asked; as ``look`` does."""
    kind = type(value)
    shape = renderer.shapes.get(id(kind))
    if shape is OWN:
        text = renderer.ask(value)
        if text is None or len(text) > renderer.characters:
            return None
        return text, value if id(kind) in IMMUTABLE else Own(kind, text, renderer)
    if shape is SINGLE and id(kind) in NAMED:
        mark = named(value)
        text = None if mark is None else renderer.names.get((id(kind), mark.name))
        return (text, mark) if text is not None and len(text) <= renderer.characters else None
    snapshot = renderer.looks.get(id(value))
    if snapshot is not None:
        if snapshot is changed or snapshot.height > renderer.depth:
            return None
        if not snapshot.unchanged(value):
            del renderer.looks[id(value)]  # the walk need not compare it again
            return None
        return (snapshot.text, snapshot) if len(snapshot.text) <= renderer.characters else None
    large = renderer.large.get(id(value))
    return large if large is not None and large[1] is not changed and large[1].unchanged(value) else None


def splice_table(before: Table, text: str, value: Any, renderer: ValueRenderer) -> Optional[Splice]:
    """Return how a table changed since the snapshot ``before``, whose text was ``text``, as ``splices.splice`` does."""
    if before.text != text:
        return None
    walk = _Walk(renderer)
    walk.path.append(id(value))
    try:
        found = walk.again(value, before)
    except (Unusual, ValueError):
        return None
    if found is None or walk.left < 0:
        return None
    walk.keep(value, found.snapshot, 0)
    return found


def look(value: Any, changed: Any, renderer: ValueRenderer) -> Optional[Look]:
    """Return the text of a container or object and what to know it by; it is not what the snapshot ``changed`` shows.

    ``None`` where the renderer must be asked.
    """
    kind = type(value)
    builtin = id(kind) in _BUILTIN
    if not builtin and (id(kind) in renderer.cyclic or shape_of(kind, renderer) is None):
        return None
    walk = _Walk(renderer)
    try:
        found = walk.look(value, changed)
    except _Cycle:
        if not builtin:
            renderer.cyclic.add(id(kind))
        return None
    except (Unusual, ValueError):  # ValueError: an int beyond the digits limit
        return None
    return found if walk.left >= 0 else None
