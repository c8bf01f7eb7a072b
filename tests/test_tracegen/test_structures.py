"""The quick ways to a value's text give what rendering gives, or nothing."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nested_values import VALUES, Empty, Fields, Numbers, Pair, Slotted, Thing, containers, mutate, next_event

from tracegen.guest import digests, growth, memory, nodes, snapshots, splices, structures
from tracegen.guest.values import ValueRenderer

PLAIN = st.sampled_from([0, 7, -1, 10**30, True, None, 0.5, -0.0, "a", "it's", 'é"\n', "\ud800", "x" * 30])

LEAF = PLAIN | st.integers(-9, 9)
TUPLES: st.SearchStrategy[Any] = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
CONTAINERS: st.SearchStrategy[Any] = (
    st.lists(TUPLES, max_size=6)
    | st.builds(deque, st.lists(TUPLES, max_size=4), st.none() | st.integers(0, 5))
    | st.sets(st.integers(-5, 300), max_size=6)
    | st.sets(st.text(max_size=3), max_size=6)
    | st.frozensets(st.integers(), max_size=4)
    | st.sets(LEAF, max_size=4)
)


@dataclass
class Point:
    x: Any
    hidden: Any = field(default=0, repr=False)
    y: Any = 1


@given(VALUES | st.builds(Point, VALUES, VALUES, VALUES), st.integers(4, 200), st.integers(1, 5), st.integers(1, 6))
def test_a_structure_has_the_text_of_the_renderer(value: Any, characters: int, items: int, depth: int) -> None:
    for renderer in (ValueRenderer(), ValueRenderer(characters, items, depth)):
        found = structures.look(value, None, renderer)
        if found is not None:
            assert found[0] == renderer.render(value)


@given(CONTAINERS, st.integers(4, 60), st.integers(1, 5), st.integers(0, 5))
def test_plain_containers_have_the_text_of_the_renderer(value: Any, characters: int, items: int, depth: int) -> None:
    for renderer in (ValueRenderer(), ValueRenderer(characters, items, depth)):
        found = structures.plain(value, renderer)
        if found is not None:
            assert found[0] == renderer.render(value)
            assert found[1].unchanged(value)
        for within in (value, [value], {"k": (value, [value])}, Point(value)):
            whole = structures.look(within, None, renderer)
            assert whole is None or whole[0] == renderer.render(within)
            again = structures.look([[within]], None, renderer)
            assert again is None or again[0] == renderer.render([[within]])


def test_plain_containers_are_known_at_once() -> None:
    renderer = ValueRenderer()
    for value, text in (
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b", "a"}, "{'a', 'b'}"),
        (frozenset((2, 1)), "frozenset({1, 2})"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        (deque([1, ("a",)], 3), "deque([1, ('a',)], maxlen=3)"),
        ([(1, (2, (None,)))], "[(1, (2, (None,)))]"),
    ):
        found = structures.plain(value, renderer)
        assert found is not None
        assert found[0] == text == renderer.render(value)
    others: list[Any] = [{1, "a"}, {1.5, 2}, {(1, 2)}, [[1]], deque([{}]), [((((1,),),),)]]
    for other in others:
        assert structures.plain(other, renderer) is None


@given(
    VALUES | st.builds(Point, VALUES), st.lists(st.tuples(st.integers(0, 20), PLAIN, st.integers(0, 20)), max_size=4)
)
def test_what_is_taken_over_from_before_is_what_is_there(value: Any, steps: list[tuple[int, Any, int]]) -> None:
    renderer = ValueRenderer()
    known: Any = None
    for which, leaf, position in steps:
        found = structures.look(value, known, renderer)
        if found is None:
            return
        assert found[0] == renderer.render(value)
        known = found[1]
        if not (inside := containers(value, [])):
            return
        next_event(renderer)
        mutate(inside[which % len(inside)], leaf, position)
        if type(known) in nodes.SNAPSHOTS and known.unchanged(value):
            assert known.text == renderer.render(value)


@given(VALUES, st.integers(1, 4))
def test_what_was_seen_before_is_cut_where_it_stands_deeper(value: Any, depth: int) -> None:
    renderer = ValueRenderer(depth=depth)
    for now in (value, [value], [[value]], {"k": [value, value]}):
        found = structures.look(now, None, renderer)
        if found is not None:
            assert found[0] == ValueRenderer(depth=depth).render(now)


def test_a_repr_with_a_lone_surrogate_is_text_that_can_be_written() -> None:
    class Odd(Thing):
        def __repr__(self) -> str:
            return "odd \udc80"

    renderer = ValueRenderer()
    odd = Odd()
    for value in (odd, [odd], {"k": odd}):
        found = structures.look(value, None, renderer)
        assert found is not None
        assert found[0] == renderer.render(value)
        assert "odd \\udc80" in found[0]
        assert found[1].unchanged(value)
        next_event(renderer)
    structures.look(odd, None, renderer)
    assert structures.known(odd, None, renderer)[0] == "odd \\udc80"  # type: ignore[index]
    next_event(renderer)


def test_what_was_seen_before_is_known_without_a_walk() -> None:
    renderer = ValueRenderer()
    small: list[Any] = [Thing(x=1), "a"]
    large: list[Any] = [Thing(x=number) for number in range(300)]
    for value in (small, large):
        text, mark = structures.look(value, None, renderer) or ("", None)
        if len(text) > structures.LONGEST_REMEMBERED:
            assert structures.known(value, None, renderer) is None
            renderer.remember(value, text, mark)
        assert structures.known(value, None, renderer) == (text, mark)
        assert structures.known(value, mark, renderer) is None
        value.append(1)
        assert structures.known(value, None, renderer) is None


def test_the_usual_structures_need_no_renderer() -> None:
    renderer = ValueRenderer()
    usual: list[Any] = [[1, "a"], {"k": [1]}, [{"a": (1, [2])}], Point([1], 2), Thing(x=[1]), ([],), {}, []]
    usual += [
        Slotted([1]),
        Empty(),
        Fields(1, [2]),
        Pair((1,)),
        Pair(),
        Numbers(["a", [1]]),
        ValueError("a", [1]),
        KeyError(),
    ]
    for value in usual:
        found = structures.look(value, None, renderer)
        assert found is not None
        assert found[0] == renderer.render(value)


@st.composite
def changed_lists(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """A long list and what became of it: a slice replaced, items swapped, added or removed."""
    size = draw(st.integers(40, 130))
    kinds = draw(st.sampled_from([PLAIN, TUPLES]))
    old = [draw(kinds) if n % 17 == 0 else n * 7919 % 1000 for n in range(size)]
    new = list(old)
    first = draw(st.integers(0, size))
    last = draw(st.integers(first, min(size, first + 5)))
    new[first:last] = draw(st.lists(kinds, max_size=4))
    return old, new


def _kept(found: splices.Splice) -> Any:
    """Return the snapshot that a name is known by once the event is written."""
    return found.snapshot.keep() if isinstance(found.snapshot, splices.Pending) else found.snapshot


@given(changed_lists())
def test_a_spliced_text_is_the_rendered_one(lists: tuple[list[Any], list[Any]]) -> None:
    old, new = lists
    renderer = ValueRenderer()
    text = renderer.render(old)
    node: Any = snapshots.take(old, renderer)
    shown = old
    for now in (new, old, [*new, 5], new[:-3], old[::-1], [0, *old[1:-1], None], new):
        found = splices.splice(node, text, now, renderer)
        if found is None:
            continue
        assert found.text == renderer.render(now)
        assert text[: found.start] + found.middle + text[len(text) - found.end :] == found.text
        assert node.unchanged(shown)  # the event may fail, and be computed again
        node = _kept(found)
        assert node.unchanged(now)
        assert not node.unchanged(shown) or now == shown
        text, shown = found.text, now


@pytest.mark.parametrize("make", [list, lambda items: dict(enumerate(items))])
def test_of_what_changed_at_both_ends_the_patch_is_the_least(make: Callable[[list[Any]], Any]) -> None:
    renderer = ValueRenderer()
    old, new = ([first, *range(60), last] for first, last in ((777, 888), (779, 988)))
    text, node = _seen(make(old), renderer)
    splice = splices.splice if make is list else splices.splice_dict
    found = splice(node, text, make(new), renderer)
    assert found is not None
    assert found.text == renderer.render(make(new))
    assert (text[found.start], text[-1 - found.end]) == ("7", "8")  # of 777, of 888
    assert found.middle[0] == found.middle[-1] == "9"


@st.composite
def changed_dicts(draw: st.DrawFn) -> tuple[dict[Any, Any], list[tuple[str, Any, Any]]]:
    """A long dict of plain items, of any kind, and what is done to it."""
    values = draw(st.sampled_from([st.just(1), PLAIN, TUPLES]))
    keys: list[Any] = [f"k{n}" if n % 3 else n for n in range(draw(st.integers(46, 90)))]
    step = st.tuples(
        st.sampled_from(["set", "del", "pop", "again", "ends", "factory"]),
        st.sampled_from([*keys, "new", "é", None, 0.5]),
        values,
    )
    made = {key: draw(values) if n % 13 == 0 else 1 for n, key in enumerate(keys)}
    kinds = [made, Counter(made), OrderedDict(made), defaultdict(int, made), defaultdict(None, made)]
    return draw(st.sampled_from(kinds)), draw(st.lists(step, max_size=8))


@given(changed_dicts(), st.sampled_from([10_000, 600]))
def test_a_spliced_dict_has_the_rendered_text(made: tuple[dict[Any, Any], list[Any]], characters: int) -> None:
    now, steps = made
    renderer = ValueRenderer(characters)
    text, node = _seen(now, renderer)
    for number, (kind, key, value) in enumerate(steps):
        if kind == "set":
            now[key] = value
        elif kind == "del":
            now.pop(key, None)
        elif kind == "ends":
            now[next(iter(now))] = now[next(reversed(now))] = value
        elif kind == "again":  # at the end
            now[key] = now.pop(key, value)
        elif kind == "factory" and isinstance(now, defaultdict):
            now.default_factory = list
        else:
            now.popitem()
        if number % 3 == 1:
            continue  # two changes at once
        splice = splices.splice_dict if isinstance(node, nodes.Fields) else None
        text, node = _spliced(splice, node, text, now, renderer)


def _seen(value: Any, renderer: ValueRenderer) -> tuple[str, Any]:
    found = structures.look(value, None, renderer)
    return found or (renderer.render(value), snapshots.take(value, renderer))


def _spliced(splice: Any, node: Any, text: str, now: Any, renderer: ValueRenderer) -> tuple[str, Any]:
    """Return what a value looks like now: its text as ``splice`` has it, which must be the rendered one."""
    found = splice and splice(node, text, now, renderer)
    if found is None:
        return _seen(now, renderer)
    assert found.text == renderer.render(now)
    assert text[: found.start] + found.middle + text[len(text) - found.end :] == found.text
    node = _kept(found)
    assert node.unchanged(now)
    return found.text, node


@pytest.mark.parametrize(
    "make", [dict, Counter, OrderedDict, lambda of: defaultdict(list, of), lambda of: defaultdict(None, of)]
)
def test_dicts_of_every_kind_are_spliced_and_one_with_another_factory_is_not(make: Any) -> None:
    renderer = ValueRenderer()
    value = make({n: n for n in range(60)})
    seen = structures.look(value, None, renderer)
    assert seen is not None
    text, node = seen
    value[7] = "new"
    found = splices.splice_dict(node, text, value, renderer)
    assert (found is not None) == memory.usable
    assert found is None or found.text == renderer.render(value)
    if isinstance(value, defaultdict):
        value.default_factory = int
        assert not node.unchanged(value)
        assert splices.splice_dict(node, text, value, renderer) is None


def test_a_count_in_a_long_dict_is_spliced_where_memory_can_be_read() -> None:
    renderer = ValueRenderer()
    old = dict.fromkeys(map("w%d".__mod__, range(100)), 1)
    node: Any = snapshots.take(old, renderer)
    found = splices.splice_dict(node, repr(old), {**old, "w50": 2}, renderer)
    assert (found is not None) == memory.usable
    assert found is None or found.middle == "'w49': 1, 'w50': 2, 'w51': 1"
    assert splices.splice_dict(node, repr(old), {**old, "w50": []}, renderer) is None
    assert splices.splice_dict(node, repr(old), list(old), renderer) is None


def test_a_long_list_is_spliced_where_memory_can_be_read() -> None:
    renderer = ValueRenderer()
    old = list(range(300))
    node = snapshots.take(old, renderer)
    assert node is not None
    found = splices.splice(node, repr(old), [*old[:100], -1, *old[101:]], renderer)
    assert (found is not None) == memory.usable
    assert found is None or found.middle == "99, -1, 101"


class _Node:
    def __init__(self) -> None:
        self.next: Any = None


def test_a_type_of_linked_objects_is_not_walked_in_vain() -> None:
    renderer = ValueRenderer()
    ring, end = _Node(), _Node()
    ring.next = ring
    assert structures.look(ring, None, renderer) is None
    assert id(_Node) in renderer.cyclic
    ring_shown = snapshots.take(ring, renderer)
    assert ring_shown is not None
    assert ring_shown.unchanged(ring)
    assert not ring_shown.unchanged(end)
    # One that is not linked is walked no more at first, then again.
    assert structures.look(end, None, renderer) is None
    end_shown = snapshots.take(end, renderer)
    assert end_shown is not None
    assert end_shown.unchanged(end)
    found = structures.look(end, None, renderer)
    assert found is not None
    assert found[0] == renderer.render(end)
    assert found[1].unchanged(end)
    end.next = end
    assert not end_shown.unchanged(end)
    assert not found[1].unchanged(end)


@given(
    st.sampled_from([st.integers(-300, 300), st.text(max_size=4)]),
    st.data(),
    st.sampled_from([10_000, 330]),
)
def test_a_spliced_set_has_the_rendered_text(members: st.SearchStrategy[Any], data: st.DataObject, most: int) -> None:
    renderer = ValueRenderer(most)
    now: set[Any] = data.draw(st.sets(members, min_size=46, max_size=60))
    text, node = _seen(now, renderer)
    for number in range(data.draw(st.integers(1, 8))):
        now.symmetric_difference_update([data.draw(members | st.sampled_from([*now][:9]))])
        if data.draw(st.integers(0, 5)) == 0:
            now.add(data.draw(PLAIN))
        if number % 3 == 1:
            continue  # two changes at once
        splice = splices.splice_set if isinstance(node, nodes.Items) else None
        text, node = _spliced(splice, node, text, now, renderer)


def test_a_member_of_a_long_set_is_spliced() -> None:
    renderer = ValueRenderer()
    value: set[Any] = set(range(100))
    text, node = _seen(value, renderer)
    value.add(200)
    found = splices.splice(node, text, value, renderer)
    assert found is not None
    assert (found.middle, found.text) == ("99, 200", renderer.render(value))
    value.remove(0)
    again = splices.splice_set(_kept(found), found.text, value, renderer)
    assert again is not None
    assert (again.middle, again.text) == ("1", renderer.render(value))
    value.add("a")
    assert splices.splice_set(_kept(again), again.text, value, renderer) is None


def test_a_cut_or_strange_list_is_not_spliced() -> None:
    small = ValueRenderer(characters=200)
    old: list[Any] = list(range(300))
    node = snapshots.take(old, small)
    assert splices.splice(node, small.render(old), [*old, 1], small) is None
    whole = ValueRenderer()
    assert splices.splice(node, repr(old), [*old, [1]], whole) is None
    assert splices.splice(node, repr(old), tuple(old), whole) is None


ENDS = st.text(st.sampled_from("ab'\"\n\\\u00e9\U000e0001\ud800"), max_size=40)


@given(ENDS, st.lists(ENDS, max_size=6), st.integers(4, 60))
def test_a_grown_text_is_the_rendered_one(first: str, added: list[str], characters: int) -> None:
    for renderer in (ValueRenderer(), ValueRenderer(characters)):
        value = first
        text = renderer.render(value)
        for each in added:
            before, value = value, value + each
            found = growth.growth(before, text, value, renderer.characters)
            whole = renderer.render(value)
            if found is not None:
                assert found.text == whole
                assert text[: found.start] + found.middle + text[len(text) - found.end :] == whole
            text = whole


def test_a_text_that_grows_is_not_rendered_anew() -> None:
    for size in (200, 20_000):
        before = "x" * size
        found = growth.growth(before, ValueRenderer().render(before), before + "yz", 10_000)
        assert found is not None
        assert len(found.middle) < 40


@given(st.lists(ENDS, min_size=1, max_size=12))
def test_a_digest_does_not_depend_on_those_before_it(pieces: list[str]) -> None:
    grown = ["".join(pieces[:count]) for count in range(len(pieces) + 1)]
    for text in [*grown, *reversed(grown), *pieces]:
        assert digests.of_text(text) == digests.of_bytes(text.encode("utf-8", "surrogatepass"))


@pytest.mark.skipif(not memory.usable, reason="lists have another layout here")
@given(st.lists(st.integers(0, 3), min_size=1, max_size=90), st.data())
def test_memory_compares_identity(numbers: list[int], data: st.DataObject) -> None:
    pool: list[Any] = [0, 1, True, "one"]
    one = [pool[number] for number in numbers]
    other = list(one)
    assert memory.same(one, other)
    assert not memory.same(one, other[:-1])  # nor is read what lies beyond it
    assert memory.common(one, other) == (len(one), 0)
    at = data.draw(st.integers(0, len(one) - 1))
    other[at] = object()
    assert not memory.same(one, other)
    assert memory.common(one, other) == (at, len(one) - at - 1)
    assert memory.common(one, [None, *one]) == (0, len(one))


@pytest.mark.skipif(not memory.usable, reason="lists have another layout here")
@given(st.integers(1, 200), st.integers(0, 200), st.lists(st.integers(0, 199), max_size=3), st.integers(-2, 2))
def test_a_guess_changes_no_comparison(size: int, guess: int, places: list[int], more: int) -> None:
    one: list[Any] = list(range(size))
    other = list(one)
    for place in places:
        other[place % size] = object()
    other = [*other, *"ab"[:more]] if more > 0 else other[: size + more]
    room = min(len(one), len(other))
    start = next((n for n in range(room) if one[n] is not other[n]), room)
    end = next((n for n in range(room - start) if one[-1 - n] is not other[-1 - n]), room - start)
    assert memory.common(one, other, guess) == (start, end)


@given(st.lists(st.tuples(st.integers(0, 99), PLAIN | TUPLES), min_size=1, max_size=12))
def test_splices_one_after_the_other_give_the_rendered_text(steps: list[tuple[int, Any]]) -> None:
    renderer = ValueRenderer()
    now: list[Any] = [n * 7919 % 1000 for n in range(100)]
    node: Any = snapshots.take(now, renderer)
    text = renderer.render(now)
    for place, leaf in steps:
        now[place] = leaf
        found = splices.splice(node, text, now, renderer)
        if found is None:
            continue
        assert found.text == renderer.render(now)
        assert text[: found.start] + found.middle + text[len(text) - found.end :] == found.text
        node, text = _kept(found), found.text


def _nested(kind: Any, last: Any) -> Any:
    return kind([*([number, [number]] for number in range(8)), [8, last]])


@pytest.mark.parametrize("kind", [list, lambda parts: {f"k{at}": part for at, part in enumerate(parts)}])
def test_what_was_found_unchanged_is_not_compared_again_at_the_event(kind: Any) -> None:
    renderer, value = ValueRenderer(), _nested(kind, [8])
    mark: Any = (structures.look(value, None, renderer) or (None, None))[1]
    last = value[8] if type(value) is list else value["k8"]
    next_event(renderer)
    assert mark.unchanged(value)
    last[1].append("changed")
    assert mark.unchanged(value)  # nothing changes within an event, so that it is not looked for
    assert not mark.unchanged(_nested(kind, [8, "changed"]))
    next_event(renderer)
    assert not mark.unchanged(value)


def test_a_list_that_goes_tells_nothing_of_the_next_at_its_address() -> None:
    class Row(list[Any]):
        pass

    renderer = ValueRenderer()
    mark: Any = (structures.look(_nested(Row, [8]), None, renderer) or (None, None))[1]
    next_event(renderer)
    shared: list[Any] = []

    def parts_of(value: Any) -> list[Any]:
        shared[:] = mark.parts_of(value)
        return shared

    again = nodes.Wrapped(Row, parts_of, mark.parts.items)
    rows = [_nested(Row, last) for last in ([8], [9], [8], [9, 9])]
    assert [again.unchanged(row) for row in rows] == [True, False, True, False]


def test_what_lies_in_a_cycle_is_compared_within_each() -> None:
    def cycle(through: Any) -> Any:
        parts: list[Any] = [[number] for number in range(9)]
        outer = [parts]
        parts[8].append(outer if through is None else through)
        return outer

    renderer = ValueRenderer()
    one = cycle(None)
    renderer.render(one)
    mark: Any = snapshots.take(one, renderer)
    next_event(renderer)
    assert mark.unchanged(one)
    assert not mark.unchanged([one[0]])  # the same parts, but what they lead back to is not around them
    assert mark.unchanged(one)


@given(
    st.lists(VALUES, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 60), LEAF, st.integers(0, 20)), max_size=4),
)
def test_each_of_several_names_shows_what_is_there(values: list[Any], steps: list[tuple[int, Any, int]]) -> None:
    renderer = ValueRenderer()
    wide = [*values, *([number, [number]] for number in range(9))]
    names: list[Any] = [
        wide,
        [wide, wide],
        {"k": wide, "v": values[0]},
        Numbers(wide),
        Thing(x=wide),
        dict(enumerate(wide)),
    ]
    seen: list[Any] = [None] * len(names)
    for which, leaf, position in [*steps, (0, 0, 0)]:
        for at, value in enumerate(names):
            known: tuple[str, Any] = seen[at] or ("", None)
            if type(known[1]) in nodes.SNAPSHOTS and known[1].unchanged(value):
                assert known[0] == ValueRenderer().render(value)
                continue
            seen[at] = structures.known(value, known[1], renderer) or structures.look(value, known[1], renderer)
            assert seen[at] is None or seen[at][0] == ValueRenderer().render(value)
        next_event(renderer)
        inside = containers(tuple(names), [])
        mutate(inside[which % len(inside)], leaf, position)
