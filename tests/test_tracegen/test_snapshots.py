"""A value that its snapshot calls unchanged renders to the same text, whatever was done to it meanwhile."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from nested_values import LEAVES, VALUES, Shown, Thing, containers, mutate

from tracegen.guest import snapshots
from tracegen.guest.values import ValueRenderer


@given(VALUES, st.lists(st.tuples(st.integers(0, 20), LEAVES, st.integers(0, 20)), max_size=3))
def test_unchanged_means_the_same_text(value: Any, steps: list[tuple[int, Any, int]]) -> None:
    renderer = ValueRenderer()
    before = renderer.render(value)
    if snapshots.immutable(value):
        assert not containers(value, [])
        return
    node = snapshots.take(value, renderer.structural)
    if node is None:
        return
    assert node.unchanged(value)
    for which, leaf, position in steps:
        inside = containers(value, [])
        mutate(inside[which % len(inside)], leaf, position)
        if node.unchanged(value):
            assert renderer.render(value) == before


def test_what_has_its_own_repr_or_a_cycle_has_no_snapshot() -> None:
    renderer = ValueRenderer()
    knot: list[Any] = []
    knot.append(knot)
    values: list[Any] = [Shown(x=1), [Shown(x=1)], knot, (i for i in ""), len, [].append]
    for value in values:
        renderer.render(value)
        assert snapshots.take(value, renderer.structural) is None


def test_a_renamed_function_shows() -> None:
    def local() -> None:
        return None

    items = [local]
    node = snapshots.take(items, lambda kind: False)
    assert node is not None
    assert node.unchanged(items)
    local.__qualname__ = "renamed"
    assert not node.unchanged(items)


def test_equal_is_not_unchanged() -> None:
    pairs: list[tuple[Any, Any]] = [(1, True), (0.0, -0.0), (1, 1.0), (b"x", bytearray(b"x"))]
    for before, after in pairs:
        items = [before]
        node = snapshots.take(items, lambda kind: False)
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
    node = snapshots.take(items, renderer.structural)
    assert node is not None
    items.clear()
    assert gone == ["gone", "gone"]
