"""A long list, dict or set that changed in one place: its new text from its old one, without rendering what stayed."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, List, NamedTuple, Optional, Tuple, Union

from . import memory
from .nodes import FIRST, MAPPINGS, Fields, Items, Members
from .plain import DEEPEST, LEAVES, ORDERED, nested
from .tables import Table
from .values import ValueRenderer
from .wire import common_ends

_LONG = 100
"""Items from which a snapshot is changed in place."""


class Pending:
    """A snapshot that is to change in place once the event is written: until then it must show what was before."""

    __slots__ = ("_anchor", "_end", "_items", "_lengths", "_snapshot", "_start", "_text")

    def __init__(
        self,
        snapshot: Items,
        start: int,
        end: int,
        items: List[Any],
        lengths: List[int],
        text: str,
        anchor: Tuple[int, int],
    ) -> None:
        self._snapshot = snapshot
        self._start = start
        self._end = end
        self._items = items
        self._lengths = lengths
        self._text = text
        self._anchor = anchor

    def keep(self) -> Items:
        """Change the snapshot and return it."""
        self._snapshot.replace(self._start, self._end, self._items, self._lengths, self._text)
        self._snapshot.anchor = self._anchor
        return self._snapshot


class Splice(NamedTuple):
    """``text`` is the old text with what lies between its first ``start`` and last ``end`` characters replaced."""

    text: str
    snapshot: Union[Items, Fields, Pending, Table]
    start: int
    end: int
    middle: str


def splice(before: Any, text: str, value: Any, renderer: ValueRenderer) -> Optional[Splice]:
    """Return how a list of plain values changed since the snapshot ``before``, whose text was ``text``.

    ``None`` where that is not known to be what rendering the list anew would give.
    """
    if type(value) is not list or not before.flat or before.kind is not list:
        return splice_set(before, text, value, renderer)
    size, last = len(value), len(before.items)
    if not memory.usable or min(size, last) < memory.SHORTEST or max(size, last) > renderer.items:
        return None
    lengths = before.lengths
    if lengths is None:
        lengths = _lengths(before.items, renderer)
        if lengths is None or sum(lengths) + 2 * last != len(text):  # it was cut
            return None
    start, end = memory.common(before.items, value, before.anchor[0])
    left, right = with_neighbours(start, end)
    pieces = _pieces(value[left : size - right], renderer)
    if pieces is None:
        return None
    middle = list(map(len, pieces[start - left : len(pieces) - (end - right)]))
    new = ", ".join(pieces)
    first, rest, whole = replaced(text, lengths, left, right, new, before.anchor)
    if len(whole) > renderer.characters:
        return None
    anchor = left, first  # loops change neighbours one after the other
    snapshot: Union[Items, Pending]
    if before.alone and last >= _LONG:
        snapshot = Pending(before, start, last - end, value[start : size - end], middle, whole, anchor)
    else:
        lengths = lengths.copy()
        lengths[start : last - end] = middle
        snapshot = Items(list, list(value), lengths, whole, flat=True)
        snapshot.anchor = anchor
        snapshot.alone = True
    found = Splice(whole, snapshot, first, rest, new)
    return found if start or end else narrowed(text, found)


def splice_set(before: Items, text: str, value: Any, renderer: ValueRenderer) -> Optional[Splice]:
    """Return how a set of numbers or texts changed by one member, as ``splice`` does for a list."""
    if type(value) is not set or before.kind is not set or not memory.SHORTEST <= len(value) <= renderer.items:
        return None
    members = list(value)
    kinds = frozenset(map(id, map(type, members)))
    if kinds not in ORDERED or kinds != frozenset(map(id, map(type, before.items))):
        return None
    added = set(members).difference(before.items)
    changed = list(added or set(before.items).difference(members))
    if len(changed) != 1 or len(members) - len(before.items) != (1 if added else -1):
        return None
    order = before.order if type(before) is Members else sorted(before.items)
    old, size = before.lengths or _lengths(order, renderer), _lengths(changed, renderer)
    if old is None or size is None or sum(old) + 2 * len(order) != len(text):  # it was cut
        return None
    place = bisect_left(order, changed[0])
    order, lengths = order.copy(), old.copy()
    order[place : place + (not added)] = changed if added else []
    lengths[place : place + (not added)] = size if added else []
    left, right = with_neighbours(place, len(order) - place - len(added))
    new = repr(order[left : len(order) - right])[1:-1]
    first, rest, whole = replaced(text, old, left, right, new, FIRST)
    if len(whole) > renderer.characters:
        return None
    snapshot = Members(set, members, lengths, whole, flat=True)
    snapshot.order = order
    return Splice(whole, snapshot, first, rest, new)


def splice_dict(before: Fields, text: str, value: Any, renderer: ValueRenderer) -> Optional[Splice]:
    """Return how a dict of plain keys and values changed, as ``splice`` does for a list."""
    if id(before.kind) not in MAPPINGS or not before.fits(value) or not before.flat:
        return None
    size, last = len(value), len(before.keys)
    if not memory.usable or min(size, last) < memory.SHORTEST or max(size, last) > renderer.items:
        return None
    lengths = before.lengths
    if lengths is None:
        pairs = _pairs(before.keys, before.values, renderer)
        lengths = [] if pairs is None else list(map(len, pairs))
        closing = 1 if before.kind is dict else 2
        if not lengths or before.opening + sum(lengths) + 2 * (last - 1) + closing != len(text):  # it was cut
            return None
    keys, values = list(value), list(value.values())
    start, end = memory.common(before.values, values)
    if not memory.same(before.keys, keys):
        of_keys = memory.common(before.keys, keys)
        start, end = min(start, of_keys[0]), min(end, of_keys[1])
    left, right = with_neighbours(start, end)
    pieces = _pairs(keys[left : size - right], values[left : size - right], renderer)
    if pieces is None:
        return None
    new = ", ".join(pieces)
    first, rest, whole = replaced(text, lengths, left, right, new, (0, before.opening))
    if len(whole) > renderer.characters:
        return None
    snapshot = before.like(keys, values, whole)
    snapshot.lengths = lengths.copy()
    snapshot.lengths[start : last - end] = map(len, pieces[start - left : len(pieces) - (end - right)])
    found = Splice(whole, snapshot, first, rest, new)
    return found if start or end else narrowed(text, found)


def _pairs(keys: List[Any], values: List[Any], renderer: ValueRenderer) -> Optional[List[str]]:
    """Return the text of each key with its value, if all are plain."""
    if set(map(id, map(type, keys))) <= LEAVES:
        of_keys, of_values = _pieces(keys, renderer), _pieces(values, renderer)
        if of_keys is not None and of_values is not None:
            return list(map("%s: %s".__mod__, zip(of_keys, of_values)))
    return None


def with_neighbours(start: int, end: int) -> Tuple[int, int]:
    """Return how many items stay at both ends; of those next to a change not one, so that the separators are right."""
    return max(0, start - 1), max(0, end - 1)


def replaced(
    text: str, lengths: List[int], left: int, right: int, new: str, anchor: Tuple[int, int]
) -> Tuple[int, int, str]:
    """Replace the text of all items but the first ``left`` and last ``right``: where it was, what follows, and all."""
    first = _offset(lengths, left, anchor)
    gone = lengths[left : len(lengths) - right]
    rest = len(text) - first - sum(gone) - 2 * (len(gone) - 1)
    return first, rest, text[:first] + new + text[len(text) - rest :]


def narrowed(old: str, splice: Splice) -> Splice:
    """Return the same with the least that differs in the middle."""
    before = old[splice.start : len(old) - splice.end]
    start, end = common_ends(before, splice.middle)
    middle = splice.middle[start : len(splice.middle) - end]
    return splice._replace(start=splice.start + start, end=splice.end + end, middle=middle)


def _offset(lengths: List[int], position: int, anchor: Tuple[int, int]) -> int:
    """Return where an item's text begins; adds up from an item whose place is known."""
    known, offset = anchor
    if position < known:
        return offset - sum(lengths[position:known]) - 2 * (known - position)
    return offset + sum(lengths[known:position]) + 2 * (position - known)


def _lengths(items: List[Any], renderer: ValueRenderer) -> Optional[List[int]]:
    pieces = _pieces(items, renderer)
    return None if pieces is None else list(map(len, pieces))


def _pieces(items: List[Any], renderer: ValueRenderer) -> Optional[List[str]]:
    """Return the text of each item, if all are plain."""
    if nested(items, renderer, renderer.characters, min(DEEPEST, renderer.depth - 1)) < 0:
        return None
    try:
        return list(map(repr, items))
    except ValueError:  # an int beyond the digits limit
        return None
