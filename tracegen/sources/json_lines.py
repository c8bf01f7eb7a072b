"""JSON lines of ``code`` + ``input`` (or ``call``), read row by row; adjacent rows of the same code become one job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.failure import Failure
from schemas.job import Provenance, SourceModule, TraceInput
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.calls import PlannedCall, call_expression, call_with_arguments, unknown_name
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_rows import Row, checked_row, lines_of, row_content, row_id
from tracegen.sources.python_source import newer_than_here
from tracegen.sources.scopes import ModuleNames, readable_names

INPUTS_PER_JOB: Final = 100

MODULE_NAME: Final = "snippet"
"""Every row's module has the same name: equal code is the same job, whichever file it stands in."""


@dataclass(slots=True)
class _Batch:
    """Inputs of one function that wait for more of them."""

    code: str = ""
    entry: str = ""
    inputs: list[TraceInput] = field(default_factory=list)


class JsonLines:
    """One file. ``origin`` is its name as the user gave it."""

    def __init__(self, path: Path, origin: str, factory: JobFactory) -> None:
        self._path = path
        self._factory = factory
        self._provenance: Provenance = factory.provenance(origin)
        self._batch = _Batch()
        self._names: tuple[str, ModuleNames | Rejected] | None = None

    def plan(self) -> Iterator[Planned]:
        """Yield jobs and failures in the order of the rows."""
        self._factory.statistics.files += 1
        try:
            with self._path.open("rb") as file:
                for number, line in lines_of(file):
                    yield from self._row(number, line)
        except OSError as error:
            rejected = Rejected("unreadable_source", f"reading stopped: {error}")
            yield self._factory.failure(rejected, self._path.name, self._provenance)
        yield from self._flush()

    def _row(self, number: int, line: bytes | None) -> Iterator[Planned]:
        self._factory.statistics.rows += 1
        source_id = f"{self._path.name}#{number}"
        try:
            content = row_content(line)
            source_id = row_id(content, source_id)
            row = checked_row(content, source_id)
        except Rejected as error:
            rejected = Rejected(error.reason, f"line {number}: {error.detail}")
            yield from self._flush()
            yield self._factory.failure(rejected, source_id, self._provenance, kind="function")
            return
        for index in range(len(row.arguments)):
            yield from self._input(row, index)

    def _input(self, row: Row, index: int) -> Iterator[Planned]:
        try:
            call = self._call(row, row.arguments[index])
        except Rejected as rejected:
            yield from self._flush()
            yield self._failure(rejected, row, index)
            return
        batch = self._batch
        if (batch.code, batch.entry) != (row.code, call.entry) or len(batch.inputs) == INPUTS_PER_JOB:
            yield from self._flush()
        self._batch.code, self._batch.entry = row.code, call.entry
        expected = row.expected[index]
        self._batch.inputs.append(TraceInput(source_id=row.input_id(index), text=call.text, expected=expected))

    def _flush(self) -> Iterator[Planned]:
        batch, self._batch = self._batch, _Batch()
        if batch.inputs:
            module = SourceModule(name=MODULE_NAME, path=f"{MODULE_NAME}.py", text=batch.code)
            yield self._factory.job("function", batch.entry, module, batch.inputs, self._provenance)

    def _failure(self, rejected: Rejected, row: Row, index: int) -> Failure:
        return self._factory.failure(
            rejected,
            row.input_id(index),
            self._provenance,
            kind="function",
            entry=row.entry_point,
            inputs=row.arguments[index],
        )

    def _call(self, row: Row, arguments: str) -> PlannedCall:
        names = self._names_of(row.code)
        entry = row.entry_point
        try:
            if row.is_call:
                call = call_expression(arguments, names)
                return PlannedCall(entry=_checked_entry(entry, names) if entry else call.entry, text=call.text)
            entry = _checked_entry(entry, names) if entry else _default_entry(names)
            return call_with_arguments(entry, arguments, names)
        except Rejected as rejected:
            if rejected.reason != "bad_input" or not entry or not newer_than_here(self._factory.settings.python):
                raise
            # The sandbox's newer Python may know the syntax; it says so if it does not.
            return PlannedCall(entry=entry, text=arguments if row.is_call else f"{entry}({arguments})")

    def _names_of(self, code: str) -> ModuleNames:
        if self._names is None or self._names[0] != code:
            try:
                self._names = (code, readable_names(code, self._factory.settings.python))
            except Rejected as rejected:
                self._names = (code, rejected)
        names = self._names[1]
        if isinstance(names, Rejected):
            raise names
        return names


def _default_entry(names: ModuleNames) -> str:
    if "f" in names.bound:
        return "f"
    functions = list(names.functions)
    if not functions:
        raise Rejected("unknown_entry", "the code defines no function; name what to call in column `call`")
    if len(functions) > 1:
        choices = ", ".join(functions)
        raise Rejected("ambiguous_entry", f"the code defines {choices}; name one in column `entry_point`")
    return functions[0]


def _checked_entry(entry: str, names: ModuleNames) -> str:
    first = entry.partition(".")[0]
    if not all(part.isidentifier() for part in entry.split(".")):
        raise Rejected("unknown_entry", f"{entry!r} is not a dotted name; write whole expressions in column `call`")
    if not names.has(first):
        raise unknown_name(first, names)
    return entry
