"""A value that its snapshot calls unchanged renders to the same text, whatever was done to it meanwhile."""

import threading
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from nested_values import LEAVES, VALUES, Owner, Shown, Telling, Thing, containers, mutate, next_event

from tracegen.guest import snapshots
from tracegen.guest.values import ValueRenderer


@given(VALUES, st.lists(st.tuples(st.integers(0, 20), LEAVES, st.integers(0, 20)), max_size=3))
def test_unchanged_means_the_same_text(value: Any, steps: list[tuple[int, Any, int]]) -> None:
    renderer = ValueRenderer()
    before = renderer.render(value)
    if snapshots.immutable(value):
        assert not containers(value, [])
        return
    node = snapshots.take(value, renderer)
    if node is None:
        return
    assert node.unchanged(value)
    next_event(renderer)
    for which, leaf, position in steps:
        inside = containers(value, [])
        if not inside:
            return
        mutate(inside[which % len(inside)], leaf, position)
        if node.unchanged(value):
            assert renderer.render(value) == before
        next_event(renderer)


@given(
    VALUES,
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)), max_size=5),
    st.integers(20, 400),
)
def test_unchanged_means_the_same_text_of_what_holds_itself(
    value: Any, steps: list[tuple[int, int, int]], characters: int
) -> None:
    renderer = ValueRenderer(characters)
    inside = containers(value, [])
    assume(inside)
    for holder, held, position in steps:
        text = renderer.render(value)
        node = snapshots.take(value, renderer)
        if node is not None:
            assert node.unchanged(value)
        next_event(renderer)
        mutate(inside[holder % len(inside)], inside[held % len(inside)], position)
        if node is not None and node.unchanged(value):
            assert renderer.render(value) == text
        next_event(renderer)


def test_what_holds_itself_or_has_its_own_repr_is_known_again() -> None:
    renderer = ValueRenderer()
    knot: list[Any] = [1]
    knot.append(knot)
    parent = Thing(name="p", children=[])
    parent.children.append(Thing(parent=parent))
    owner = Owner(x=1)
    vars(owner).update(call=owner.method)
    asked = Telling(x=1)
    for value, change in (
        (knot, lambda: knot.append(2)),
        (parent, lambda: vars(parent).update(name="q")),
        (owner, lambda: vars(owner).update(x=2)),
        (asked, lambda: vars(asked).update(x=2)),
    ):
        renderer.render(value)
        node = snapshots.take(value, renderer)
        assert node is not None
        assert node.unchanged(value)
        next_event(renderer)
        change()  # type: ignore[no-untyped-call]
        assert not node.unchanged(value)
    next_event(renderer)


def test_a_cycle_of_another_length_is_another_picture() -> None:
    renderer = ValueRenderer()
    first, second = Thing(x=1), Thing(x=1)
    vars(first).update(next=second)
    vars(second).update(next=first)
    text = renderer.render(first)
    node = snapshots.take(first, renderer)
    assert node is not None
    vars(first).update(next=first)
    assert renderer.render(first) != text
    assert not node.unchanged(first)


def test_many_objects_with_their_own_repr_are_compared_one_and_all() -> None:
    renderer = ValueRenderer()
    items: list[Any] = [Telling(x=number) for number in range(20)]
    for value in (items, {"k": 1, **{str(each): each for each in items}}, Thing(**{str(each): each for each in items})):
        renderer.render(value)
        node = snapshots.take(value, renderer)
        assert node is not None
        for each in items:
            assert node.unchanged(value)
            next_event(renderer)
            before = vars(each)["x"]
            vars(each)["x"] = "changed"
            assert not node.unchanged(value)
            next_event(renderer)
            vars(each)["x"] = before
        assert node.unchanged(value)
        next_event(renderer)
    node = snapshots.take(items, renderer)
    assert node is not None
    items[3] = Shown()
    assert not node.unchanged(items)
    next_event(renderer)


def test_an_object_is_asked_once_an_event() -> None:
    asked: list[int] = []

    class Counting(Thing):
        def __repr__(self) -> str:
            asked.append(1)
            return "Counting"

    renderer = ValueRenderer()
    items = [Counting()] * 5
    renderer.render(items)
    node = snapshots.take(items, renderer)
    assert node is not None
    del asked[:]
    assert node.unchanged(items)
    assert node.unchanged(items)
    assert len(asked) == 1
    next_event(renderer)
    assert node.unchanged(items)
    assert len(asked) == 2
    next_event(renderer)


def test_what_a_budget_hides_is_not_asked() -> None:
    asked: list[int] = []

    class Counting(Thing):
        def __repr__(self) -> str:
            asked.append(1)
            return "Counting"

    renderer = ValueRenderer(characters=20)
    items = ["x" * 30, Counting()]
    renderer.render(items)
    node = snapshots.take(items, renderer)
    assert node is not None
    assert node.unchanged(items)
    assert not asked


def test_what_misbehaves_or_cannot_be_seen_into_has_no_snapshot() -> None:
    class Raising(Thing):
        def __repr__(self) -> str:
            raise ValueError

    renderer = ValueRenderer()
    values: list[Any] = [Raising(), [Raising()], bytearray(b"a"), [[0] * 200_000]]
    for value in values:
        renderer.render(value)
        assert snapshots.take(value, renderer) is None


def test_a_renamed_function_shows() -> None:
    def local() -> None:
        return None

    items = [local]
    node = snapshots.take(items, ValueRenderer())
    assert node is not None
    assert node.unchanged(items)
    local.__qualname__ = "renamed"
    assert not node.unchanged(items)


def test_a_lock_is_known_by_what_it_shows() -> None:
    for lock in (threading.Lock(), threading.RLock()):
        renderer = ValueRenderer()
        renderer.render([lock])
        node = snapshots.take([lock], renderer)
        assert node is not None
        assert node.unchanged([lock])
        assert not renderer.asking(type(lock))
        with lock:
            assert not node.unchanged([lock])


def test_equal_is_not_unchanged() -> None:
    pairs: list[tuple[Any, Any]] = [(1, True), (0.0, -0.0), (1, 1.0), (b"x", bytearray(b"x"))]
    for before, after in pairs:
        items = [before]
        node = snapshots.take(items, ValueRenderer())
        items[0] = after
        assert node is not None
        assert not node.unchanged(items)


def test_no_strong_reference_to_what_can_be_finalised() -> None:
    gone: list[str] = []

    class Noisy(Thing):
        def __del__(self) -> None:
            gone.append("gone")

    renderer = ValueRenderer()
    items = [Noisy(x=1), [Noisy(x=2)]]
    renderer.render(items)
    node = snapshots.take(items, renderer)
    assert node is not None
    items.clear()
    assert gone == ["gone", "gone"]
