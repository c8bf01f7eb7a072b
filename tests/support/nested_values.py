"""Nested values for property tests of what the recorder knows of a value, and changes to them."""

import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from types import MethodType
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tracegen.guest.stopped import STOPPED
from tracegen.guest.values import ValueRenderer


class Thing:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Shown(Thing):
    def __repr__(self) -> str:
        return "Shown"


class Telling(Thing):
    def __repr__(self) -> str:
        return f"Telling {len(vars(self))} {vars(self).get('x')!r:.20}"


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x: Any) -> None:
        self.x = x

    def method(self) -> None:
        return None


class Numbers(list[Any]):
    pass


class Named(dict[Any, Any]):
    pass


class Pair(tuple[Any, ...]):
    pass


class Fields(NamedTuple):
    x: Any
    y: Any


class Empty:
    __slots__ = ()


class Owner(Thing):
    def method(self) -> None:
        return None


def one() -> int:
    return 1


def other() -> int:
    return 2


LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        one,
        other,
        Thing,
        Shown,
        math,
        0,
        1,
        True,
        0.0,
        -0.0,
        1.0,
        "a",
        b"a",
        None,
        (1, (2,)),
        ([1],),
        float("nan"),
        10**50,
        Empty(),
        len,
        [].append,
        str.upper,
        re.compile("a+"),
        re.compile(b"a+"),
        OrderedDict.fromkeys,
        Sequence,
        (n for n in ""),
        iter([1]),
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.sets(st.sampled_from([1, 2, "x", "y"]), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(deque, st.lists(inner, max_size=3))
        | st.builds(Thing, x=inner, y=inner)
        | st.builds(Shown, x=inner)
        | st.builds(Telling, x=inner)
        | st.builds(Slotted, inner)
        | st.builds(lambda value: Owner(x=value).method, inner)
        | st.builds(lambda items: Numbers(items), st.lists(inner, max_size=3))
        | st.builds(lambda value: Named(k=value), inner)
        | st.builds(lambda value: defaultdict(list, k=value), inner)
        | st.builds(lambda value: OrderedDict(k=value, other=1), inner)
        | st.builds(lambda value: Counter(a=value), inner)
        | st.builds(lambda value: Pair((value, 1)), inner)
        | st.builds(Fields, inner, inner)
        | st.builds(ValueError, inner)
        | st.builds(lambda value: {"k": value}.values(), inner)
        | st.builds(lambda value: Slotted(value).method, inner)
        | st.builds(lambda value: {Telling(x=1): value, (1, Thing): value}, inner)
    ),
    max_leaves=12,
)


def containers(value: Any, found: list[Any]) -> list[Any]:
    """Return every mutable container within a value, which may hold itself by now."""
    if any(value is known for known in found):
        return found
    if isinstance(value, MethodType):
        return containers(value.__self__, found)
    if isinstance(value, list | deque | dict | set | Thing | Slotted):
        found.append(value)
    inner: list[Any] = []
    if isinstance(value, Slotted):
        inner = [value.x]
    if isinstance(value, list | deque | tuple):
        inner = list(value)
    elif isinstance(value, dict | Thing):
        inner = list((value if isinstance(value, dict) else vars(value)).values())
    elif isinstance(value, ValueError):
        inner = list(value.args)
    for item in inner:
        containers(item, found)
    return found


def mutate(container: Any, leaf: Any, position: int) -> None:
    if isinstance(container, list | deque):
        if container and position % 2:
            container[position % len(container)] = leaf
        else:
            container.append(leaf)
    elif isinstance(container, Slotted):
        container.x = leaf
    elif isinstance(container, defaultdict) and position % 5 == 4:
        container.default_factory = None if container.default_factory is list else list
    elif isinstance(container, set):
        container.symmetric_difference_update({1})
    else:
        space = container if isinstance(container, dict) else vars(container)
        names = list(space) or ["new"]
        if position % 3 == 0:
            space.pop(names[0], None)
        elif position % 3 == 1:
            space[names[position % len(names)]] = leaf
        else:
            space[names[0]] = space.pop(names[0], leaf)


def next_event(renderer: ValueRenderer) -> None:
    """Forget what was found of values, as the recorder does from one event to the next: then they may change."""
    renderer.settle()
    STOPPED.clear()
