"""Sources, by their spelling, -> jobs and failures.

======================  ==============================================================================================
spelling                what is planned
======================  ==============================================================================================
``FILE.jsonl``, ``.gz`` rows, in the forms of ``tracegen.sources.rows``: their calls, tests and doctests
a table                 the same of Parquet and Arrow files, which the caller opens: ``open_rows``
``FILE.py``             the doctests of the file
``FILE.py 'CALL' ...``  the calls instead, evaluated in the file's module: ``geometry.py 'Point(1, 2).norm()'``
``FOLDER``              the doctests of every ``.py`` file below it
``module:NAME``         the doctests of an installed module, of a package with all its submodules: ``module:json``
``package:NAME==V``     the doctests of a package that the caller has installed in the image
======================  ==============================================================================================

An existing path wins over the other readings. Nothing is executed or imported here.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Final

from schemas.errors import UsageError
from schemas.job import TraceInput, TraceJob
from tracegen.sources.base import Keep, OpenRows, Planned, PlanSettings, PlanStatistics, Rejected
from tracegen.sources.calls import call_expression, has_call, near
from tracegen.sources.conventions import Conventions
from tracegen.sources.doctest_jobs import ModuleDoctests
from tracegen.sources.installed import PACKAGE_PREFIX, PREFIX, plan_module, plan_package
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_lines import SUFFIXES, JsonLines
from tracegen.sources.rows import RowPlanner
from tracegen.sources.scopes import readable_names
from tracegen.sources.tree import SourceTree, import_root

ALLOWED: Final = (
    "allowed: FILE.jsonl (rows of code + input), a Parquet or Arrow table, FILE.py or FOLDER (doctests), "
    "FILE.py 'CALL' (a call expression), module:NAME (doctests of an installed module), package:NAME==VERSION"
)

_Part = tuple[str, Iterator[Planned]]


def no_tables(source: str) -> None:
    """Open no source: plans without ``pipelines`` read JSON lines, not tables."""


def plan_sources(
    sources: Sequence[str],
    settings: PlanSettings,
    statistics: PlanStatistics | None = None,
    *,
    open_rows: OpenRows = no_tables,
    keep: Keep | None = None,
) -> Iterator[Planned]:
    """Stream the jobs and failures of all sources; ``statistics`` grows meanwhile, ``keep`` takes what has no inputs.

    ``open_rows`` is asked first, of every source. Raises ``UsageError`` at once for a source that does not exist or is
    of no known kind, and at the end if there was nothing to trace in any of them. Everything else that cannot be
    planned is a ``Failure`` among the items.
    """
    if not sources:
        raise UsageError(f"no source was given; {ALLOWED}")
    # An empty ``statistics`` is given to be filled.
    factory = JobFactory(settings, PlanStatistics() if statistics is None else statistics, keep)
    return _stream(_parts(sources, factory, open_rows), factory.statistics)


def plan_call(path: Path, call: str, settings: PlanSettings) -> TraceJob:
    """Plan one call expression, evaluated in the module that the file is.

    Raises ``UsageError`` for a missing file, a syntax error in it, and a call of what it does not define.
    """
    return _called(path, str(path), call, JobFactory(settings, PlanStatistics()))


def _stream(parts: list[_Part], statistics: PlanStatistics) -> Iterator[Planned]:
    for origin, items in parts:
        found = False
        for item in items:
            found = True
            yield item
        if not found:
            statistics.sources_without_inputs.append(origin)
    if len(statistics.sources_without_inputs) == len(parts) and not statistics.rows:
        raise UsageError(
            f"nothing to trace in {', '.join(statistics.sources_without_inputs)}: looked for docstrings with examples "
            f"(`>>> `) and JSON rows, found {statistics.functions} functions without either in {statistics.files} "
            f"files; say what to call: FILE.py 'function(arguments)'"
        )


def _parts(sources: Sequence[str], factory: JobFactory, open_rows: OpenRows) -> list[_Part]:
    grouped: list[tuple[str, list[str]]] = []
    for source in sources:
        if not _is_call(source):
            grouped.append((source, []))
        elif grouped and _is_python_file(grouped[-1][0]):
            grouped[-1][1].append(source)
        else:
            raise UsageError(f"the call {shorten(source, 80)!r} needs a file of Python source before it; {ALLOWED}")
    return [(source, _items(source, calls, factory, open_rows)) for source, calls in grouped]


def _items(source: str, calls: list[str], factory: JobFactory, open_rows: OpenRows) -> Iterator[Planned]:
    table = None if calls else open_rows(source)
    if table is not None:
        return RowPlanner(table, factory).plan()
    if source.startswith(PACKAGE_PREFIX) and not _exists(source):
        return plan_package(source, factory)
    if source.startswith(PREFIX) and not _exists(source):
        return plan_module(source, factory)
    path = Path(source)
    if not _exists(source):
        raise _missing(source)
    if path.is_dir():
        return _folder(path.resolve(), source, factory)
    if calls:
        factory.statistics.files += 1
        return iter([_called(path, source, call, factory) for call in calls])
    if path.suffix == ".py":
        return _file(path.resolve(), source, factory)
    if path.name.endswith(SUFFIXES):
        return RowPlanner(JsonLines(path, source), factory).plan()
    raise UsageError(f"{source!r} is of no known kind; {ALLOWED}")


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        # A call expression may be longer than any file name.
        return False


def _is_call(source: str) -> bool:
    return not source.startswith((PREFIX, PACKAGE_PREFIX)) and not _exists(source) and has_call(source)


def _is_python_file(source: str) -> bool:
    return source.endswith(".py") and not source.startswith(PREFIX)


def _missing(source: str) -> UsageError:
    path = Path(source)
    if not path.name.endswith((".py", *SUFFIXES)) and len(path.parts) == 1:
        return UsageError(f"{source!r} is neither a file nor a folder nor a call; {ALLOWED}")
    folder = path.parent
    names = [str(folder / one.name) for one in folder.iterdir()] if folder.is_dir() else []
    return UsageError(f"no such file or folder: {source!r}{near(source, names)}")


def _file(path: Path, origin: str, factory: JobFactory) -> Iterator[Planned]:
    tree = SourceTree(import_root(path), foreign=sys.stdlib_module_names)
    return _doctests(tree, Conventions(tree), path, origin, factory)


def _folder(folder: Path, origin: str, factory: JobFactory) -> Iterator[Planned]:
    # A folder within a package is named, and its files with it, from above that package.
    tree = SourceTree(import_root(folder / "__init__.py"), foreign=sys.stdlib_module_names)
    conventions = Conventions(tree)
    for path in tree.walk(folder):
        yield from _doctests(tree, conventions, path, origin, factory)


def _doctests(
    tree: SourceTree, conventions: Conventions, path: Path, origin: str, factory: JobFactory
) -> Iterator[Planned]:
    factory.statistics.files += 1
    source = tree.file_at(path)
    place = factory.provenance(origin, source.path)
    return ModuleDoctests(source, tree, source.path, place, factory, conventions=conventions).plan()


def _called(path: Path, origin: str, call: str, factory: JobFactory) -> TraceJob:
    if not path.is_file():
        raise _missing(origin)
    tree = SourceTree(import_root(path.resolve()), foreign=sys.stdlib_module_names)
    source = tree.file_at(path.resolve())
    try:
        module = tree.load(source)
        planned = call_expression(call, readable_names(module.text, factory.settings.python))
        support, twins = tree.support(source, module.text)
    except Rejected as rejected:
        raise UsageError(f"{origin}: {rejected.detail}") from rejected
    return factory.job(
        "function",
        planned.entry,
        module,
        [TraceInput(source_id=f"{source.path}:{call}", text=planned.text)],
        factory.provenance(origin, source.path),
        support=support,
        blocked_modules=twins if factory.settings.pure else (),
    )
