"""Lists and dicts of many plain rows have the text that rendering gives, whatever becomes of them."""

from collections import Counter, OrderedDict, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nested_values import Slotted, Telling, Thing, next_event

from tracegen.guest import memory, nodes, structures, tables
from tracegen.guest.values import ValueRenderer

pytestmark = pytest.mark.skipif(not memory.usable, reason="this Python's lists cannot be read as memory")

CELL = st.sampled_from([0, 1, 300, 10**30, True, None, 0.5, "a", "it's", "\ud800", (1, (2,)), "x" * 40])
ODD: st.SearchStrategy[Any] = CELL | st.builds(lambda cell: [[cell]], CELL) | st.builds(Telling, x=CELL)
ROWS: tuple[st.SearchStrategy[Any], ...] = (
    st.lists(CELL, max_size=4),
    st.sets(st.integers(0, 300), max_size=4),
    st.dictionaries(st.sampled_from("abc"), CELL, max_size=3),
    st.builds(Thing, x=CELL, y=CELL),
    st.builds(Slotted, CELL),
)
KINDS: tuple[Any, ...] = (dict, Counter, OrderedDict, lambda pairs: defaultdict(list, pairs))
STEPS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 11), st.integers(0, 4), CELL, ODD), max_size=8)


@st.composite
def made_tables(draw: st.DrawFn) -> Any:
    rows = draw(st.lists(draw(st.sampled_from(ROWS)), min_size=6, max_size=12))
    if draw(st.booleans()):
        return rows
    keys: list[Any] = [f"k{n}" if n % 3 else n for n in range(len(rows))]
    return draw(st.sampled_from(KINDS))(dict(zip(keys, rows, strict=True)))


def change(table: Any, kind: int, where: int, place: int, cell: Any, odd: Any) -> None:
    """Change a row, or the rows."""
    if not table:
        return
    key = where % len(table) if isinstance(table, list) else list(table)[where % len(table)]
    row = table[key]
    if kind == 0 and isinstance(row, list) and row:
        row[place % len(row)] = cell
    elif kind <= 1 and isinstance(row, list):
        row.insert(place, cell)
    elif kind <= 1 and isinstance(row, set):
        row.symmetric_difference_update({place})
    elif kind <= 1 and isinstance(row, dict | Thing):
        space = row if isinstance(row, dict) else vars(row)
        space["xyab"[place % 4]] = cell
    elif kind == 2 and isinstance(row, dict | Thing):
        space = row if isinstance(row, dict) else vars(row)
        name = next(iter(space), "x")
        space[name] = space.pop(name, cell)  # at the end
    elif kind == 3:
        table[key] = odd
    elif kind == 4:
        del table[key]
    elif kind == 5 and isinstance(table, list):
        table.insert(where, row)
    elif kind == 5:
        table[f"new{where}"] = row
    elif kind == 6 and isinstance(table, list):
        table[:] = table[::-1]
    elif kind == 6:
        table[key] = table.pop(key)
    elif kind == 7 and isinstance(row, list | dict):
        table[key] = row.copy()
    elif isinstance(table, defaultdict):
        table.default_factory = None if table.default_factory is list else list


@given(made_tables(), STEPS, st.sampled_from([(10_000, 1_000), (200, 1_000), (10_000, 9)]))
def test_a_table_has_the_rendered_text_whatever_becomes_of_it(table: Any, steps: list[Any], limits: Any) -> None:
    renderer = ValueRenderer(*limits)
    found: Any = structures.look(table, None, renderer)
    for number, step in enumerate(steps):
        if found is None:
            return
        text, node = found
        next_event(renderer)
        change(table, *step)
        if number % 3 == 1:
            change(table, (step[0] + 1) % 3, *step[1:])  # two changes at once
        rendered = renderer.render(table)
        if node.unchanged(table):
            assert text == rendered
        found = structures.look(table, node, renderer) if number % 2 else None
        spliced = structures.splice_table(node, text, table, renderer) if isinstance(node, tables.Table) else None
        if spliced is not None:
            assert spliced.text == rendered
            assert text[: spliced.start] + spliced.middle + text[len(text) - spliced.end :] == rendered
            found = spliced.text, spliced.snapshot
        elif found is None:
            found = structures.look(table, node, renderer)
        next_event(renderer)
        if found is not None:
            assert found[0] == rendered
            assert found[1].unchanged(table)


