"""The contest form: whole programs, several solutions per problem, right and wrong, against tests of stdin and stdout.

Reads what CodeContests and APPS style tables have. A solution is one job; each of its tests an input with the id
``PROBLEM/solution-3(wrong)/test-2``, where the label is the data set's own. The verdict of each test is recorded.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.job import Provenance, TraceInput
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.code_rows import INPUTS_PER_JOB, snippet
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_rows import checked_text, kind_of
from tracegen.sources.scopes import readable_names

_SOLUTIONS: Final = (("solutions", "right"), ("incorrect_solutions", "wrong"))
_TESTS: Final = ("public_tests", "private_tests", "generated_tests")
_CODE: Final = ("solution", "code", "source")
_LANGUAGE: Final = ("language", "lang")
_CORRECT: Final = ("correct", "is_correct", "passed")
_PYTHON_NUMBERS: Final = frozenset({1, 3})
"""CodeContests: 0 unknown, 1 Python 2, 2 C++, 3 Python 3, 4 Java."""


@dataclass(slots=True, frozen=True)
class Solution:
    """One program and what the data set says of it."""

    code: str
    label: str
    """``right`` or ``wrong``."""


class ContestRow:
    """One problem. Raises ``Rejected`` (``bad_row``) if it has none of the known forms."""

    def __init__(self, content: Mapping[str, object], source_id: str, place: Provenance, factory: JobFactory) -> None:
        self._source_id = source_id
        self._place = place
        self._factory = factory
        self._tests = tests_of(content)
        self._solutions = list(self._python_solutions(content))

    def _python_solutions(self, content: Mapping[str, object]) -> Iterator[Solution]:
        for column, label in _SOLUTIONS:
            for entry in _entries(_decoded(content.get(column), column), column):
                if _is_python(_first(entry, _LANGUAGE)):
                    yield _solution(entry, column, label)
                else:
                    self._factory.statistics.skipped["solution_in_other_language"] += 1

    def plan(self) -> Iterator[Planned]:
        """Yield a job per solution, several if it has many tests, and a failure for each that does not parse."""
        for number, solution in enumerate(self._solutions):
            yield from self._solution(f"{self._source_id}/solution-{number}({solution.label})", solution)

    def _solution(self, name: str, solution: Solution) -> Iterator[Planned]:
        try:
            readable_names(solution.code, self._factory.settings.python)
        except Rejected as rejected:
            yield self._factory.failure(rejected, name, self._place, kind="program")
            return
        module = snippet(solution.code)
        if not self._tests:
            self._factory.statistics.rows_without_inputs += 1
            self._factory.without_inputs(name, module, (), self._place)
        inputs = [
            TraceInput(source_id=f"{name}/test-{number}", text=given, expected=expected)
            for number, (given, expected) in enumerate(self._tests)
        ]
        for start in range(0, len(inputs), INPUTS_PER_JOB):
            yield self._factory.job("program", "", module, inputs[start : start + INPUTS_PER_JOB], self._place)


def tests_of(content: Mapping[str, object]) -> list[tuple[str, str | None]]:
    """Return stdin and right stdout of every test: those of the row itself, then public, private, generated ones.

    Raises ``Rejected`` (``bad_row``).
    """
    tests: list[tuple[str, str | None]] = []
    if content.get("inputs") is not None:
        tests += _pairs(content["inputs"], content.get("outputs"), "inputs")
    for column in ("input_output", *_TESTS):
        value = _decoded(content.get(column), column)
        if isinstance(value, Mapping):
            if value.get("fn_name"):
                raise Rejected("bad_row", f"column `{column}` tests a function (`fn_name`), not a whole program")
            given, right = _first(value, ("inputs", "input")), _first(value, ("outputs", "output"))
            tests += _pairs(given if given is not None else [], right, column)
        elif isinstance(value, list):
            for entry in value:
                if not isinstance(entry, Mapping):
                    raise Rejected("bad_row", f"column `{column}` holds {kind_of(entry)}; allowed: input and output")
                tests += _pairs([entry.get("input")], [entry.get("output")], column)
        elif value is not None:
            raise Rejected("bad_row", f"column `{column}` holds {kind_of(value)}; allowed: lists of inputs and outputs")
    return tests


def _pairs(given: object, right: object, column: str) -> list[tuple[str, str | None]]:
    if not isinstance(given, list) or not (right is None or isinstance(right, list)):
        raise Rejected("bad_row", f"column `{column}` has no lists of inputs and outputs")
    if right is not None and len(right) != len(given):
        raise Rejected("bad_row", f"column `{column}` has {len(given)} inputs and {len(right)} outputs")
    outputs = right if right is not None else [None] * len(given)
    return [
        (_lines(one, column), None if other is None else _lines(other, column))
        for one, other in zip(given, outputs, strict=True)
    ]


def _lines(value: object, column: str) -> str:
    """Return a test's text; some tables keep it as a list of lines."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise Rejected("bad_row", f"column `{column}` holds {kind_of(value)}; allowed: the text of a standard stream")
    return checked_text(column, value)


def _decoded(value: object, column: str) -> object:
    """Return the value of a column that may be stored as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError) as error:
        raise Rejected("bad_row", f"column `{column}` is text but not JSON: {error}") from error


def _entries(value: object, column: str) -> list[Mapping[str, object]]:
    """Return a column of solutions as one mapping each: from texts, structs, or a struct of lists."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        lists = {name: part for name, part in value.items() if isinstance(part, list)}
        if len({len(part) for part in lists.values()}) > 1:
            raise Rejected("bad_row", f"column `{column}` has lists of different lengths")
        return [dict(zip(lists, parts, strict=True)) for parts in zip(*lists.values(), strict=True)]
    if not isinstance(value, list):
        raise Rejected("bad_row", f"column `{column}` holds {kind_of(value)}; allowed: a list of programs")
    return [entry if isinstance(entry, Mapping) else {"solution": entry} for entry in value]


def _solution(entry: Mapping[str, object], column: str, label: str) -> Solution:
    code = _first(entry, _CODE)
    if not isinstance(code, str):
        raise Rejected("bad_row", f"column `{column}` holds {kind_of(code)}; allowed: the text of a program")
    correct = _first(entry, _CORRECT)
    if isinstance(correct, bool):
        label = "right" if correct else "wrong"
    return Solution(checked_text(column, code), label)


def _is_python(language: object) -> bool:
    """Tell whether a language is Python, of any version; one that is not named is taken for it."""
    if isinstance(language, str):
        return language.strip().lower().startswith(("py", "cpython"))
    return language is None or language in _PYTHON_NUMBERS


def _first(entry: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((entry[name] for name in names if entry.get(name) is not None), None)
