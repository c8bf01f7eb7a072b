"""Common types of the standard library are shown as they show themselves, without being asked under guard."""

import datetime as dt
import pathlib
import unittest
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegen.guest import guard, snapshots, structures
from tracegen.guest.standard_text import standard_text
from tracegen.guest.values import ValueRenderer


class Case(unittest.TestCase):
    __test__ = False

    def runTest(self) -> None:
        raise NotImplementedError


NAIVE = dt.datetime.fromisoformat("2020-01-02")
VALUES = (
    st.decimals()
    | st.dates()
    | st.timedeltas()
    | st.datetimes()
    | st.times()
    | st.fractions()
    | st.uuids()
    | st.text().map(pathlib.PurePosixPath)
    | st.just("a").map(pathlib.PosixPath)
    | st.just(Case())
)


@given(VALUES)
def test_a_value_is_shown_as_it_shows_itself(value: Any) -> None:
    str(value)  # a path keeps its text
    read = standard_text(type(value))
    assert read is not None
    assert read(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        *(Decimal("1.5"), dt.date(2020, 1, 2), dt.timedelta(1), NAIVE, dt.time(3), Fraction(1, 3), uuid.UUID(int=5)),
        *(pathlib.PosixPath("/a/b"), Case(), [Decimal(n) for n in range(20)], [Fraction(n, 7) for n in range(20)]),
    ],
)
def test_none_is_called_under_guard(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in value if type(value) is list else [value]:
        str(each)
    monkeypatch.setattr(guard, "call", None)
    renderer = ValueRenderer()
    for around in (value, [value], {"k": [value, value]}):
        found = structures.look(around, None, renderer)
        assert found is not None
        text, mark = found
        assert text == repr(around) == renderer.render(around)
        assert mark is around or mark.unchanged(around)
    assert renderer.loud == 0


def test_what_cannot_change_is_known_by_itself() -> None:
    renderer = ValueRenderer()
    for value in (Decimal("1.5"), dt.date(2020, 1, 2), dt.timedelta(1)):
        found = structures.look(value, None, renderer)
        assert found is not None
        assert found[1] is value
        assert snapshots.immutable((value, (value,)))
    for changeable in (Fraction(1, 3), NAIVE, Case()):
        found = structures.look(changeable, None, renderer)
        assert found is not None
        assert found[1] is not changeable


class Zone(dt.tzinfo):
    def __repr__(self) -> str:
        return "Zone()"

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta | None:
        return None

    dst = utcoffset

    def tzname(self, when: dt.datetime | None) -> str | None:
        return None


class Marked(Fraction):
    pass


class Own(unittest.TestCase):
    __test__ = False

    def __repr__(self) -> str:
        return "own"


class Meta(type):
    pass


class Made(unittest.TestCase, metaclass=Meta):
    __test__ = False


class Named(unittest.TestCase):
    __test__ = False

    _testMethodName = property(lambda self: "property")  # noqa: N815

    def __init__(self) -> None:
        pass


class Other(unittest.TestCase):
    __test__ = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return int

    def runTest(self) -> None:
        raise NotImplementedError


class Seeing(unittest.TestCase):
    __test__ = False

    def __getattribute__(self, name: str) -> Any:
        return "seen" if name == "_testMethodName" else super().__getattribute__(name)

    def runTest(self) -> None:
        raise NotImplementedError


def test_what_is_shown_in_another_way_is_asked() -> None:
    poked = Fraction(1, 3)
    poked._numerator = True  # type: ignore[attr-defined]
    half = Case.__new__(Case)
    fresh = pathlib.PosixPath("/not/shown/yet")
    others = [
        dt.datetime(2020, 1, 2, tzinfo=Zone()),
        dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        Marked(1, 3),
        poked,
        Own("run"),
        Named(),
        Other(),
        Seeing(),
        fresh,
    ]
    for value in others:
        read = standard_text(type(value))
        assert read is None or _read(read, value) is None
        assert ValueRenderer().render(value) == repr(value)
    assert _read(standard_text(Case), half) is None
    assert "AttributeError" in ValueRenderer().render(half)
    assert standard_text(Made) is None
    assert standard_text(int) is None
    huge = Fraction(10**5000, 3)
    assert "ValueError" in ValueRenderer().render(huge)


def _read(read: Any, value: Any) -> Any:
    try:
        return read(value)
    except AttributeError:
        return None


@pytest.mark.parametrize("other", [lambda self: "replaced", object.__repr__])
def test_a_repr_that_was_replaced_is_asked(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.guest.standard_text._known", {})
    monkeypatch.setattr(Fraction, "__repr__", other)
    assert standard_text(Fraction) is None
    assert "1, 3" not in ValueRenderer().render(Fraction(1, 3))
    monkeypatch.setattr(unittest.TestCase, "__repr__", other)
    assert standard_text(Case) is None
