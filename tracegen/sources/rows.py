"""Plain rows -> jobs and failures: which form each row has, and what is the same for all forms.

=============  =======================================================================================================
form           told by the columns
=============  =======================================================================================================
``humaneval``  ``prompt``, ``test`` and ``entry_point`` (+ ``canonical_solution``, ``task_id``)
``contest``    ``solutions`` (+ ``incorrect_solutions``) beside tests
``code``       anything else: ``code`` + ``input`` or ``call``; ``code`` alone gives its doctests
=============  =======================================================================================================
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.job import JobKind, Provenance
from tracegen.sources.base import PlainRow, Planned, Rejected, RowForm, Rows
from tracegen.sources.code_rows import CodeRows, snippet
from tracegen.sources.columns import Columns
from tracegen.sources.contest import ContestRow
from tracegen.sources.doctest_jobs import ModuleDoctests
from tracegen.sources.humaneval import plan_humaneval
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_rows import checked_row, code_of, has_only_code, licence_of, row_id, text_of
from tracegen.sources.tree import SourceFile, TextTree

_IDS: dict[RowForm, tuple[str, ...]] = {
    "code": ("id",),
    "humaneval": ("id", "task_id"),
    "contest": ("id", "task_id", "name"),
}


class RowPlanner:
    """Plans one table."""

    def __init__(self, source: Rows, factory: JobFactory) -> None:
        self._source = source
        self._factory = factory
        self._columns = Columns(factory.settings.columns)
        self._code = CodeRows(factory)

    def plan(self) -> Iterator[Planned]:
        """Yield jobs and failures in the order of the rows."""
        self._factory.statistics.files += 1
        try:
            for row in self._source.rows():
                self._factory.statistics.rows += 1
                yield from self._row(row)
        except Rejected as rejected:
            yield from self._code.flush()
            name = Path(self._source.origin).name
            yield self._factory.failure(rejected, name, self._factory.provenance(self._source.origin))
        yield from self._code.flush()

    def _row(self, row: PlainRow) -> Iterator[Planned]:
        if isinstance(row.content, Rejected):
            yield from self._rejected(row.content, row, row.default_id)
            return
        try:
            for suffix, content in self._columns.rows(row.content):
                yield from self._part(row, content, suffix)
        except Rejected as rejected:
            yield from self._rejected(rejected, row, row.default_id)

    def _part(self, row: PlainRow, content: Mapping[str, object], suffix: str) -> Iterator[Planned]:
        source_id = f"{row.default_id}/{suffix}" if suffix else row.default_id
        try:
            form = self._factory.settings.form or form_of(content)
            source_id = row_id(content, source_id, _IDS[form])
            place = self._factory.provenance(self._source.origin, text_of(content, "path"), licence_of(content))
            if form == "code" and not has_only_code(content):
                yield from self._code.row(checked_row(content, source_id), place)
                return
            planned = self._planned(form, content, source_id, place)
        except Rejected as rejected:
            yield from self._rejected(rejected, row, source_id)
            return
        yield from self._code.flush()
        yield from planned

    def _planned(
        self, form: RowForm, content: Mapping[str, object], source_id: str, place: Provenance
    ) -> Iterator[Planned]:
        """Return what a row gives that is complete in itself. Raises ``Rejected`` before anything of it is planned."""
        if form == "humaneval":
            return iter(plan_humaneval(content, source_id, place, self._factory))
        if form == "contest":
            return ContestRow(content, source_id, place, self._factory).plan()
        return self._doctests(code_of(content), source_id, place)

    def _doctests(self, code: str, source_id: str, place: Provenance) -> Iterator[Planned]:
        """Plan the doctests of code that stands alone; without any, it is kept for made inputs."""
        statistics = self._factory.statistics
        module = snippet(code)
        source = SourceFile(module.name, Path(module.path), module.path, is_package=False)
        before = statistics.code_without_inputs
        found = False
        for item in ModuleDoctests(source, TextTree(module), source_id, place, self._factory).plan():
            found = True
            yield item
        if not found and statistics.code_without_inputs == before:
            statistics.rows_without_inputs += 1
            self._factory.without_inputs(source_id, module, (), place)

    def _rejected(self, rejected: Rejected, row: PlainRow, source_id: str) -> Iterator[Planned]:
        yield from self._code.flush()
        told = Rejected(rejected.reason, f"{row.place}: {rejected.detail}")
        place = self._factory.provenance(self._source.origin)
        kind: JobKind = "program" if self._factory.settings.form == "contest" else "function"
        yield self._factory.failure(told, source_id, place, kind=kind)


def form_of(content: Mapping[str, object]) -> RowForm:
    """Return the form that a row's columns tell; null counts as absent."""
    given = {name for name, value in content.items() if value is not None}
    if {"prompt", "test", "entry_point"} <= given:
        return "humaneval"
    return "contest" if given & {"solutions", "incorrect_solutions"} and "code" not in given else "code"
