"""``from tracegen import trace``: a live call in this process."""

import statistics
import sys
from typing import Any

import pytest

from schemas.errors import UsageError
from tracegen import trace


def helper(items: list[int]) -> int:
    items.append(len(items))
    return items[-1]


def fails(n: int) -> int:
    return n // 0


def loops(n: int) -> int:
    total = 0
    for i in range(n):
        total += i
    return total


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def bump(self, by: int = 1) -> int:
        self.n += by
        return self.n


def test_a_function_with_its_callees() -> None:
    found = trace(lambda: helper([1, 2]))
    assert found.value == 2
    assert {code.name.rpartition(".")[2] for code in found.record.codes} == {"<lambda>", "helper"}
    assert found.record.events[-1].value == "2"
    assert "items.append(len(items))" in str(found)
    assert found.text("cwm").startswith("<|begin_of_text|>")


def test_methods_classes_and_keywords() -> None:
    counter = Counter()
    found = trace(counter.bump, by=3)
    assert (found.value, counter.n) == (3, 3)
    assert found.record.inputs == "Counter.bump(by=3)"
    assert trace(Counter).value.n == 0


def test_an_exception_is_kept() -> None:
    found = trace(fails, 3)
    assert isinstance(found.exception, ZeroDivisionError)
    assert found.record.outcome.label == "raised"
    assert found.record.events[-1].kind == "unwind"


def test_library_functions_with_source() -> None:
    found = trace(statistics.mean, [1, 2, 3])
    assert found.value == 2
    assert any(chunk.text.startswith("def mean(") for chunk in found.record.sources)


def test_recording_ends_at_the_limit_and_the_call_goes_on() -> None:
    found = trace(loops, 50_000)
    assert found.value == sum(range(50_000))
    assert found.record.outcome.label == "event_limit"
    assert len(found.record.events) == 20_000


def test_the_tracer_before_is_put_back() -> None:
    before = sys.gettrace()
    trace(loops, 1)
    assert sys.gettrace() is before


def test_no_source_is_refused() -> None:
    things: list[Any] = [len, [].append, int]
    for thing in things:
        with pytest.raises(UsageError, match="no Python source"):
            trace(thing)
