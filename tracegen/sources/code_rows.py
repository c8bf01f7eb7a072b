"""Rows of ``code`` + ``input`` (or ``call``); adjacent rows of the same code become one job."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.failure import Failure
from schemas.job import Provenance, SourceModule, TraceInput
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.calls import PlannedCall, call_expression, call_with_arguments, unknown_name
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_rows import Row
from tracegen.sources.python_source import newer_than_here
from tracegen.sources.scopes import ModuleNames, readable_names

INPUTS_PER_JOB: Final = 100

MODULE_NAME: Final = "snippet"
"""Every row's module has the same name: equal code is the same job, whichever file it stands in."""


def snippet(code: str) -> SourceModule:
    """Return a row's code as a module."""
    return SourceModule(name=MODULE_NAME, path=f"{MODULE_NAME}.py", text=code)


@dataclass(slots=True)
class _Batch:
    """Inputs of one function that wait for more of them."""

    code: str = ""
    entry: str = ""
    provenance: Provenance | None = None
    inputs: list[TraceInput] = field(default_factory=list)

    def key(self) -> tuple[str, str, Provenance | None]:
        """Return what the inputs have in common."""
        return self.code, self.entry, self.provenance


class CodeRows:
    """Plans the calls of rows, one row after the other."""

    def __init__(self, factory: JobFactory) -> None:
        self._factory = factory
        self._batch = _Batch()
        self._names: tuple[str, ModuleNames | Rejected] | None = None

    def row(self, row: Row, provenance: Provenance) -> Iterator[Planned]:
        """Yield what is complete with this row, in the order of the rows; its own inputs may wait for more."""
        for index in range(len(row.arguments)):
            yield from self._input(row, index, provenance)

    def flush(self) -> Iterator[Planned]:
        """Yield the job that waits."""
        batch, self._batch = self._batch, _Batch()
        if batch.provenance is not None:
            yield self._factory.job("function", batch.entry, snippet(batch.code), batch.inputs, batch.provenance)

    def _input(self, row: Row, index: int, provenance: Provenance) -> Iterator[Planned]:
        try:
            call = self._call(row, row.arguments[index])
        except Rejected as rejected:
            yield from self.flush()
            yield self._failure(rejected, row, index, provenance)
            return
        batch = self._batch
        if batch.key() != (row.code, call.entry, provenance) or len(batch.inputs) == INPUTS_PER_JOB:
            yield from self.flush()
        batch = self._batch
        batch.code, batch.entry, batch.provenance = row.code, call.entry, provenance
        expected = row.expected[index]
        batch.inputs.append(TraceInput(source_id=row.input_id(index), text=call.text, expected=expected))

    def _failure(self, rejected: Rejected, row: Row, index: int, provenance: Provenance) -> Failure:
        return self._factory.failure(
            rejected,
            row.input_id(index),
            provenance,
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
