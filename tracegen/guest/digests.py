"""Digests of what a budget cuts off, so that a change beyond the cut shows: canonical, without running any user code.

Where too much would have to be walked there is no digest, and the marker has no ``#``.
"""

from __future__ import annotations

import builtins
import marshal
from collections import Counter, OrderedDict, defaultdict, deque
from hashlib import blake2b
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, Callable, Iterable, List, Tuple

from .guard import attributes

MOST = 100_000
"""Items that are walked at most; above as many there are no snapshots either."""
_DEEPEST = 100
_SIZE = 8
_LEAVES = frozenset(map(id, (int, float, bool, type(None), str, bytes, complex)))
_SEQUENCES = frozenset(map(id, (list, tuple, deque)))
_SETS = frozenset(map(id, (set, frozenset)))
_DICTS = frozenset(map(id, (dict, Counter, OrderedDict, defaultdict)))
_NAMED = frozenset(map(id, (FunctionType, ModuleType, type)))
_WITHOUT_REFERENCES = 2
"""The last version of ``marshal`` that does not write how often an object is referred to."""


_LONGEST_CARRIED = 1_000
_LONGEST_KEPT = 1_000_000
"""Characters of a text that is kept: what the recorder holds counts against the program's memory."""
_MOST_KEPT = 4
_NONE: Tuple[str, Any] = "", blake2b(digest_size=4)
_kept: List[Tuple[str, Any]] = [_NONE]
"""The texts digested last, each with its unfinished digest; the latest first."""


FROZEN_DICT: Any = vars(builtins).get("frozendict")
"""The type, from 3.15 on."""


class _TooMuch(Exception):
    pass


class _Walk:
    def __init__(self, shown: Callable[[type], bool]) -> None:
        self.shown = shown
        """Whether a type's objects are shown by their attributes."""
        self.left = MOST

    def sequence(self, items: Iterable[Any], depth: int) -> bytes:
        """Return what tells items in their order from any others."""
        found = list(islice(items, self.left + 1))
        self.left -= len(found)
        if self.left < 0 or depth > _DEEPEST:
            raise _TooMuch
        if not set(map(id, map(type, found))) <= _LEAVES:
            found = [self.one(item, depth) for item in found]
        return _short(marshal.dumps(found, _WITHOUT_REFERENCES))

    def one(self, value: Any, depth: int) -> bytes:
        """Return what tells a value: its type, and what it holds if that can be seen without its code."""
        kind = type(value)
        key = id(kind)
        if key in _LEAVES:
            return _short(marshal.dumps(value, _WITHOUT_REFERENCES))
        name = type.__dict__["__qualname__"].__get__(kind).encode("utf-8", "surrogatepass")
        inner = b""
        if key in _SETS:
            inner = self.unordered(value, depth + 1)
        elif key in _SEQUENCES:
            inner = self.sequence(value, depth + 1)
        elif key in _DICTS:
            inner = self._pairs(list(dict.items(value)), depth + 1)
        elif kind is FROZEN_DICT:
            inner = self._pairs(list(value.items()), depth + 1)
        elif key not in _NAMED and self.shown(kind):
            inner = self._pairs(list(attributes(value).items()), depth + 1)
        return marshal.dumps((name, inner), _WITHOUT_REFERENCES)

    def _pairs(self, pairs: List[Tuple[Any, Any]], depth: int) -> bytes:
        keys = self.sequence([key for key, _ in pairs], depth)
        return marshal.dumps((keys, self.sequence([value for _, value in pairs], depth)), _WITHOUT_REFERENCES)

    def unordered(self, items: Iterable[Any], depth: int) -> bytes:
        """Return what tells items, whatever their order."""
        found = list(islice(items, self.left + 1))
        self.left -= len(found)
        if self.left < 0 or depth > _DEEPEST:
            raise _TooMuch
        return _short(b"".join(sorted([_hashed(self.one(item, depth)) for item in found])))


def _short(data: bytes) -> bytes:
    # What is long is not carried outward through all that holds it.
    return data if len(data) <= _LONGEST_CARRIED else _hashed(data)


def _hashed(data: bytes) -> bytes:
    return blake2b(data, digest_size=_SIZE).digest()


def of_items(items: Iterable[Any], count: int, shown: Callable[[type], bool]) -> str:
    """Return `` #`` and the digest of ``count`` items in their order, or nothing."""
    return _told(lambda: _Walk(shown).sequence(items, 0)) if count <= MOST else ""


def of_set(items: Iterable[Any], shown: Callable[[type], bool]) -> str:
    """Return `` #`` and the digest of a set's items, or nothing."""
    return _told(lambda: _Walk(shown).unordered(items, 0))


def of_text(text: str) -> str:
    """Return `` #`` and the digest of a text; goes on from one that it begins with, since texts grow in loops."""
    if len(text) > _LONGEST_KEPT:
        return of_bytes(text.encode("utf-8", "surrogatepass"))
    found = next((pair for pair in _kept if text.startswith(pair[0])), _NONE)
    known, begun = found
    hasher = begun.copy()
    hasher.update(text[len(known) :].encode("utf-8", "surrogatepass"))
    if found is _kept[0]:
        _kept[0] = text, hasher
    else:
        _kept[:] = [(text, hasher), *[pair for pair in _kept if pair is not found][: _MOST_KEPT - 1]]
    return " #%s" % hasher.hexdigest()


def of_bytes(data: Any) -> str:
    """Return `` #`` and the digest of bytes."""
    return " #" + blake2b(data, digest_size=4).hexdigest()


def _told(compute: Callable[[], bytes]) -> str:
    try:
        return " #" + _hashed(compute()).hex()[:8]
    except RecursionError:  # the recorder gives more stack and asks again
        raise
    except (_TooMuch, RuntimeError, ValueError):  # RuntimeError: another thread changes it meanwhile
        return ""
