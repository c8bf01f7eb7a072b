"""The canonical value renderer: the text of every kind of value, its bounds, and that nothing escapes it."""

import dataclasses
import datetime
import decimal
import enum
import functools
import hashlib
import pathlib
import re
import subprocess
import sys
import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interpreters import ROOT

from sandboxes.interpreters import Interpreter
from tracegen.guest.values import ValueRenderer


def text(value: Any, **limits: int) -> str:
    return ValueRenderer(**limits).render(value)


@dataclasses.dataclass
class Data:
    x: int
    items: list[int]
    hidden: int = dataclasses.field(default=0, repr=False)


class Plain:
    def __init__(self) -> None:
        self.x = 1


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = 2


class Colour(enum.Enum):
    RED = 1


Pair = namedtuple("Pair", "left right")


def make() -> Iterator[int]:
    yield 1


RECURSIVE: list[Any] = [1]
RECURSIVE.append(RECURSIVE)
LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


class Knot:
    def __init__(self) -> None:
        self.me = self


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.0, "-0.0"),
        (float("nan"), "nan"),
        (True, "True"),
        (2j, "2j"),
        (..., "Ellipsis"),
        ("a'b", '"a\'b"'),
        ("\ud800", "'\\ud800'"),
        (bytearray(b"x"), "bytearray(b'x')"),
        ((1,), "(1,)"),
        (range(1, 9, 2), "range(1, 9, 2)"),
        ({3, 1, 10, 2}, "{1, 2, 3, 10}"),
        ({"b", "a", 1, (2,), 0.5}, "{0.5, 1, 'a', 'b', (2,)}"),
        (frozenset(), "frozenset()"),
        ({"b": 1, "a": 2}, "{'b': 1, 'a': 2}"),
        (RECURSIVE, "[1, [...]]"),
        (LOOP, "{'self': {...}}"),
        (Knot(), "<Knot me=<Knot ...>>"),
        (deque([1], 3), "deque([1], maxlen=3)"),
        (Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (defaultdict(list, {1: [2]}), "defaultdict(<class 'list'>, {1: [2]})"),
        ({1: 2}.items(), "dict_items([(1, 2)])"),
        (Data(1, [2]), "Data(x=1, items=[2])"),
        (Pair(1, Plain()), "Pair(left=1, right=<Plain x=1>)"),
        (Slotted(), "<Slotted a=2>"),
        (Colour.RED, "<Colour.RED: 1>"),
        (decimal.Decimal("1.50"), "Decimal('1.50')"),
        (Fraction(1, 2), "Fraction(1, 2)"),
        (datetime.date(2020, 1, 2), "datetime.date(2020, 1, 2)"),
        (pathlib.PurePosixPath("a/b"), "PurePosixPath('a/b')"),
        (re.compile("a+"), "re.compile('a+')"),
        (functools.partial(make), "functools.partial(<function make>)"),
        (make, "<function make>"),
        (make(), "<generator object make>"),
        (Plain().__init__, "<bound method Plain.__init__ of <Plain x=1>>"),  # type: ignore[misc]
        (iter([]), "<list_iterator object>"),
        (re, "<module 're'>"),
        (object(), "<object object>"),
        (len, "<built-in function len>"),
        (KeyError("x"), "KeyError('x')"),
        (Plain, "<class 'test_values.Plain'>"),
        (
            np.arange(12).reshape(3, 4),
            "<ndarray shape=(3, 4) dtype=int64 [0, 1, 2, 3, 4, 5, 6, 7, ... <+4 items #1962de22>]>",
        ),
        (np.float64(1.5), "np.float64(1.5)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_text(value: Any, expected: str) -> None:
    assert text(value).replace("tests.test_tracegen.", "") == expected


def test_cuts_are_counted_and_a_change_beyond_them_shows() -> None:
    long = "x" * 20_000
    shown = text(long)
    assert shown.startswith("'xxx")
    assert "<+10000 characters #" in shown
    assert text(long[:-1] + "y") != shown
    assert "999, ... <+2000 items #" in text(list(range(3_000)))
    assert text({i: i for i in range(5)}, items=2) == "{0: 0, 1: 1, ... <+3 items #547f370d>}"
    assert text([[[[]]]], depth=2) == "[[[... <+1 items #6e2b6ebc>]]]"


def changed(items: list[Any], position: int, item: Any) -> list[Any]:
    return [*items[:position], item, *items[position + 1 :]]


@pytest.mark.parametrize(
    "made",
    [
        lambda item: changed(list(range(3_000)), 2_000, item),
        lambda item: tuple(changed(["x"] * 3_000, 2_000, item)),
        lambda item: deque(changed([None] * 3_000, 2_000, item)),
        lambda item: dict.fromkeys(range(3_000), 0) | {2_000: item},
        lambda item: dict.fromkeys(range(3_000), 0) | {2_000: [{"deep": [item]}]},
        lambda item: [[[[[[item]]]]]],
        lambda item: {*range(3_000), item},
        lambda item: {("x", item), *((n, n) for n in range(3_000))},
        lambda item: [["y" * 3_000] * 5, item],
        lambda item: [Plain() for _ in range(2_000)] + [item],
        lambda item: [Holder([[[[item]]]])],
        lambda item: [*[0] * 2_000, Holder(item)],
    ],
    ids=lambda made: None,
)
def test_a_change_beyond_a_cut_shows(made: Any) -> None:
    shown = {text(made(item), depth=5) for item in (1.5, "1.5", -7, b"-7", 10**5_000, 10**5_001, "\ud800")}
    assert len(shown) == 7
    assert text(made(-7), depth=5) in shown
    assert all("#" in each for each in shown)


class Holder:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def test_a_digest_tells_types_apart_and_not_the_order_of_sets() -> None:
    cut = [0] * 1_000
    variants = [1, True, 1.0, "1", b"1", bytearray(b"1"), [1], (1,), {1}, frozenset([1]), {1: 1}, deque([1]), Plain()]
    assert len({text([*cut, value]) for value in [*variants, 0.0, -0.0]}) == len(variants) + 2
    assert text([*cut, {"a", "b", "c"}]) == text([*cut, {"c", "b", "a"}])


def test_a_digest_runs_no_hook_and_stops_at_cycles_and_great_sizes() -> None:
    tricky = Tricky()
    object.__setattr__(tricky, "x", [1])
    assert "<+1 items #" in text([*[0] * 1_000, tricky])
    assert text([*[0] * 1_000, RECURSIVE]).endswith("<+1 items>]")
    assert text(range(3)) == "range(0, 3)"
    assert text([0] * 200_000).endswith("<+199000 items>]")
    assert text({*range(200_000)}).endswith("<+199000 items>}")


@pytest.mark.parametrize("value", [b"\xff" * 20_000, "\x01" * 20_000, "\U000e0001" * 6_000, bytearray(9_000)])
def test_escapes_count_towards_the_limit(value: Any) -> None:
    shown = text(value)
    assert len(shown) < 10_060
    assert "...<+" in shown


def test_ints_beyond_the_digits_limit_are_hexadecimal() -> None:
    assert text(10**5_000) == hex(10**5_000)
    assert text(10**400) == str(10**400)


class Misbehaves:
    parts: Any

    def __init__(self) -> None:
        self.calls = 0


class Raises(Misbehaves):
    def __repr__(self) -> str:
        raise KeyError("secret")


class Hangs(Misbehaves):
    def __repr__(self) -> str:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue


class Mutates(Misbehaves):
    def __repr__(self) -> str:
        self.calls += 1
        return f"call {self.calls}"


class MutatesInside(Misbehaves):
    def __init__(self) -> None:
        self.log: list[int] = []

    def __repr__(self) -> str:
        self.log.append(1)
        return "quiet"


class WithSlots:
    __slots__ = ("calls", "late", "log")
    calls: int
    late: int
    log: list[int]

    def __init__(self) -> None:
        self.calls = 0
        self.log = []


class MutatesASlot(WithSlots):
    __slots__ = ()

    def __repr__(self) -> str:
        self.calls += 1
        return f"call {self.calls}"


class FillsASlot(WithSlots):
    __slots__ = ()

    def __repr__(self) -> str:
        self.late = 1
        return "late"


class MutatesInASlot(WithSlots):
    __slots__ = ()

    def __repr__(self) -> str:
        self.log.append(1)
        return "quiet"


class Prints(Misbehaves):
    def __repr__(self) -> str:
        sys.stdout.write("noise")
        return "Prints()"


class NoText(Misbehaves):
    def __repr__(self) -> str:
        return 5  # type: ignore[return-value]


class Quits(Misbehaves):
    def __repr__(self) -> str:
        raise SystemExit(3)


class Recurses(Misbehaves):
    def __repr__(self) -> str:
        return repr(self)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Raises, "<Raises (repr raised KeyError) calls=0>"),
        (Hangs, "<Hangs (repr timed out) calls=0>"),
        (Mutates, "<Mutates (repr mutated) calls=0>"),
        (MutatesInside, "<MutatesInside (repr mutated) log=[]>"),
        (Prints, "Prints()<repr printed>"),
        (NoText, "<NoText (repr raised TypeError) calls=0>"),
        (Quits, "<Quits (repr raised SystemExit) calls=0>"),
        (Recurses, "<Recurses (repr raised RecursionError) calls=0>"),
    ],
)
def test_a_misbehaving_repr_is_contained_and_marked(
    kind: type[Misbehaves], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    value = kind()
    before = {name: list(item) if isinstance(item, list) else item for name, item in vars(value).items()}
    renderer = ValueRenderer()
    assert [renderer.render(value), renderer.render(value)] == [expected, expected]
    assert vars(value) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", [MutatesASlot, MutatesInASlot])
def test_a_repr_that_changes_slots_is_undone_and_marked(kind: type[WithSlots]) -> None:
    value, renderer = kind(), ValueRenderer()
    shown = f"<{kind.__name__} (repr mutated) calls=0 log=[]>"
    assert [renderer.render(value), renderer.render(value)] == [shown, shown]
    assert (value.calls, value.log) == (0, [])


def test_a_repr_may_fill_an_empty_slot() -> None:
    assert text(FillsASlot()) == "late"


def test_what_holds_an_iterator_is_not_asked_for_its_repr() -> None:
    class Joined(Misbehaves):
        def __repr__(self) -> str:
            return ", ".join(self.parts)

    value = Joined()
    for made in ((c for c in "ab"), map(str, "ab"), iter(["a", "b"])):
        value.parts = made
        assert "(repr not called: holds an iterator)" in text(value)
        assert list(value.parts) == ["a", "b"]
    value.parts = "ab"
    assert text(value) == "a, b"


class Hostile(type):
    def __hash__(cls) -> int:
        raise ZeroDivisionError

    def __eq__(cls, other: object) -> bool:
        raise ZeroDivisionError


class Tricky(metaclass=Hostile):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise ZeroDivisionError

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


def test_no_hook_of_a_class_runs() -> None:
    value = Tricky()
    object.__setattr__(value, "x", [1])
    assert text(value) == "<Tricky x=[1]>"
    assert text([value, {1: value}]) == "[<Tricky x=[1]>, {1: <Tricky x=[1]>}]"


def test_thread_identifiers_are_removed() -> None:
    lock = threading.RLock()
    with lock:
        assert text(lock) == "<locked _thread.RLock object count=1>"
    assert text(threading.main_thread()) == "<_MainThread(MainThread, started)>"


def test_addresses_of_hashes_are_removed() -> None:
    assert text(hashlib.md5(b"")) == "<md5 _hashlib.HASH object>"


def test_the_recorders_own_objects_say_nothing_of_themselves() -> None:
    assert text(ValueRenderer()) == "<tracegen ValueRenderer>"
    assert text(ValueRenderer().render).endswith("<tracegen ValueRenderer>>")


def test_addresses_in_a_repr_are_removed() -> None:
    class Own:
        def __init__(self, form: str) -> None:
            self.form = form

        def __repr__(self) -> str:
            return self.form.format(hex(id(self)))

    assert [text(Own(form)) for form in ("<A at {}>", "<A @ {}>", "<A @{} b>")] == ["<A>", "<A>", "<A b>"]


def test_a_long_repr_is_cut() -> None:
    class Long:
        def __repr__(self) -> str:
            return "y" * 50_000

    shown = text(Long())
    assert "<+40000 characters #" in shown
    assert len(shown) < 10_100


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    LEAVES | st.frozensets(LEAVES),
    lambda inner: st.lists(inner) | st.dictionaries(LEAVES, inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@given(VALUES, st.integers(1, 200), st.integers(1, 5), st.integers(1, 4))
def test_any_value_is_bounded_and_utf8(value: Any, characters: int, items: int, depth: int) -> None:
    shown = text(value, characters=characters, items=items, depth=depth)
    shown.encode("utf-8")
    # Each open container may still add its marker, and a leaf begun within the budget its last 16 characters.
    assert len(shown) <= 10 * characters + 60 * (items + 1) ** (depth + 1) + 400


@given(st.lists(st.integers() | st.text(max_size=3) | st.booleans(), max_size=8))
def test_set_text_does_not_depend_on_insertion_order(items: list[Any]) -> None:
    kept = list(set(items))
    backwards: set[Any] = set()
    for item in reversed(kept):
        backwards.add(item)
    assert text(set(kept)) == text(backwards)


@given(VALUES)
def test_rendering_twice_gives_the_same_text(value: Any) -> None:
    renderer = ValueRenderer()
    assert renderer.render(value) == renderer.render(value) == text(value)


def test_the_same_text_under_every_python(interpreter: Interpreter) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from guest.values import ValueRenderer as V\n"
        "values = [{'b', 'a', 3, (1, 2)}, [1, [2, {3: 'x'}]], 10**5000, float('nan'), KeyError('k'), len, print]\n"
        "class P:\n    def __init__(self): self.x = {'q', 'r'}\n"
        "sys.stdout.write('|'.join(V().render(v) for v in values + [P(), P, lambda: 0]))"
    )
    command = [interpreter.executable, "-c", script, str(ROOT / "tracegen")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (
        "{3, 'a', 'b', (1, 2)}|[1, [2, {3: 'x'}]]|" + hex(10**5_000) + "|nan|KeyError('k')|"
        "<built-in function len>|<built-in function print>|<P x={'q', 'r'}>|<class '__main__.P'>|<function <lambda>>"
    )


class Tagged:
    """A repr with its own address, as real libraries write it."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __repr__(self) -> str:
        return self.form.format(id(self))


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("<py3-none-any @ {}>", "<py3-none-any @ <id>>"),
        ("<Template memory:{:x}>", "<Template memory:<id>>"),
        ("<_localimpl key='_local.{}'>", "<_localimpl key='_local.<id>'>"),
        ("<at {:#x}>", "<at <id>>"),
        ("<{0:X} and {0}>", "<<id> and <id>>"),
        ("<{0}1 1{0} x{0}>", None),
    ],
)
def test_an_objects_own_address_is_taken_out_of_its_repr(form: str, shown: str | None) -> None:
    value = Tagged(form)
    assert text(value) == (shown or repr(value))
