"""Containers of plain items: numbers, texts, and tuples of such. ``repr`` gives their text at once, in C.

What it gives is what ``ValueRenderer`` gives, wherever that cuts nothing; else nothing is given.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from .values import ValueRenderer

LEAVES = frozenset(map(id, (int, float, bool, type(None), str)))
"""Types whose values are their own look, by id: a metaclass may define ``__hash__``."""
_NUMBERS = LEAVES - {id(str)}
_TUPLE = frozenset((id(tuple),))
_WITH_TUPLES = LEAVES | _TUPLE
ORDERED = (frozenset((id(int),)), frozenset((id(str),)))
"""Of what all items of a set must be, so that their order is that of ``sorted``."""
DEEPEST = 3
"""Tuples within each other; those of ``snapshots.immutable`` are no deeper."""


def nested(values: List[Any], renderer: ValueRenderer, left: int, most: int) -> int:
    """Return how many tuples lie within each other in values that are plain, ``-1`` if they are not.

    Then ``repr`` of each is what rendering gives, if no more than ``left`` characters come of all. ``most``: how deep
    tuples may lie. Texts of more than ``left`` characters are not asked.
    """
    kinds = set(map(id, map(type, values)))
    if kinds <= _NUMBERS:
        return 0
    if id(str) in kinds and sum([len(value) for value in values if type(value) is str]) > left:
        return -1
    if kinds <= LEAVES:
        return 0
    if not kinds <= _WITH_TUPLES or most < 1:
        return -1
    inner = [value for value in values if type(value) is tuple]
    sizes = list(map(len, inner))
    if max(sizes) > renderer.items or sum(sizes) > left:
        return -1
    deeper = nested(list(chain.from_iterable(inner)), renderer, left, most - 1)
    return -1 if deeper < 0 else 1 + deeper


def _list_text(value: Any, items: List[Any]) -> str:
    return repr(value)


def _set_text(value: Any, items: List[Any]) -> Optional[str]:
    if not items:
        return "set()"
    return "{%s}" % repr(sorted(items))[1:-1] if set(map(id, map(type, items))) in ORDERED else None


def _frozenset_text(value: Any, items: List[Any]) -> Optional[str]:
    text = _set_text(value, items)
    if text is None:
        return None
    return "frozenset(%s)" % text if items else "frozenset()"


def _deque_text(value: Any, items: List[Any]) -> str:
    text = "deque(%r" % (items,)
    return text + (")" if value.maxlen is None else ", maxlen=%d)" % value.maxlen)


_TEXTS: Dict[int, Callable[[Any, List[Any]], Optional[str]]] = {
    id(list): _list_text,
    id(set): _set_text,
    id(frozenset): _frozenset_text,
    id(deque): _deque_text,
}
CONTAINERS = frozenset(_TEXTS)
"""Types of such containers, by id."""


def plain_text(value: Any, renderer: ValueRenderer, left: int, depth: int) -> Optional[Tuple[str, List[Any], int]]:
    """Return the text of a container of plain items at a depth, the items, and how deep tuples lie; or ``None``."""
    most = min(DEEPEST, renderer.depth - depth - 1)
    if most < 0 or len(value) > renderer.items:  # before it is copied: it may be as large as the memory that is left
        return None
    items = list(value)
    levels = nested(items, renderer, left, most)
    if levels < 0:
        return None
    try:
        text = _TEXTS[id(type(value))](value, items)
    except ValueError:  # an int beyond the digits limit
        return None
    return (text, items, levels) if text is not None and len(text) <= left else None
