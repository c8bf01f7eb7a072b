"""The host's reader of the recorder's lines is strict, but for the cut tail that a death leaves."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import WireError
from tracegen.guest.version import WIRE_VERSION
from tracegen.guest.wire import SHORTEST_PATCHED, patch
from tracegen.wire import Ending, parse_result


def lines(*rows: Sequence[object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


HEAD = ["H", WIRE_VERSION, "0", "3.11.7", []]
START = [["I", 0], ["C", "p.py", "f", 1, 1, []], ["F", 1, 0, 0, 0], ["c", 1, 1, {"x": "1"}]]
END = ["E", "returned", None, "1", [["f()", "1", "1", True]], ["out", 0, False], ["", 0, False]]


def test_a_whole_result() -> None:
    result = parse_result(lines(HEAD, *START, ["r", 1, 2, {}, [], "1"], END, ["Z"]))
    assert result.complete
    segment = result.segments[0]
    assert [(event.kind, event.line, event.set, event.value) for event in segment.events] == [
        ("call", 1, {"x": "1"}, None),
        ("return", 2, {}, "1"),
    ]
    assert isinstance(segment.ended, Ending)
    assert segment.ended.stdout.text == "out"


def test_a_cut_line_at_the_end_is_dropped() -> None:
    data = lines(HEAD, *START)
    for cut in range(1, 6):
        result = parse_result(data + b'["l",1,2]'[:cut])
        assert len(result.segments[0].events) == 1
        assert result.segments[0].ended is None


@pytest.mark.parametrize(
    "rows",
    [
        [["I", 0]],
        [["H", WIRE_VERSION + 1, "0", "3"]],
        [HEAD[:4]],
        [[*HEAD[:4], [[1]]]],
        [[*HEAD[:4], [["1", 2]]]],
        [HEAD, *START, ["A", "m.T"]],
        [HEAD, ["l", 1, 1]],
        [HEAD, *START, ["?", 1]],
        [HEAD, *START, ["l", 2, 1]],
        [HEAD, *START, ["l", 1, 1, {"x": 5}]],
        [HEAD, *START, ["l", 1, 1, {"x": [1, 1, "y"]}]],
        [HEAD, *START, ["l", 1, 1, {"x": [-1, 0, "y"]}]],
        [HEAD, *START, ["l", 1, 1, {"x": [0, 0]}]],
        [HEAD, *START, ["l", "1", 1]],
        [HEAD, *START, ["l", 1, 1, {}, [3]]],
        [HEAD, *START, ["r", 1, 1, {}, [], 7]],
        [HEAD, *START, ["F", 3, 0, 0, 0]],
        [HEAD, *START, ["F", 2, 0, 1, 0]],
        [HEAD, *START, ["F", 2, "1", 0, 0]],
        [HEAD, *START, ["C", "p.py", "g", "1", 1, []]],
        [HEAD, *START, ["X", "no_such_kind", 0, 1, "n", 1]],
        [HEAD, *START, END, ["l", 1, 1]],
        [HEAD, *START, [*END[:-1], [1, 0, False]]],
    ],
)
def test_anything_else_is_refused(rows: list[list[object]]) -> None:
    with pytest.raises(WireError):
        parse_result(lines(*rows))


def test_lone_surrogates_become_escapes() -> None:
    data = lines(HEAD, ["I", 0]) + b'["!","module_error","\\ud800"]\n'
    assert "\\ud800" in str(parse_result(data).segments[0].ended)


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(noise: bytes) -> None:
    for data in (noise, lines(HEAD, *START) + noise):
        try:
            parse_result(data)
        except WireError:
            continue


@given(st.text("ab", max_size=200), st.text("ab", max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_patches_give_the_text_back(start: str, end: str, one: str, two: str) -> None:
    old, new = start + one + end, start + two + end
    rows = lines(HEAD, ["I", 0], ["C", "p.py", "f", 1, 1, []], ["F", 1, 0, 0, 0], ["c", 1, 1, {"x": old}])
    rows += lines(["l", 1, 2, {"x": patch(old, new)}], ["l", 1, 3, {"x": patch(new, old)}])
    events = parse_result(rows).segments[0].events
    assert [event.set["x"] for event in events] == [old, new, old]


def _common(one: str, two: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


PIECES = st.lists(st.sampled_from(["ab", "abab" * 40, "b", "\u00e9", "'"]), max_size=8).map("".join)


@given(PIECES, PIECES, PIECES, PIECES)
@example("abab" * 40 + "ab\u00e9", "", "", "abab" * 40 + "ab")
def test_a_patch_leaves_out_all_that_is_common(start: str, end: str, one: str, two: str) -> None:
    old, new = start + one + end, start + two + end
    before = _common(old, new)
    room = min(len(old), len(new)) - before
    after = min(room, _common(old[::-1], new[::-1]))
    found = patch(old, new)
    grown = len(new) > len(old) and new.startswith(old[:-1])  # what stays is then said without the last character
    if isinstance(found, str):
        assert found == new
        assert min(len(old), len(new)) < SHORTEST_PATCHED or 2 * (before + after - grown) < len(new)
    elif grown:
        assert found[0] == len(old) - 1
    else:
        assert found == [before, after, new[before : len(new) - after]]


def test_a_patch_is_small() -> None:
    old = str(list(range(1000)))
    assert patch(old, old.replace(" 500,", " 501,")) == [2393, 2496, "1"]


def test_lines_nested_too_deep_are_no_wire() -> None:
    head = lines([*HEAD[:4], [[0, 2**47]]], ["I", 0])
    with pytest.raises(WireError, match="not JSON"):
        parse_result(head + b'["l",140000000000000,' + b"[" * 10**5 + b"\n")
