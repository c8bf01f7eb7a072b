"""Hostile objects and odd values as the recorder shows them, under every Python at hand."""

import pytest
from jobs import recorded, result, states

from sandboxes.api import Pool

HOSTILE = """
import sys, time

class Raises:
    def __repr__(self):
        raise BaseException("no")

class Hangs:
    def __repr__(self):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass

class Prints:
    def __repr__(self):
        print("noise")
        sys.stderr.write("noise")
        return "Prints()"

class Mutates:
    def __init__(self):
        self.seen = []
        self.calls = 0
    def __repr__(self):
        self.calls += 1
        self.seen.append(self.calls)
        return "Mutates"

class Recurses:
    def __repr__(self):
        return "x" + repr(self)

class Huge:
    def __repr__(self):
        return "h" * 10**6

class Exits:
    def __repr__(self):
        sys.exit(9)

class Half:
    def __init__(self):
        self.early = 1
        self.late = 2
    def __repr__(self):
        return "Half(%s, %s)" % (self.early, self.late)

class Meta(type):
    def __eq__(cls, other):
        raise ZeroDivisionError
    def __hash__(cls):
        raise ZeroDivisionError
    def __instancecheck__(cls, value):
        raise ZeroDivisionError
    def __getattribute__(cls, name):
        raise ZeroDivisionError

class Tricky(metaclass=Meta):
    def __getattribute__(self, name):
        raise ZeroDivisionError
    def __getattr__(self, name):
        raise ZeroDivisionError
    @property
    def __class__(self):
        raise ZeroDivisionError
    def __eq__(self, other):
        raise ZeroDivisionError
    def __hash__(self):
        raise ZeroDivisionError
    def __bool__(self):
        raise ZeroDivisionError
    def __len__(self):
        raise ZeroDivisionError
    def __iter__(self):
        raise ZeroDivisionError

class Slots:
    __slots__ = ("a", "__b", "late")
    def __init__(self):
        self.a = 1
        self.__b = [2]

def f(kind):
    value = kind()
    inside = [value, {"k": value}]
    x = 1
    return x

def mutated():
    value = Mutates()
    x = 1
    return value.calls, len(value.seen)

def tricked():
    value = object.__new__(Tricky)
    object.__setattr__(value, "hidden", [1])
    held = object.__getattribute__(value, "hidden")
    held.append(2)
    del held
    return 5
"""


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("Raises", "<Raises (repr raised BaseException)>"),
        ("Hangs", "<Hangs (repr timed out)>"),
        ("Prints", "Prints()<repr printed>"),
        ("Recurses", "<Recurses (repr raised RecursionError)>"),
        ("Exits", "<Exits (repr raised SystemExit)>"),
        ("Half", "Half(1, 2)"),
        ("Slots", "<Slots _Slots__b=[2] a=1>"),
    ],
)
def test_hostile_reprs_are_told_and_do_no_harm(every_pool: Pool, kind: str, shown: str) -> None:
    record = recorded(every_pool, HOSTILE, f"f({kind})")
    assert result(record) == "1"
    assert (record.stdout.text, record.stderr.text) == ("", "")
    assert states(record, "f", "value") == [shown]
    assert states(record, "f", "inside") == [f"[{shown}, {{'k': {shown}}}]"]


def test_a_repr_that_changes_its_object_or_is_huge(every_pool: Pool) -> None:
    assert result(recorded(every_pool, HOSTILE, "mutated()")) == "(0, 0)"
    huge = states(recorded(every_pool, HOSTILE, "f(Huge)"), "f", "value")
    assert len(huge) == 1
    assert "<+990000 characters #" in huge[0]


def test_an_object_that_is_half_built_is_shown_as_far_as_it_is(every_pool: Pool) -> None:
    record = recorded(every_pool, HOSTILE, "f(Half)")
    assert states(record, "Half.__init__", "self") == [
        "<Half (repr raised AttributeError)>",
        "<Half (repr raised AttributeError) early=1>",
        "Half(1, 2)",
    ]


def test_no_trick_of_a_class_is_run(every_pool: Pool) -> None:
    record = recorded(every_pool, HOSTILE, "tricked()")
    assert result(record) == "5"
    assert states(record, "tricked", "value") == ["<Tricky>", "<Tricky hidden=[1]>", "<Tricky hidden=[1, 2]>"]


VALUES = """
def f():
    loop = [1]
    loop.append(loop)
    table = {"loop": loop}
    table["self"] = table
    digits = 10 ** 5000
    odd = "\\ud800\\u2028\\x00"
    nan = [float("nan"), -0.0, 0.0]
    mixed = {3, "b", (2, "a"), None, 1.5, "a"}
    deep = []
    for _ in range(400):
        deep = [deep]
    long = list(range(5000))
    long[4000] = "changed"
    text = "x" * 50000
    text = text[:-1] + "y"
    raw = bytes(50000)
    raw = raw[:-1] + b"y"
    wide = dict.fromkeys(range(3000))
    wide[2999] = 1
    far = [[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]
    inner = far
    while type(inner[0]) is list:
        inner = inner[0]
    inner[0] = 1
    return True
"""


def test_odd_values_and_changes_beyond_the_cut(every_pool: Pool) -> None:
    record = recorded(every_pool, VALUES)
    assert result(record) == "True"

    def last(name: str) -> str:
        return states(record, "f", name)[-1]

    assert states(record, "f", "loop") == ["[1]", "[1, [...]]"]
    assert last("table") == "{'loop': [1, [...]], 'self': {...}}"
    assert last("digits") == hex(10**5000)
    assert last("odd") == r"'\ud800\u2028\x00'"
    assert last("nan") == "[nan, -0.0, 0.0]"
    assert last("mixed") == "{1.5, 3, 'a', 'b', (2, 'a'), None}"
    for name in ("long", "text", "raw", "wide", "far"):
        before, after = states(record, "f", name)
        assert before != after
        assert before.partition("#")[0] == after.partition("#")[0]
        assert "#" in before