@given(made_tables(), STEPS, st.integers(1, 5))
def test_a_table_within_others_has_the_rendered_text(table: Any, steps: list[Any], depth: int) -> None:
    renderer = ValueRenderer(depth=depth)
    whole: Any = {"first": [0, [1]], "held": Thing(x=[table], y=table)}
    known: Any = None
    for step in steps:
        if known is None or not known.unchanged(whole):
            found = structures.look(whole, known, renderer)
            known = found and found[1]
        rendered = renderer.render(whole)
        assert known is None or known.text == rendered
        next_event(renderer)
        change(table, *step)


@pytest.mark.parametrize(
    ("make", "alter", "middle"),
    [
        (lambda: [[n, n + 1] for n in range(20)], lambda table: table[7].append("new"), ", 'new'"),
        (lambda: {n: {n} for n in range(20)}, lambda table: table[7].add(8), ", 8"),
        (lambda: [{"id": n} for n in range(20)], lambda table: table[7].update(id="new"), "'new'"),
        (lambda: [Thing(x=0) for _ in range(20)], lambda table: setattr(table[7], "x", 1), "1"),
        (lambda: defaultdict(list, {n: [n] for n in range(20)}), lambda table: table[7].append("n"), ", 'n'"),
        (lambda: defaultdict(list, {n: [n] for n in range(20)}), lambda table: table[20].append("n"), "], 20: ['n'"),
    ],
)
def test_of_a_row_that_changed_no_other_is_rendered(make: Any, alter: Any, middle: str) -> None:
    renderer, table = ValueRenderer(), make()
    seen = structures.look(table, None, renderer)
    assert seen is not None
    text, node = seen
    assert isinstance(node, tables.Table)
    next_event(renderer)
    alter(table)
    assert not node.unchanged(table)
    found = structures.splice_table(node, text, table, renderer)
    assert found is not None
    assert (found.middle, found.text) == (middle, renderer.render(table))
    assert isinstance(found.snapshot, tables.Table)
    assert found.snapshot.unchanged(table)
    next_event(renderer)


def test_what_is_no_table_is_known_as_before() -> None:
    renderer = ValueRenderer()
    others: list[Any] = [
        [[n] for n in range(tables.FEWEST - 1)],
        [*[[n] for n in range(9)], {1}],
        [[[n]] for n in range(9)],
        [Slotted(n) for n in range(9)],
        [Telling(x=n) for n in range(9)],
        [*[{"n": n} for n in range(9)], Thing(n=1)],
    ]
    for value in others:
        found = structures.look(value, None, renderer)
        assert found is not None
        assert isinstance(found[1], nodes.Items)
        assert found[0] == renderer.render(value)
        next_event(renderer)


def test_a_name_that_was_no_table_becomes_one_that_has_just_changed() -> None:
    renderer = ValueRenderer()
    others: list[Any] = [1, {}, [[1]], defaultdict(list, {n: [n] for n in range(9)}), [[n] for n in range(9)]]
    for other in others:
        table = {n: [n] for n in range(20)}
        seen, before = structures.look(table, None, renderer), structures.look(other, None, renderer)
        assert seen is not None
        next_event(renderer)
        table[3][0] = 99
        assert not seen[1].unchanged(table)
        mark = before[1] if before else other
        found = structures.known(table, mark, renderer) or structures.look(table, mark, renderer)
        assert found is not None
        assert found[0] == renderer.render(table)
        next_event(renderer)
