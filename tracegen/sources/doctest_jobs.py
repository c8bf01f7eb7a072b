"""Modules -> one job per docstring with examples."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from schemas.failure import Failure
from schemas.job import Provenance, SourceModule, TraceInput
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.conventions import Conventions, Defined, with_imports
from tracegen.sources.doctest_text import Definition, definitions, examples
from tracegen.sources.imports import imported_names
from tracegen.sources.jobs import JobFactory
from tracegen.sources.python_source import has_surrogates, newer_than_here, parse
from tracegen.sources.tree import SourceFile


class Modules(Protocol):
    """What gives modules their texts: a tree on disk, or a text at hand."""

    def load(self, source: SourceFile) -> SourceModule:
        """Return the module. Raises ``Rejected`` (``unreadable_source``)."""
        ...

    def support(
        self, source: SourceFile, text: str, extra: frozenset[str] = frozenset()
    ) -> tuple[tuple[SourceModule, ...], tuple[str, ...]]:
        """Return what travels with the module, and its optional C twins. Raises ``Rejected`` (``import_error``)."""
        ...


@dataclass(slots=True, frozen=True)
class _Docstring:
    entry: str
    source_id: str
    text: str
    sources: tuple[str, ...]
    """The source of each example."""


@dataclass(slots=True, frozen=True)
class ModuleDoctests:
    """One module's doctests. ``label`` is what the ids of its docstrings start with."""

    source: SourceFile
    tree: Modules
    label: str
    provenance: Provenance
    factory: JobFactory
    trace_packages: tuple[str, ...] = ()
    """Traced as own code beside what travels with the module."""
    conventions: Conventions | None = None
    """What names mean that the docstrings take for granted."""

    def plan(self) -> Iterator[Planned]:
        """Yield a job per docstring with examples, and a failure for each that cannot be planned."""
        try:
            module = self.tree.load(self.source)
            syntax = self._parsed(module.text)
        except Rejected as rejected:
            yield self.factory.failure(rejected, self.label, self.provenance, kind="doctest")
            return
        found = [(definition, _example_sources(definition)) for definition in definitions(syntax)]
        docstrings = list(self._docstrings(found, Defined.by(syntax)))
        yield from (item for item in docstrings if isinstance(item, Failure))
        wanted = [item for item in docstrings if isinstance(item, _Docstring)]
        if wanted:
            yield from self._jobs(module, wanted)
        unused = [definition.name for definition, sources in found if definition.is_function and not sources]
        if unused:
            self.factory.without_inputs(self.label, module, unused, self.provenance)

    def _docstrings(
        self, found: list[tuple[Definition, tuple[str, ...] | Rejected]], defined: Defined
    ) -> Iterator[_Docstring | Failure]:
        """Yield the docstrings that hold examples; those that share a name are told apart by ``#1``, ``#2`` ..."""
        statistics = self.factory.statistics
        for definition, sources in found:
            statistics.functions += definition.is_function
            statistics.functions_without_inputs += definition.is_function and not sources
        with_examples = [(definition, sources) for definition, sources in found if sources]
        shared = Counter(definition.name for definition, _ in with_examples)
        met: Counter[str] = Counter()
        for definition, sources in with_examples:
            met[definition.name] += 1
            number = f"#{met[definition.name]}" if shared[definition.name] > 1 else ""
            source_id = f"{self.label}:{definition.name}{number}" if definition.name else f"{self.label}{number}"
            text = definition.docstring or ""
            if isinstance(sources, Rejected):
                yield self._failure(sources, source_id, definition.name, text)
            else:
                statistics.doctests += 1
                imports = self._assumed(text, sources, defined)
                yield _Docstring(definition.name, source_id, with_imports(text, imports), (*imports, *sources))

    def _assumed(self, text: str, sources: tuple[str, ...], defined: Defined) -> list[str]:
        if self.conventions is None or "NameError" in text:  # some show what happens without a name
            return []
        return self.conventions.imports(sources, defined, self.source)

    def _jobs(self, module: SourceModule, docstrings: list[_Docstring]) -> Iterator[Planned]:
        imported = frozenset(name for item in docstrings for name in _imported_by(item.sources))
        try:
            support, twins = self.tree.support(self.source, module.text, imported)
        except Rejected as rejected:
            yield from (self._failure(rejected, item.source_id, item.entry, item.text) for item in docstrings)
            return
        blocked = twins if self.factory.settings.pure else ()
        for item in docstrings:
            inputs = [TraceInput(source_id=item.source_id, text=item.text)]
            yield self.factory.job(
                "doctest",
                item.entry,
                module,
                inputs,
                self.provenance,
                support=support,
                blocked_modules=blocked,
                trace_packages=self.trace_packages,
            )

    def _failure(self, rejected: Rejected, source_id: str, entry: str, text: str) -> Failure:
        return self.factory.failure(rejected, source_id, self.provenance, kind="doctest", entry=entry, inputs=text)

    def _parsed(self, text: str) -> ast.Module:
        try:
            return parse(text)
        except Rejected as rejected:
            if not newer_than_here(self.factory.settings.python):
                raise
            hint = f"{rejected.detail}; doctests are found with the Python that runs tracegen: use a newer one"
            raise Rejected(rejected.reason, hint) from rejected


def _example_sources(definition: Definition) -> tuple[str, ...] | Rejected:
    """Return the source of each example; empty if there is none, the error if they cannot be used."""
    text = definition.docstring
    if text is None or ">>>" not in text:
        return ()
    try:
        found = tuple(example.source for example in examples(text))
    except Rejected as rejected:
        return rejected
    if found and (has_surrogates(text) or has_surrogates(definition.name)):
        return Rejected("bad_input", "the docstring holds lone surrogates, which are not text; make it a raw string")
    return found


def _imported_by(sources: Iterable[str]) -> Iterator[str]:
    for source in sources:
        try:
            yield from imported_names(parse(source), package="")
        except Rejected:
            # An example may be wrong on purpose; it raises when it runs, and the doctest expects that.
            continue
