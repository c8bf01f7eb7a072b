"""Text of exact built-in types, by their own structure: no user code runs but for the items' own handlers."""

from __future__ import annotations

import heapq
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Optional, Tuple

from . import digests
from .stillness import SUBSCRIPT

if TYPE_CHECKING:
    from .values import ValueRenderer

DIGITS_LIMIT = 14_000
"""Bits above which ``repr`` of an int may raise (4,300 digits, CPython's default limit)."""

_NUMBERS = frozenset(map(id, (float, bool, type(None), complex, int)))
_STRINGS = frozenset([id(str)])

Pieces = List[str]


CUT = "...<+"
"""Begins the marker of what a text or bytes do not show: its count, its unit and the digest of the whole follow."""


def cut_mark(rest: int, digest: str) -> str:
    """Return the marker for items that are not shown, with their digest."""
    return "... <+%d items%s>" % (rest, digest)


def plain(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a small immutable by its own repr."""
    text = repr(value)
    renderer.left -= len(text)
    return text


def integer(renderer: ValueRenderer, value: int, depth: int) -> str:
    """Render an int: decimal as long as CPython can print it under any digits limit, else hexadecimal."""
    if value.bit_length() < 2_000:  # 640 digits, the lowest limit that a program can set
        return plain(renderer, value, depth)
    try:
        return renderer.leaf(int.__repr__(value))
    except ValueError:
        return renderer.leaf(hex(value))


def _cut(renderer: ValueRenderer, value: Any, digest: str, unit: str) -> str:
    """Return as much of a text as fits, the count of the rest, and a digest by which a change beyond the cut shows."""
    room = max(renderer.left, 16)
    size = room
    shown = repr(value[:size])
    # Escapes make a text up to ten times longer than its characters.
    while len(shown) > room + 3 and size > 1:
        size = max(1, size * room // len(shown))
        shown = repr(value[:size])
    mark = "%s%d %s%s>" % (CUT, len(value) - size, unit, digest)
    renderer.left -= len(shown) + len(mark)
    return shown + mark


def string(renderer: ValueRenderer, value: str, depth: int) -> str:
    """Render a str; a long one is cut, with the count of what is left out and a digest of the whole."""
    room = max(renderer.left, 16)
    text = repr(value) if len(value) <= room else ""
    if text and len(text) <= room + 2:
        renderer.left -= len(text)
        return text
    return _cut(renderer, value, digests.of_text(value), "characters")


def byte_string(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render bytes or bytearray, cut like a str."""
    room = max(renderer.left, 16)
    text = repr(value) if len(value) <= room else ""
    if text and len(text) <= room + 2:
        renderer.left -= len(text)
        return text
    return _cut(renderer, value, digests.of_bytes(bytes(value)), "bytes")


def pieces(renderer: ValueRenderer, items: Iterable[Any], length: int, depth: int) -> Pieces:
    """Render items until a budget ends; the last piece counts the rest."""
    done: Pieces = []
    rest = iter(items)
    if depth < renderer.depth:
        for item in islice(rest, renderer.items):
            if renderer.left <= 0:
                rest = chain([item], rest)
                break
            done.append(renderer.walk(item, depth + 1))
            renderer.left -= 2
    if len(done) < length:
        count = length - len(done)
        done.append(cut_mark(count, digests.of_items(rest, count, renderer.attributive)))
    return done


def pairs(renderer: ValueRenderer, items: Iterable[Tuple[Any, Any]], length: int, depth: int) -> Pieces:
    """Render ``key: value`` items like ``pieces``."""
    done: Pieces = []
    # Copied first: a user's __repr__ may change the dict while it is walked.
    found = list(islice(items, renderer.items + digests.MOST // 2 + 1))
    if depth < renderer.depth:
        for key, value in found[: renderer.items]:
            if renderer.left <= 0:
                break
            done.append(renderer.walk(key, depth + 1) + ": " + renderer.walk(value, depth + 1))
            renderer.left -= 4
    if len(done) < length:
        count = length - len(done)
        rest = chain.from_iterable(found[len(done) :])
        done.append(cut_mark(count, digests.of_items(rest, 2 * count, renderer.attributive)))
    return done


def guarded(renderer: ValueRenderer, value: Any, recursive: str, body: Callable[[], str]) -> str:
    """Return ``body()``, or ``recursive`` when ``value`` is already being rendered."""
    if id(value) in renderer.active:
        return recursive
    renderer.active[id(value)] = recursive
    try:
        return body()
    finally:
        renderer.active.pop(id(value), None)


def _quick_text(renderer: ValueRenderer, value: Any, depth: int) -> Optional[str]:
    """Return the repr of a list or tuple of numbers or of strings, if no budget cuts it: five times faster, in C."""
    if len(value) > renderer.items or depth >= renderer.depth:
        return None
    kinds = set(map(id, map(type, value)))
    if not (kinds <= _NUMBERS or (kinds == _STRINGS and sum(map(len, value)) < renderer.left)):
        return None
    try:
        text = repr(value)
    except ValueError:  # an int beyond the digits limit
        return None
    if len(text) > renderer.left:
        return None
    renderer.left -= len(text)
    return text


def list_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a list (or a subclass that keeps list's repr)."""
    quick = _quick_text(renderer, value, depth) if type(value) is list else None
    if quick is not None:
        return quick
    items = list.__iter__(value)
    return guarded(
        renderer, value, "[...]", lambda: "[%s]" % ", ".join(pieces(renderer, items, list.__len__(value), depth))
    )


def tuple_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a tuple, with the comma of a single item."""
    quick = _quick_text(renderer, value, depth) if type(value) is tuple else None
    if quick is not None:
        return quick

    def body() -> str:
        size = tuple.__len__(value)
        text = ", ".join(pieces(renderer, tuple.__iter__(value), size, depth))
        return "(%s,)" % text if size == 1 else "(%s)" % text

    return guarded(renderer, value, "(...)", body)


def dict_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a dict in insertion order."""
    items = dict.items(value)
    return guarded(
        renderer, value, "{...}", lambda: "{%s}" % ", ".join(pairs(renderer, items, dict.__len__(value), depth))
    )


def set_order(renderer: ValueRenderer, value: Any, depth: int) -> Pieces:
    """Render a set's items in canonical order: numbers by value, strings by code point, then the rest by text."""
    size = len(value)
    kind = type(next(iter(value)))
    # Compared by identity: a metaclass may define __hash__ and __eq__.
    if (kind is int or kind is str or kind is bytes) and all(type(item) is kind for item in value):
        few = size <= renderer.items + digests.MOST  # the rest is digested in order too
        return pieces(renderer, sorted(value) if few else heapq.nsmallest(renderer.items, value), size, depth)
    if depth >= renderer.depth or size > renderer.items * 4:
        return [cut_mark(size, digests.of_set(value, renderer.attributive))]
    return _mixed_order(renderer, value, depth)


def _sort_key(item: Any, text: str) -> Tuple[int, Any, str]:
    kind = type(item)
    if (kind is int or kind is float or kind is bool) and item == item:
        return 0, item, text
    return (1, item, text) if type(item) is str else (2, text, text)


def _mixed_order(renderer: ValueRenderer, value: Any, depth: int) -> Pieces:
    keyed = []
    before = renderer.left
    for item in list(value):
        # A fresh budget per item: iteration order must not decide where a text is cut.
        renderer.left = before
        text = renderer.walk(item, depth + 1)
        keyed.append(_sort_key(item, text))
    renderer.left = before
    done: Pieces = []
    for _, _, text in sorted(keyed):
        if len(done) >= renderer.items or renderer.left <= 0:
            break
        done.append(text)
        renderer.left -= len(text) + 2
    if len(done) < len(keyed):
        done.append(cut_mark(len(keyed) - len(done), digests.of_set(value, renderer.attributive)))
    return done


def set_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a set in canonical order."""
    if not value:
        return "set()"
    return guarded(renderer, value, "{...}", lambda: "{%s}" % ", ".join(set_order(renderer, value, depth)))


def frozenset_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a frozenset in canonical order."""
    if not value:
        return "frozenset()"
    return guarded(
        renderer,
        value,
        "frozenset({...})",
        lambda: "frozenset({%s})" % ", ".join(set_order(renderer, value, depth)),
    )


def deque_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a deque with its bound."""

    def body() -> str:
        text = "deque([%s]" % ", ".join(pieces(renderer, iter(value), len(value), depth))
        return text + (")" if value.maxlen is None else ", maxlen=%d)" % value.maxlen)

    return guarded(renderer, value, "deque([...])", body)


def counter_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a Counter in insertion order: ``most_common`` would compare users' objects."""
    items = dict.items(value)

    def body() -> str:
        inner = ", ".join(pairs(renderer, items, dict.__len__(value), depth))
        return "Counter({%s})" % inner if inner else "Counter()"

    return guarded(renderer, value, "Counter({...})", body)


def ordered_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render an OrderedDict as the dict display that builds it."""
    items = OrderedDict.items(value)

    def body() -> str:
        inner = ", ".join(pairs(renderer, items, len(value), depth))
        return "OrderedDict({%s})" % inner if inner else "OrderedDict()"

    return guarded(renderer, value, "OrderedDict({...})", body)


def defaultdict_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a defaultdict with its factory."""
    renderer.loud |= SUBSCRIPT

    def body() -> str:
        factory = renderer.walk(value.default_factory, depth + 1)
        inner = ", ".join(pairs(renderer, dict.items(value), dict.__len__(value), depth))
        return "defaultdict(%s, {%s})" % (factory, inner)

    return guarded(renderer, value, "defaultdict(...)", body)


def view_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render dict keys and values views."""
    name = type(value).__name__
    return guarded(
        renderer,
        value,
        name + "([...])",
        lambda: "%s([%s])" % (name, ", ".join(pieces(renderer, value, len(value), depth))),
    )


def items_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a dict items view as its tuples."""
    return guarded(
        renderer,
        value,
        "dict_items([...])",
        lambda: "dict_items([%s])" % ", ".join(pieces(renderer, list(value), len(value), depth)),
    )


def template_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render what a t-string gives, with the values that it holds."""

    def body() -> str:
        strings = renderer.walk(value.strings, depth + 1)
        return "Template(strings=%s, interpolations=%s)" % (strings, renderer.walk(value.interpolations, depth + 1))

    return guarded(renderer, value, "Template(...)", body)


def interpolation_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render one of its values, with the text, conversion and format that stand beside it."""
    rest = value.expression, value.conversion, value.format_spec

    def body() -> str:
        return "Interpolation(%s)" % ", ".join([renderer.walk(each, depth + 1) for each in (value.value, *rest)])

    return guarded(renderer, value, "Interpolation(...)", body)


def frozen_dict_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a frozendict in insertion order."""

    def body() -> str:
        inner = ", ".join(pairs(renderer, value.items(), len(value), depth))
        return "frozendict({%s})" % inner if inner else "frozendict()"

    return guarded(renderer, value, "frozendict({...})", body)


def _of_templates() -> Tuple[Tuple[type, Callable[..., str]], ...]:
    if sys.version_info < (3, 14):
        return ()
    template = eval('t"{0}"')  # ``string.templatelib`` finds the types so, and imports more
    return (type(template), template_text), (type(template.interpolations[0]), interpolation_text)


BUILTINS: Tuple[Tuple[type, Callable[..., str]], ...] = (
    (int, integer),
    (str, string),
    (bytes, byte_string),
    (bytearray, byte_string),
    (list, list_text),
    (tuple, tuple_text),
    (dict, dict_text),
    (set, set_text),
    (frozenset, frozenset_text),
    (deque, deque_text),
    (Counter, counter_text),
    (OrderedDict, ordered_text),
    (defaultdict, defaultdict_text),
    (type({}.keys()), view_text),
    (type({}.values()), view_text),
    (type({}.items()), items_text),
    (bool, plain),
    (float, plain),
    (complex, plain),
    (type(None), plain),
    (type(Ellipsis), plain),
    (type(NotImplemented), plain),
    (range, plain),
    *_of_templates(),
    *([] if digests.FROZEN_DICT is None else [(digests.FROZEN_DICT, frozen_dict_text)]),
)
