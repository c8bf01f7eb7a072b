"""Text of everything that is not an exact built-in: chosen once per type, by where its ``__repr__`` comes from."""

from __future__ import annotations

import re
import types
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from . import builtins_text, digests, guard
from .library_text import library_handler
from .nodes import BOUND_IN_C, LOCK, REENTRANT_LOCK
from .standard_text import read_all, standard_text

if TYPE_CHECKING:
    from .values import ValueRenderer

_MODULE_NAMESPACE: Any = vars(types.ModuleType)["__dict__"]
# Addresses, and the thread identifiers that locks and threads show: they say nothing and differ in every run.
ADDRESS = re.compile(
    r" (?:at |@ ?)0x[0-9a-fA-F]+| owner=\d{6,}|(?<=started) \d{6,}|(?<=stopped) \d{6,}|(?<=daemon) \d{6,}"
)

_SUSPECT = re.compile(r"0x|[0-9A-Fa-f]{6}")
"""What every address or thread identifier holds: most texts are not searched further."""
_LONGEST_ADDRESS = 40
_LONGEST_DIGESTED = 2**20
"""Characters of the longest text that is searched for addresses wholly."""
_LONGEST_ANSWER = 4_000
"""Characters of a ``__repr__``'s text that is compared to see whether its object changed."""
_REMEMBERED = 1_000
"""Most answers that are kept with what they give without addresses."""
_LONGEST_REMEMBERED = 500
_OWN = __name__.rpartition(".")[0] + "."

Handler = Callable[["ValueRenderer", Any, int], str]


def name_of(kind: type) -> str:
    """Return a class's qualified name without running its metaclass."""
    name = type.__dict__["__qualname__"].__get__(kind)
    return name if type(name) is str else "?"


def find_repr(kind: type) -> Any:
    """Return the ``__repr__`` that the type's MRO gives, without running its metaclass."""
    return guard.find_in(kind, "__repr__")


def function_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a Python function by qualified name."""
    return renderer.leaf("<function %s>" % types.FunctionType.__dict__["__qualname__"].__get__(value))


def method_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a bound method with its object."""
    function = value.__func__
    plain = type(function) is types.FunctionType or type(function) is types.BuiltinFunctionType
    name = function.__qualname__ if plain else name_of(type(function))
    return "<bound method %s of %s>" % (name, renderer.walk(value.__self__, depth + 1))


def module_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a module by name: its file differs between machines."""
    name = _MODULE_NAMESPACE.__get__(value).get("__name__", "?")
    return renderer.leaf("<module %s>" % (repr(name) if type(name) is str else "?"))


def named_text(label: str) -> Handler:
    """Return a handler for objects that have a ``__qualname__`` or ``co_name``: ``<label name>``."""

    def handler(renderer: ValueRenderer, value: Any, depth: int) -> str:
        name = value.co_name if type(value) is types.CodeType else value.__qualname__
        return renderer.leaf("<%s %s>" % (label, name))

    return handler


def bare_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render an object of a built-in type without a telling repr: ``<list_iterator object>``."""
    return renderer.leaf("<%s object>" % name_of(type(value)))


def plain_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render by a ``__repr__`` in C that calls no code of the program's."""
    return renderer.leaf(ADDRESS.sub("", repr(value)))


def pattern_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a regular expression."""
    if type(value.pattern) is str or type(value.pattern) is bytes:
        return renderer.leaf(repr(value))
    return own_repr_text(renderer, value, depth)


def match_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render what a regular expression matched."""
    if type(value.string) is str or type(value.string) is bytes:
        return plain_text(renderer, value, depth)
    return own_repr_text(renderer, value, depth)


def attribute_text(renderer: ValueRenderer, value: Any, depth: int, note: str = "") -> str:
    """Render the attribute view ``<Point x=1 y=2>``: an address would say nothing and hide every change."""
    name = name_of(type(value)) + note
    if id(value) in renderer.active:
        return "<%s ...>" % name

    def body() -> str:
        found = guard.attributes(value)
        done = []
        if depth < renderer.depth:
            for key, item in list(found.items())[: renderer.items]:
                if renderer.left <= 0:
                    break
                renderer.left -= len(key) + 2
                done.append("%s=%s" % (key, renderer.walk(item, depth + 1)))
        if len(done) < len(found):
            count = len(found) - len(done)
            rest = chain.from_iterable(list(found.items())[len(done) :])
            done.append(builtins_text.cut_mark(count, digests.of_items(rest, 2 * count, renderer.attributive)))
        return "<%s>" % " ".join([name] + done)

    renderer.left -= len(name) + 2
    return builtins_text.guarded(renderer, value, "<%s ...>" % name, body)


