"""Addresses in what a run told: named, in order, and nothing else is taken for one."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import make_doctest, make_job, run_row, small_limits

from sandboxes.api import Pool
from schemas.trace_record import TraceRecord
from tracegen import trace
from tracegen.addresses import Addresses, without_addresses
from tracegen.guest.regions import regions
from tracegen.guest.wire import encode, patch
from tracegen.runner import TraceRunner

REGION = (0x7F00_0000_0000, 0x7F10_0000_0000)
addresses_in = st.integers(0, 2**32 - 1).map(lambda number: REGION[0] + 16 * number)

SOURCE = """
import copy, threading

class Point:
    def __init__(self, x):
        self.x = x

def f():
    point = Point(1)
    key = id(point), threading.get_ident()
    same = id(point) == key[0]
    text = "%x and %d" % (id(point), id(point))
    spelled = hex(id(point))
    other = id(Point)
    number = 123456789012345
    seen = {id(point): point}
    print(id(point))
    return id(point)

def deep():
    memo = {}
    found = copy.deepcopy([Point(1), Point(2)], memo)
    return sorted(memo) == sorted(memo, key=int)
"""


def names(row: object) -> dict[str, str]:
    assert isinstance(row, TraceRecord)
    return {name: text for event in row.events for name, text in event.set.items()}


def test_ids_are_named_and_verified(primary: Pool, secondary: Pool) -> None:
    row, deep = TraceRunner(primary, secondary, "full").run(make_job(SOURCE, "f()", "deep()", limits=small_limits()))
    assert isinstance(row, TraceRecord)
    told = names(row)
    assert row.determinism.label == "verified", row.determinism
    assert (told["key"], told["spelled"], told["seen"], told["text"]) == (
        "(<id 1>, <id 2>)",
        "'<id 1>'",
        "{<id 1>: <Point x=1>}",
        "'<id 1> and <id 1>'",
    )
    assert (told["other"], told["number"], told["same"]) == ("<id 3>", "123456789012345", "True")
    assert (row.events[-1].value, row.stdout.text) == ("<id 1>", "<id 1>\n")
    assert isinstance(deep, TraceRecord)
    assert deep.determinism.label == "verified", deep.determinism
    assert re.fullmatch(r"\{<id 1>: .*", names(deep)["memo"])


def test_what_a_doctest_prints_is_named_too(primary: Pool) -> None:
    row = run_row(
        primary, make_doctest(SOURCE, ">>> p = Point(1); id(p)\n5\n>>> hex(id(p))", "f", limits=small_limits())
    )
    assert isinstance(row, TraceRecord)
    assert [one.got for one in row.expected] == ["<id 1>\n", "'<id 1>'\n"]


def test_a_trace_in_this_process_has_none_either() -> None:
    def f(x: object) -> int:
        return id(x)

    assert trace(f, object()).record.events[-1].value == "<id 1>"


def test_objects_and_threads_lie_in_the_regions() -> None:
    import threading

    told = Addresses([(first, end) for first, end in regions()])
    for number in (id(object()), id("text" * 1000), id(bytearray(2**24)), threading.get_ident()):
        assert re.fullmatch(r"<id \d+>", told.text(str(number))), (number, regions())


@given(st.lists(addresses_in, min_size=1, max_size=8), st.sampled_from(["%d", "x_%d", "(%d,", "'%#x'", "-%d", "k%d."]))
def test_equal_ones_stay_equal_and_order_counts(numbers: list[int], form: str) -> None:
    order = list(dict.fromkeys(numbers))
    told = Addresses([REGION]).text(" ".join(form % number for number in numbers))
    frame = re.escape(form).replace("%d", r"<id (\d+)>").replace("%\\#x", r"<id (\d+)>")
    assert [int(one) for one in re.findall(frame.replace("%#x", r"<id (\d+)>"), told)] == [
        order.index(number) + 1 for number in numbers
    ]


@given(st.lists(addresses_in, min_size=2, max_size=5, unique=True), st.sampled_from(["{%s}", "{1, 2, %s}", "f({%s})"]))
def test_sets_are_in_order_of_their_names(numbers: list[int], form: str) -> None:
    told = Addresses([REGION])
    told.text(" ".join(map(str, numbers)))
    names = ", ".join(f"<id {number}>" for number in range(1, len(numbers) + 1))
    assert told.text(form % ", ".join(map(str, sorted(numbers)))) == form % names
    assert told.text(f"[{numbers[1]}, {numbers[0]}]") == "[<id 2>, <id 1>]"


@pytest.mark.parametrize(
    "text",
    [
        f"{REGION[0] + 8}",
        f"{REGION[1]}",
        f"{REGION[0] - 16}",
        f"0.{REGION[0]}",
        f"{REGION[0]}.5",
        f"1{REGION[0]}",
        f"{REGION[0]}0",
        f"0x1{REGION[0]:x}",
        f"{REGION[0]:x}ab",
        f"{REGION[1]:x}",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert Addresses([REGION]).text(text) == text


@given(st.lists(st.tuples(addresses_in, st.text(alphabet="ab", min_size=60, max_size=90)), min_size=1, max_size=6))
def test_patches_that_cut_an_address_are_resolved(steps: list[tuple[int, str]]) -> None:
    texts = [f"({number}, '{word}')" for number, word in steps]
    olds = ["", *texts]
    rows = [["l", 1, 2, {"x": patch(old, new)}] for old, new in zip(olds, texts, strict=False)]
    lines = [encode(*row)[:-1] for row in rows]
    told = Addresses([REGION])
    assert [json.loads(line)[3]["x"] for line in without_addresses(lines, [REGION])] == [
        told.text(one) for one in texts
    ]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_what_is_no_line_stays(lines: list[bytes]) -> None:
    suspects = [b'["l",1,2,{"x":[0,0,3]},%d' % REGION[0], *lines]
    assert without_addresses(suspects, [REGION]) == suspects


def test_sources_and_what_was_wanted_stay() -> None:
    number = REGION[0]
    source = encode("S", "p.py", 1, f"x = {number}")[:-1]
    end = encode(
        "E",
        "returned",
        None,
        f"{number}",
        [[f"{number}", f"{number}", f"{number}", True]],
        ["", 0, False],
        ["", 0, False],
    )
    first, last = without_addresses([source, end[:-1]], [REGION])
    assert first == source
    assert json.loads(last)[3:5] == ["<id 1>", [[f"{number}", f"{number}", "<id 1>", True]]]
