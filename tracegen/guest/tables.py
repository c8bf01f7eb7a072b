"""Lists and dicts of many plain rows (a grid, groups, records): compared at once, and rendered row by row.

A row is a list, a set, a dict or an object with plain items only, and all rows are of one type. Their items stand in
one list, so that two states are compared as memory instead of row by row.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, chain, repeat
from operator import ne
from types import FunctionType
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from . import memory
from .stopped import NOWHERE, STOPPED, compared, shows

FEWEST = 8
"""Rows from which they are compared at once."""
_DICT = frozenset((id(dict),))
_ROWS = frozenset(map(id, (list, set)))
"""Types of rows that are items only."""


class Cells(NamedTuple):
    """What rows hold: how many items each, all their keys (of dicts and objects), all their items."""

    sizes: List[int]
    names: List[Any]
    items: List[Any]


class RowType(NamedTuple):
    """The exact type of all rows, and what gives an object's attributes."""

    kind: type
    namespace_of: Optional[Callable[[Any, type], Any]]

    def spaces(self, rows: List[Any]) -> Optional[List[Any]]:
        """Return what holds the rows' items; ``None`` if one is of another type."""
        if set(map(id, map(type, rows))) != {id(self.kind)}:
            return None
        if self.namespace_of is None:
            return rows
        found = list(map(self.namespace_of, rows, repeat(self.kind)))
        return found if set(map(id, map(type, found))) == _DICT else None

    def cells(self, spaces: List[Any]) -> Optional[Cells]:
        """Return what rows hold; ``None`` where another thread changes them meanwhile."""
        sizes = list(map(len, spaces))
        names: List[Any] = []
        items = list(chain.from_iterable(spaces))
        if id(self.kind) not in _ROWS:
            names, items = items, list(chain.from_iterable(map(dict.values, spaces)))
            if len(names) != len(items):
                return None
        return Cells(sizes, names, items) if len(items) == sum(sizes) else None


class Table:
    """The snapshot of a list or dict of such rows."""

    __slots__ = ("_around", "_cells", "height", "keys", "pieces", "row", "text")
    many = True

    def __init__(
        self, around: Any, keys: Optional[List[Any]], row: RowType, cells: Cells, pieces: List[str], text: str
    ) -> None:
        self._around = around
        """Of a dict, the snapshot of one of its kind without items."""
        self.keys = keys
        """Of a dict."""
        self.row = row
        self._cells = cells
        self.pieces = pieces
        """The text of each row, in a dict with its key."""
        self.text = text
        self.height = 0

    @property
    def opening(self) -> int:
        """Characters before the first row."""
        return 1 if self._around is None else int(self._around.opening)

    def _fits(self, value: Any) -> bool:
        return type(value) is list if self._around is None else bool(self._around.fits(value))

    def _parts(self, value: Any) -> Tuple[Optional[List[Any]], List[Any]]:
        return (None, list(value)) if self.keys is None else (list(value), list(value.values()))

    def unchanged(self, value: Any) -> bool:
        """Whether the value still shows what it showed when the snapshot was taken."""
        before = self._cells
        if not self._fits(value) or len(value) != len(before.sizes):
            return False
        if STOPPED:
            known = compared(value, self)
            if known is not None:
                return known
        keys, rows = self._parts(value)
        spaces = self.row.spaces(rows)
        if spaces is None or list(map(len, spaces)) != before.sizes:
            return False
        if keys is not None and not memory.same(self.keys or [], keys):
            return False
        now = self.row.cells(spaces)
        if now is None:
            return False
        if memory.same(before.items, now.items) and memory.same(before.names, now.names):
            shows(value, self)
            return True
        STOPPED[id(value)] = self, now
        return False

    def differing(self, value: Any, most: int) -> Optional[Differing]:
        """Return how another state differs; ``None`` if it is no such table, or longer or wider than ``most``."""
        stopped = STOPPED.pop(id(value), NOWHERE)
        if not self._fits(value) or not FEWEST <= len(value) <= most:
            return None
        keys, rows = self._parts(value)
        if stopped[0] is self:
            now: Optional[Cells] = stopped[1]
        else:
            spaces = self.row.spaces(rows)
            if spaces is None or max(map(len, spaces)) > most:  # before they are copied
                return None
            now = self.row.cells(spaces)
        if now is None or len(rows) != len(now.sizes) or (keys is not None and len(keys) != len(rows)):
            return None
        before = self._cells
        same = [_same_rows(before.sizes, now.sizes, before.items, now.items)]
        if not memory.same(before.names, now.names):
            same.append(_same_rows(before.sizes, now.sizes, before.names, now.names))
        if keys is not None:
            same.append(_common(self.keys or [], keys))
        starts, ends = zip(*same)
        start = min(starts)
        return Differing(keys, rows, now, start, min(*ends, len(rows) - start, len(before.sizes) - start))

    def takes(self, marks: List[Any]) -> bool:
        """Whether rows with these snapshots are plain ones of the table's type."""
        kind = self.row.kind
        return all(getattr(mark, "flat", False) and mark.kind is kind for mark in marks)

    def again(self, differing: Differing, pieces: List[str], text: str) -> Table:
        """Return the snapshot of the state that differs so."""
        return Table(self._around, differing.keys, self.row, differing.cells, pieces, text)


class Differing(NamedTuple):
    """Another state of a table: its rows, of which the first ``start`` and last ``end`` are as they were."""

    keys: Optional[List[Any]]
    rows: List[Any]
    cells: Cells
    start: int
    end: int


def table_of(around: Any, keys: Optional[List[Any]], marks: List[Any], pieces: List[str], text: str) -> Optional[Table]:
    """Return the table whose rows have these snapshots, of lists, sets, dicts or objects, if they make one."""
    if not memory.usable:
        return None
    kind = marks[0].kind
    if not all(mark.kind is kind and mark.flat for mark in marks):
        return None
    if hasattr(marks[0], "items"):
        if id(kind) not in _ROWS:
            return None
        sizes = [len(mark.items) for mark in marks]
        cells = Cells(sizes, [], list(chain.from_iterable([mark.items for mark in marks])))
        return Table(around, keys, RowType(kind, None), cells, pieces, text)
    namespace_of = marks[0].namespace_of
    if (namespace_of is None and kind is not dict) or type(namespace_of) is FunctionType:
        return None
    sizes = [len(mark.keys) for mark in marks]
    names = list(chain.from_iterable([mark.keys for mark in marks]))
    cells = Cells(sizes, names, list(chain.from_iterable([mark.values for mark in marks])))
    return Table(around, keys, RowType(kind, namespace_of), cells, pieces, text)


def _same_rows(one: List[int], other: List[int], items: List[Any], now: List[Any]) -> Tuple[int, int]:
    """Return how many rows are the same at the start and at the end; ``one`` and ``other``: their sizes."""
    first, last = _common(items, now)
    if one == other and one[0] and one.count(one[0]) == len(one):
        return first // one[0], last // one[0]
    start = min(_leading(one, other), bisect_right(list(accumulate(one)), first))
    one, other = one[::-1], other[::-1]
    return start, min(_leading(one, other), bisect_right(list(accumulate(one)), last))


def _common(one: List[Any], other: List[Any]) -> Tuple[int, int]:
    """Return how many objects two lists have in common at their starts and at their ends: all, if they are the same."""
    start, end = memory.common(one, other)
    return (start, start) if start == len(one) == len(other) else (start, end)


def _leading(one: List[int], other: List[int]) -> int:
    """Return how many numbers are the same at the start."""
    if one == other:
        return len(one)
    differ = list(map(ne, one, other))
    return differ.index(True) if True in differ else len(differ)