def exception_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render an exception as ``Name(args)``, what ``BaseException.__repr__`` writes."""
    name = type.__dict__["__name__"].__get__(type(value))

    def body() -> str:
        arguments = BaseException.__dict__["args"].__get__(value)
        return "%s(%s)" % (name, ", ".join(builtins_text.pieces(renderer, arguments, len(arguments), depth)))

    return builtins_text.guarded(renderer, value, "%s(...)" % name, body)


def named_tuple_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a namedtuple with its field names."""
    fields = guard.find_in(type(value), "_fields")

    def body() -> str:
        items = [
            "%s=%s" % (field, renderer.walk(item, depth + 1)) for field, item in zip(fields, tuple.__iter__(value))
        ]
        return "%s(%s)" % (name, ", ".join(items))

    name = type.__dict__["__name__"].__get__(type(value))
    return builtins_text.guarded(renderer, value, "%s(...)" % name, body)


def shown_fields(kind: Any) -> List[str]:
    """Return the fields of a dataclass that its generated ``__repr__`` shows."""
    fields = guard.find_in(kind, "__dataclass_fields__")
    return [name for name, field in fields.items() if field.repr and field._field_type.name == "_FIELD"]


def dataclass_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a dataclass whose ``__repr__`` is the generated one."""
    kind = type(value)

    def body() -> str:
        found = guard.attributes(value)
        done = []
        for name in shown_fields(kind):
            # An attribute that is not there yet (inside __init__) is left out; the generated repr would raise.
            if name in found:
                done.append("%s=%s" % (name, renderer.walk(found[name], depth + 1)))
        return "%s(%s)" % (name_of(kind), ", ".join(done))

    return builtins_text.guarded(renderer, value, "%s(...)" % name_of(kind), body)


def own_repr_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render by the class's own ``__repr__`` under guard; one that misbehaves gives the attribute view and a note."""
    kind = type(value)
    renderer.asked[id(value)] = None
    if id(kind) in renderer.unsafe:
        return attribute_text(renderer, value, depth, " (repr %s)" % renderer.unsafe[id(kind)][1])
    if id(value) in renderer.active:
        return "<%s ...>" % name_of(kind)
    known = renderer.answer(value)
    text, called = known.known_by, known.called
    if text is not None and len(text) <= renderer.left:
        renderer.asked[id(value)] = text
        renderer.left -= len(text)
        return text
    if called.text is None:
        return attribute_text(renderer, value, depth, " (repr %s)" % called.fault)
    note = "<repr printed>" if called.printed else ""
    # Cut first: a text of 10**8 characters would take the search seconds.
    room = max(renderer.left, 16) + _LONGEST_ADDRESS
    text = _without_addresses(renderer, called.text[:room], value)
    if len(called.text) > room:
        whole = _without_addresses(renderer, called.text, value) if len(called.text) <= _LONGEST_DIGESTED else ""
        return _cut(renderer, text, len(called.text), digests.of_text(whole) if whole else "") + note
    if not note and len(text) <= _LONGEST_ANSWER:
        renderer.asked[id(value)] = text
    return renderer.leaf(text) + note


def silent_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a value of a type whose ``__repr__`` kills the process: objects in C that are not initialised yet."""
    renderer.asked[id(value)] = None
    return attribute_text(renderer, value, depth, " (repr crashes)")


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a user's ``__repr__`` may return lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


class Answer:
    """What an object's own ``__repr__`` gave. Holds the object, so that its id remains its own."""

    __slots__ = ("called", "known_by", "value")

    def __init__(self, value: Any, called: guard.Called, known_by: Optional[str]) -> None:
        self.value = value
        self.called = called
        self.known_by = known_by
        """The text in full and without addresses; ``None`` where it is long or the call went wrong."""


def answer(renderer: ValueRenderer, value: Any) -> Answer:
    """Ask an object's own ``__repr__`` under guard, unless it is known what that gives."""
    read = standard_text(type(value))
    texts = None if read is None else read_all(read, [value])
    if texts is not None:
        return _answered(renderer, value, guard.Called(texts[0], "", False), texts[0])
    snapshot = guard.Snapshot(value)
    if snapshot.iterator:  # reading it would use it up, which the program would notice
        return Answer(value, guard.Called(None, "not called: holds an iterator", False), None)
    called = guard.call(repr, value)
    fault = "mutated" if snapshot.restore() else called.fault
    if fault or called.text is None:
        if fault in ("mutated", "timed out"):
            renderer.unsafe[id(type(value))] = (type(value), fault)
        return Answer(value, called._replace(text=None, fault=fault), None)
    return _answered(renderer, value, called, called.text)


def _answered(renderer: ValueRenderer, value: Any, called: guard.Called, text: str) -> Answer:
    """Return the answer of an object whose ``__repr__`` gave a text and did nothing wrong."""
    return Answer(value, called, None if called.printed else _known_by(renderer, value, text))


def known_by(renderer: ValueRenderer, values: List[Any], texts: List[str]) -> List[Optional[str]]:
    """Return what many objects are known by, whose ``__repr__``s gave these texts."""
    found: List[Optional[str]] = list(texts)
    whole = "\n".join(texts)
    if _SUSPECT.search(whole) is None and whole.isascii() and max(map(len, texts)) <= _LONGEST_ANSWER:
        return found
    return list(map(_known_by, repeat(renderer), values, texts))


def _known_by(renderer: ValueRenderer, value: Any, text: str) -> Optional[str]:
    if len(text) > _LONGEST_ANSWER:
        return None
    text = _without_addresses(renderer, text, value)
    return text if text.isascii() else clean(text)


