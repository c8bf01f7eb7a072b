"""Names that a package's docstrings take for granted, and the imports that its own text binds them with.

Documentation of pandas writes ``pd``, of music21 ``stream``, and says once, somewhere else, where they come from; their
own test runs put them there (``doctest_namespace`` of pytest). Without them such examples only raise ``NameError``.
"""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tracegen.sources.base import Rejected
from tracegen.sources.imports import import_base
from tracegen.sources.python_source import parse
from tracegen.sources.scopes import bound_by, module_names, statements
from tracegen.sources.tree import SourceFile, SourceTree

MARK: Final = "# taken for granted"
"""Ends each line that ``with_imports`` puts before a docstring."""

_IMPORT: Final = re.compile(r"^[ \t]*(>>>|\.\.\.)?[ \t]*((?:import|from)[ \t]+[\w.].*)$", re.MULTILINE)
_Votes = dict[str, Counter[str]]


@dataclass(slots=True, frozen=True)
class Defined:
    """What a module's docstrings find without any help."""

    names: frozenset[str]
    has_star: bool
    """Whether a star import may bring more."""

    @classmethod
    def by(cls, module: ast.Module) -> "Defined":
        """Return what a module defines, as far as its text tells."""
        stars = (one for one, _ in statements(module.body) if isinstance(one, ast.ImportFrom))
        return cls(frozenset(module_names(module).bound), any(one.names[0].name == "*" for one in stars))


class Conventions:
    """What the names mean that docstrings of a tree's packages do not define; each package is read once, when asked."""

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._votes: dict[Path, tuple[_Votes, _Votes]] = {}

    def imports(self, examples: Iterable[str], defined: Defined, source: SourceFile) -> list[str]:
        """Return an import for each name that the examples take for granted and the package tells, sorted by name.

        Of several imports that bind a name the most frequent counts: in examples of the package, else in its code. Last
        come the package's own name and its submodules. A name that may come out of the module's star import is only
        taken from examples.
        """
        found = [self._import(name, defined, source) for name in sorted(free_names(examples) - defined.names)]
        return [one for one in found if one]

    def _import(self, name: str, defined: Defined, source: SourceFile) -> str:
        place = self._tree.package_place(source)
        if place not in self._votes:
            self._votes[place] = self._read(place)
        shown, coded = self._votes[place]
        for votes in (shown, {} if defined.has_star else coded):
            if name in votes:
                return min(votes[name].items(), key=lambda item: (-item[1], item[0]))[0]
        top = source.name.partition(".")[0]
        if name == top:
            return f"import {name}"
        if not defined.has_star and self._tree.find(f"{top}.{name}", source) is not None:
            return f"from {top} import {name}"
        return ""

    def _read(self, place: Path) -> tuple[_Votes, _Votes]:
        """Return the imports of the package's examples and of its code, by the names that they bind."""
        shown: _Votes = {}
        coded: _Votes = {}
        for file in self._tree.walk(place) if place.is_dir() else (place,):
            one = self._tree.file_at(file)
            try:
                text = self._tree.load(one).text
            except Rejected:
                continue  # a failure row when its turn comes
            for prompt, line in _IMPORT.findall(text):
                for name, statement in _bindings(line, "" if prompt else one.package):
                    (shown if prompt else coded).setdefault(name, Counter())[statement] += 1
        return shown, coded


def with_imports(docstring: str, imports: Iterable[str]) -> str:
    """Return the docstring after an example for each import, each of which says that it was added."""
    lines = "".join(f">>> {one}  {MARK}\n" for one in imports)
    return f"{lines}\n{docstring}" if lines else docstring


def free_names(examples: Iterable[str]) -> frozenset[str]:
    """Return the names that examples load and nothing in them binds, in any scope; builtins are left out.

    Empty where that cannot be told: a star import, or text that is no Python on purpose.
    """
    loaded: set[str] = set()
    bound: set[str] = set()
    for source in examples:
        try:
            tree = parse(source)
        except Rejected:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
            elif isinstance(node, ast.stmt):
                bound.update(bound_by(node))
    if "*" in bound:
        return frozenset()
    return frozenset(name for name in loaded - bound if not hasattr(builtins, name) and not name.startswith("__"))


def _bindings(line: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield what a line of text binds if it is an import, with a statement of its own for each name."""
    try:
        body = parse(line.strip()).body
    except Rejected:
        return  # prose, or a statement of several lines
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], f"import {_spelled(alias)}"
        elif isinstance(node, ast.ImportFrom):
            base = import_base(node, package)
            if base and base != "__future__":
                names = [alias for alias in node.names if alias.name != "*"]
                yield from ((alias.asname or alias.name, f"from {base} import {_spelled(alias)}") for alias in names)


def _spelled(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name
