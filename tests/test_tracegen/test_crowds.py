"""Many objects are asked at once with what asking each gives; whatever one of them does wrong."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nested_values import LEAVES, VALUES, Telling, next_event

from tracegen.guest import crowds, guard
from tracegen.guest.values import ValueRenderer

MANY = 12


class Slots:
    __slots__ = ("items", "name")

    def __init__(self, name: Any, items: Any) -> None:
        self.name = name
        self.items = items

    def __repr__(self) -> str:
        return f"Slots({self.name!r}, {self.items!r})"


class Both(Slots):
    def __init__(self, name: Any, items: Any) -> None:
        super().__init__(name, items)
        self.more = {name: 1}


def alone(values: list[Any]) -> list[str | None]:
    """Return what asking each by itself gives."""
    renderer = ValueRenderer()
    return [renderer.ask(value) for value in values]


def together(values: list[Any]) -> list[str | None] | None:
    """Return what asking all gives."""
    told = ValueRenderer().told(values)
    return None if told is None else [told[id(value)] for value in values]


@given(st.lists(VALUES | LEAVES, min_size=MANY, max_size=MANY), st.sampled_from([Slots, Both]))
def test_all_give_what_each_gives(held: list[Any], kind: Callable[[Any, Any], Any]) -> None:
    for values in (
        [Telling(x=item) for item in held],
        [kind(number, item) for number, item in enumerate(held)],
        [*(Telling(x=number) for number in range(9)), *(kind(number, [number]) for number in range(9))],
    ):
        found = together(values)
        assert found is None or found == alone(values)


def test_one_guarded_call_asks_all(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    call = guard.call

    def counted(function: Callable[[Any], Any], value: Any) -> guard.Called:
        calls.append(value)
        return call(function, value)

    monkeypatch.setattr(guard, "call", counted)
    for values in ([Telling(x=[n]) for n in range(MANY)], [Both(n, {n}) for n in range(MANY)]):
        del calls[:]
        assert together(values) == [repr(value) for value in values]
        assert calls == [values]
        renderer = ValueRenderer()
        renderer.told(values)
        assert renderer.text([*values, values[0]]) == repr([*values, values[0]])
        assert calls == [values, values]
        next_event(renderer)


def changes_an_attribute(value: Any) -> None:
    value.more["x"] = value.name = "changed"


def changes_an_item(value: Any) -> None:
    value.items.append("changed")


def empties_a_slot(value: Any) -> None:
    del value.name


def prints(value: Any) -> None:
    print(value.name)


def raises(value: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("does", [changes_an_attribute, changes_an_item, empties_a_slot, prints, raises])
def test_what_one_does_wrong_is_its_own(does: Callable[[Any], None], capsys: pytest.CaptureFixture[str]) -> None:
    class Wrong(Both):
        def __repr__(self) -> str:
            if self.name == 7:
                does(self)
            return "Wrong"

    def state(values: list[Any]) -> list[Any]:
        return [(each.name, list(each.items), dict(each.more)) for each in values]

    values = [Wrong(number, [number]) for number in range(MANY)]
    before = state(values)
    renderer = ValueRenderer()
    assert crowds.ask(values, Wrong) is None
    assert state(values) == before
    told = renderer.told(values)
    assert state(values) == before
    assert (told is None) == (id(Wrong) in renderer.unsafe) == (does not in (prints, raises))
    if told is not None:
        assert [told[id(each)] for each in values] == ["Wrong"] * 7 + [None] + ["Wrong"] * 4
    assert id(Wrong) in renderer.alone
    assert not capsys.readouterr().out


def test_what_is_used_up_by_reading_or_not_ready_is_asked_alone() -> None:
    iterators = [Telling(x=iter([number])) for number in range(MANY)]
    assert crowds.ask(iterators, Telling) is None
    assert [next(vars(each)["x"]) for each in iterators] == list(range(MANY))
    halves = [Slots.__new__(Slots) for _ in range(MANY)]
    assert crowds.ask(halves, Slots) is None
    assert together(halves) == alone(halves) == [None] * MANY


def test_a_text_of_another_type_is_asked_alone() -> None:
    class Text(str):
        __slots__ = ()

    class Odd:
        def __repr__(self) -> str:
            return Text("odd")

    values = [Odd() for _ in range(MANY)]
    assert crowds.ask(values, Odd) is None
    assert together(values) == ["odd"] * MANY


def test_addresses_and_long_texts_are_as_when_asked_alone() -> None:
    class Tag:
        def __init__(self, size: int) -> None:
            self.size = size

        def __repr__(self) -> str:
            return f"<Tag {id(self)} at {hex(id(self))} é>" + "x" * self.size

    values = [Tag(0) for _ in range(MANY)]
    assert together(values) == alone(values)
    assert alone(values)[0] == "<Tag <id> é>"
    values.append(Tag(5_000))
    assert together(values) == alone(values)
    assert alone(values)[-1] is None


def test_what_is_read_is_read_of_all_or_asked() -> None:
    paths = [PurePosixPath(f"/a/{number}") for number in range(MANY)]
    assert together(paths) == [repr(path) for path in paths]  # asked: they do not have their texts yet
    assert together(paths) == [repr(path) for path in paths]
    fractions = [Fraction(number, 7) for number in range(MANY)]
    assert together([*paths, *fractions]) == [repr(each) for each in [*paths, *fractions]]
    halves = [Fraction.__new__(Fraction) for _ in range(MANY)]
    del halves[3]._numerator  # type: ignore[attr-defined]
    assert together(halves) == alone(halves)
    assert alone(halves)[3] is None


def test_lone_surrogates_are_written_as_when_asked_alone() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "odd \udc80"

    values = [Odd() for _ in range(MANY)]
    assert together(values) == alone(values) == ["odd \\udc80"] * MANY