def _without_addresses(renderer: ValueRenderer, text: str, value: Any) -> str:
    """Take addresses out of what an object's ``__repr__`` gave, its own in any spelling too: ``<Tag @ 1398016>``."""
    known = renderer.cleaned.get(text)
    if known is not None and (known[0] == id(value) or not known[0]):
        return known[1]
    suspect = _SUSPECT.search(text) is not None
    done = _cleaned(text, value) if suspect else text
    if len(text) <= _LONGEST_REMEMBERED:
        if len(renderer.cleaned) >= _REMEMBERED:
            renderer.cleaned.clear()
        renderer.cleaned[text] = id(value) if suspect else 0, done
    return done


def _cleaned(text: str, value: Any) -> str:
    text = ADDRESS.sub("", text)
    address = "%x" % id(value)
    for own in ("0x" + address, address, address.upper(), str(id(value))):
        if own in text:
            text = re.sub(r"(?<![0-9A-Za-z])%s(?![0-9A-Za-z])" % own, "<id>", text)
    return text


def _cut(renderer: ValueRenderer, text: str, size: int, digest: str) -> str:
    shown = text[: max(renderer.left, 16)]
    renderer.left -= len(text)
    return "%s...<+%d characters%s>" % (shown, size - len(shown), digest)


def class_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a class as ``type.__repr__`` does, past its metaclass."""
    return renderer.leaf(ADDRESS.sub("", type.__repr__(value)))


def set_subclass_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a set subclass as ``Name({...})``, what ``set.__repr__`` writes."""
    name = type.__dict__["__name__"].__get__(type(value))
    items = frozenset.union(frozenset(), value)
    if not items:
        return "%s()" % name
    body = ", ".join(builtins_text.set_order(renderer, items, depth))
    return "%s({%s})" % (name, body)


def own_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render an object of the recorder itself, as ``sys.gettrace()`` shows it: a program's record is not about it."""
    return renderer.leaf("<tracegen %s>" % name_of(type(value)))


BY_TYPE = {
    types.FunctionType: function_text,
    types.MethodType: method_text,
    types.ModuleType: module_text,
    types.CodeType: named_text("code object"),
    types.GeneratorType: named_text("generator object"),
    types.CoroutineType: named_text("coroutine object"),
    types.AsyncGeneratorType: named_text("async_generator object"),
    types.TracebackType: bare_text,
    types.FrameType: bare_text,
    types.BuiltinFunctionType: plain_text,
    types.MethodWrapperType: plain_text,
    types.WrapperDescriptorType: plain_text,
    types.MethodDescriptorType: plain_text,
    types.ClassMethodDescriptorType: plain_text,
    types.GetSetDescriptorType: plain_text,
    types.MemberDescriptorType: plain_text,
    re.Pattern: pattern_text,
    re.Match: match_text,
    BOUND_IN_C: plain_text,
    LOCK: plain_text,
    REENTRANT_LOCK: plain_text,
}
STRUCTURAL = (attribute_text, dataclass_text)
"""Handlers that read an object's own attributes and run none of its code."""
_BASES = (
    (list, builtins_text.list_text),
    (tuple, builtins_text.tuple_text),
    (dict, builtins_text.dict_text),
    (set, set_subclass_text),
    (frozenset, set_subclass_text),
    (int, builtins_text.integer),
    (str, builtins_text.string),
    (bytes, builtins_text.byte_string),
    (BaseException, exception_text),
    (type, class_text),
)


def _generated(function: Any) -> bool:
    """Whether a ``__repr__`` was written by ``dataclasses``: wrapped, compiled from a string."""
    inner = function.__dict__.get("__wrapped__") if type(function) is types.FunctionType else None
    return isinstance(inner, types.FunctionType) and inner.__code__.co_filename == "<string>"


def _namedtuple_repr(function: Any) -> bool:
    return type(function) is types.FunctionType and function.__code__.co_filename.endswith("__init__.py")


def _special(kind: type, function: Any) -> Optional[Handler]:
    mro = guard.mro_of(kind)
    has = {name for base in mro for name in guard.dict_of(base)}
    if "__dataclass_fields__" in has and _generated(function):
        return dataclass_text
    if any(base is tuple for base in mro) and "_fields" in has and _namedtuple_repr(function):
        return named_tuple_text
    return None


def handler_for(kind: type) -> Handler:
    """Return the handler for a type that is not in ``BUILTINS``."""
    for known, handler in BY_TYPE.items():
        if kind is known:
            return handler
    module = guard.dict_of(kind).get("__module__")
    if type(module) is str and module.startswith(_OWN):
        return own_text
    found = library_handler(kind)
    if found is not None:
        return found
    function = find_repr(kind)
    for base, text in _BASES:
        if function is base.__dict__.get("__repr__"):
            return text
    if function is object.__dict__["__repr__"]:
        return attribute_text if type.__dict__["__flags__"].__get__(kind) & guard.HEAP_TYPE else bare_text
    return _special(kind, function) or own_repr_text
