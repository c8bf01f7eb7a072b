"""Text and snapshot of a built-in container or plain object in one walk, of which unchanged parts are taken over.

What it gives is what ``ValueRenderer.render`` and ``snapshots.take`` give, several times faster; where a budget, a
cycle or a type with a text of its own is met, it gives nothing, and those two are asked.
"""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from .guard import instance_dict
from .snapshots import SNAPSHOTS, Fields, Items, immutable
from .types_text import attribute_text, dataclass_text, name_of, shown_fields
from .values import ValueRenderer

_LEAVES = frozenset(map(id, (int, float, bool, type(None), str)))
_CONTAINERS = 400
"""Most containers in one value: beyond it a change is found no faster than by rendering."""

Look = Tuple[str, Any]
"""A value's text, and what to know it by: itself if it is immutable, else a snapshot."""


class Unusual(Exception):
    """Something that the renderer must be asked for."""


class _Walk:
    """One look at one value."""

    def __init__(self, renderer: ValueRenderer) -> None:
        self.renderer = renderer
        self.left = renderer.characters
        self.containers = 0
        self.path: List[int] = []

    def look(self, value: Any, before: Any) -> Look:
        """Return the look of a value that was known by ``before`` last time."""
        kind = type(value)
        if id(kind) in _LEAVES:
            if kind is str and len(value) > self.left:
                raise Unusual
            return self._charged(repr(value)), value
        if type(before) in SNAPSHOTS and type(before) in (Items, Fields) and before.text and before.unchanged(value):
            return self._charged(before.text), before
        self.containers += 1
        if id(value) in self.path or len(self.path) >= self.renderer.depth or self.containers > _CONTAINERS:
            raise Unusual
        self.path.append(id(value))
        if kind is list or kind is tuple:
            found = self._items(value, kind, before)
        elif kind is dict:
            found = self._dict(value, before)
        else:
            found = self._object(value, kind, before)
        self.path.pop()
        return found

    def _charged(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise Unusual
        return text

    def _flat(self, values: List[Any]) -> bool:
        """Whether all are leaves, which ``repr`` renders at once."""
        kinds = set(map(id, map(type, values)))
        if not kinds <= _LEAVES:
            return False
        if id(str) in kinds and sum([len(value) for value in values if type(value) is str]) > self.left:
            raise Unusual
        return True

    def _items(self, value: Any, kind: type, before: Any) -> Look:
        values = list(value)
        if len(values) > self.renderer.items:
            raise Unusual
        if self._flat(values):
            text = self._charged(repr(value))
            return text, (value if kind is tuple else Items(kind, values, text=text))
        old = before.items if type(before) is Items else ()
        texts, marks = self._looks(values, old)
        inner = ", ".join(texts)
        self.left -= 2 * len(texts)
        text = f"[{inner}]" if kind is list else f"({inner},)" if len(texts) == 1 else f"({inner})"
        if kind is tuple and immutable(value):
            return text, value
        return text, Items(kind, marks, text=text)

    def _looks(self, values: List[Any], old: Any) -> Tuple[List[str], List[Any]]:
        texts: List[str] = []
        marks: List[Any] = []
        known = len(old)
        for position, value in enumerate(values):
            text, mark = self.look(value, old[position] if position < known else None)
            texts.append(text)
            marks.append(mark)
        return texts, marks

    def _dict(self, value: Any, before: Any) -> Look:
        keys = list(value)
        values = list(value.values())
        if len(keys) > self.renderer.items or len(keys) != len(values) or not self._flat(keys):
            raise Unusual
        if self._flat(values):
            text = self._charged(repr(value))
            return text, Fields(dict, keys, values, text)
        texts, marks = self._looks(values, before.values if type(before) is Fields else ())
        text = "{%s}" % ", ".join([f"{key!r}: {item}" for key, item in zip(keys, texts)])
        self.left -= len(text) - sum(map(len, texts))
        return text, Fields(dict, keys, marks, text)

    def _object(self, value: Any, kind: type, before: Any) -> Look:
        if not self.renderer.structural(kind):
            raise Unusual
        namespace = instance_dict(value)
        if namespace is None or not all(type(name) is str for name in namespace):
            raise Unusual
        keys = list(namespace)
        if len(keys) > self.renderer.items:
            raise Unusual
        texts, marks = self._looks(list(namespace.values()), before.values if type(before) is Fields else ())
        text = self._object_text(kind, dict(zip(keys, texts)))
        self.left -= len(text) - sum(map(len, texts))
        return text, Fields(kind, keys, marks, text)

    def _object_text(self, kind: type, texts: Any) -> str:
        handler = self.renderer.handler(kind)
        if handler is dataclass_text:
            shown = ", ".join([f"{name}={texts[name]}" for name in shown_fields(kind) if name in texts])
            return f"{name_of(kind)}({shown})"
        if handler is attribute_text:
            return "<%s>" % " ".join([name_of(kind), *[f"{name}={text}" for name, text in texts.items()]])
        raise Unusual


def look(value: Any, before: Any, renderer: ValueRenderer) -> Optional[Look]:
    """Return the text of a container or object and what to know it by; ``before``: what it was known by.

    ``None`` where the renderer must be asked.
    """
    kind = type(value)
    if not (kind is list or kind is dict or kind is tuple) and not renderer.structural(kind):
        return None
    walk = _Walk(renderer)
    try:
        found = walk.look(value, before)
    except (Unusual, ValueError):  # ValueError: an int beyond the digits limit
        return None
    return found if walk.left >= 0 else None
