"""The modules of one source tree: found by name on disk, never imported."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from schemas.job import SourceModule
from tracegen.sources.base import Rejected
from tracegen.sources.imports import imported_names, optional_twins, with_parents
from tracegen.sources.python_source import parse, printable, read_source

MAX_SUPPORT_MODULES: Final = 300
MAX_SUPPORT_CHARACTERS: Final = 8 * 2**20
"""Every job carries its support, so it is bounded (``asyncio``, whole, has 33 modules and 0.5 million characters)."""

_CACHED_TEXTS: Final = 512


@dataclass(slots=True, frozen=True)
class SourceFile:
    """One module's file."""

    name: str
    """Dotted module name."""
    file: Path
    path: str
    """Relative to the tree's base, with ``/``: ids do not depend on the machine."""
    is_package: bool

    @property
    def package(self) -> str:
        """What relative imports in the module start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(slots=True, frozen=True)
class _Facts:
    imports: frozenset[str]
    twins: frozenset[str]


class SourceTree:
    """Modules below ``base``, looked for where the one that imports them would find them, then below the base.

    ``closed``: only modules of the same top-level package belong together (a folder of installed packages).
    ``foreign``: top-level names that are never the tree's own (the standard library's, imported before any job).
    """

    def __init__(self, base: Path, *, closed: bool = False, foreign: frozenset[str] = frozenset()) -> None:
        self.base = base
        self._closed = closed
        self._foreign = foreign
        self._facts: dict[tuple[Path, str], _Facts] = {}
        self._load = lru_cache(maxsize=_CACHED_TEXTS)(_load)

    def file_at(self, file: Path) -> SourceFile:
        """Return the module that a file is, named by the packages that it lies in."""
        root = self.base if self._closed else import_root(file)
        parts = [part for part in file.relative_to(root).with_suffix("").parts if part != "__init__"]
        # Top-level ``__main__`` would run what must only run as a script.
        name = ".".join(parts) if parts != ["__main__"] else "main"
        return self._source_file(name, file)

    def find(self, name: str, seeker: SourceFile) -> SourceFile | None:
        """Return the tree's module of that import name, as ``seeker`` would import it."""
        top = name.partition(".")[0]
        own = top == seeker.name.partition(".")[0]
        if not own and (self._closed or top in self._foreign):
            return None
        root = import_root(seeker.file)
        for folder in dict.fromkeys((root, self.base)):
            stem = folder.joinpath(*name.split("."))
            for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
                if file.is_file():
                    return self._source_file(name, file)
        return None

    def walk(self, folder: Path) -> Iterator[Path]:
        """Yield the Python files below a folder, sorted; hidden folders, caches and environments are skipped."""
        for place, folders, files in os.walk(folder):
            here = Path(place)
            folders[:] = sorted(name for name in folders if _is_source_folder(here / name))
            yield from (here / name for name in sorted(files) if name.endswith(".py") and not name.startswith("."))

    def package_place(self, source: SourceFile) -> Path:
        """Return the folder of a module's top-level package, or its own file if it lies in none."""
        root = self.base if self._closed else import_root(source.file)
        folder = root / source.name.partition(".")[0]
        return folder if folder.is_dir() else source.file

    def load(self, source: SourceFile) -> SourceModule:
        """Return a file as a module. Raises ``Rejected`` (``unreadable_source``)."""
        return self._load(source)

    def support(
        self, source: SourceFile, text: str, extra: frozenset[str] = frozenset()
    ) -> tuple[tuple[SourceModule, ...], tuple[str, ...]]:
        """Return the tree's own modules that a module needs, and the optional C twins of all of them, both sorted.

        ``extra`` are further imported names, a doctest's. What is not found is left to the sandbox's own import.
        Raises ``Rejected`` (``import_error``) if it is too much to carry.
        """
        facts = _facts(text, source)
        twins = set(facts.twins)
        found: dict[str, SourceModule] = {}
        seen: set[str] = {source.name}
        waiting = with_parents({source.name} | facts.imports | extra) - seen
        while waiting:
            name = min(waiting)
            waiting.discard(name)
            seen.add(name)
            module = self._module(name, source)
            if module is None:
                continue
            found[name] = module[0]
            _check_size(found)
            twins |= module[1].twins
            waiting |= with_parents(module[1].imports) - seen
        for parent in with_parents(found) - {source.name} - found.keys():
            # A namespace package has no file of its own; an empty package stands for it.
            path = f"{parent.replace('.', '/')}/__init__.py"
            found[parent] = SourceModule(name=parent, path=path, text="", is_package=True)
        return tuple(found[name] for name in sorted(found)), tuple(sorted(twins))

    def _module(self, name: str, seeker: SourceFile) -> tuple[SourceModule, _Facts] | None:
        source = self.find(name, seeker)
        if source is None:
            return None
        try:
            module = self.load(source)
        except Rejected:
            return None
        key = (source.file, source.name)
        if key not in self._facts:
            self._facts[key] = _facts(module.text, source)
        return module, self._facts[key]

    def _source_file(self, name: str, file: Path) -> SourceFile:
        path = file.relative_to(self.base).as_posix()
        return SourceFile(printable(name), file, printable(path), file.name == "__init__.py")


class InstalledTree(SourceTree):
    """Modules that the sandbox has installed: each brings only itself, and finds the others there."""

    def support(
        self, source: SourceFile, text: str, extra: frozenset[str] = frozenset()
    ) -> tuple[tuple[SourceModule, ...], tuple[str, ...]]:
        """Return no modules, and the module's own optional C twins."""
        return (), tuple(sorted(_facts(text, source).twins))


class TextTree:
    """A tree of one module whose text is at hand."""

    def __init__(self, module: SourceModule) -> None:
        self._module = module

    def load(self, source: SourceFile) -> SourceModule:
        """Return the module."""
        return self._module

    def support(
        self, source: SourceFile, text: str, extra: frozenset[str] = frozenset()
    ) -> tuple[tuple[SourceModule, ...], tuple[str, ...]]:
        """Return no modules, and the module's optional C twins."""
        return (), tuple(sorted(_facts(text, source).twins))


def import_root(file: Path) -> Path:
    """Return the folder from which a file is imported: above the outermost package that it lies in."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _is_source_folder(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name == "__pycache__"
    return not hidden and not folder.is_symlink() and not (folder / "pyvenv.cfg").is_file()


def _load(source: SourceFile) -> SourceModule:
    return SourceModule(name=source.name, path=source.path, text=read_source(source.file), is_package=source.is_package)


def _facts(text: str, source: SourceFile) -> _Facts:
    try:
        tree = parse(text)
    except Rejected:
        # Importing it raises the same error in the sandbox, where it is recorded.
        return _Facts(frozenset(), frozenset())
    package = source.package
    return _Facts(frozenset(imported_names(tree, package)), frozenset(optional_twins(tree, package)))


def _check_size(found: dict[str, SourceModule]) -> None:
    characters = sum(len(module.text) for module in found.values())
    if len(found) > MAX_SUPPORT_MODULES or characters > MAX_SUPPORT_CHARACTERS:
        raise Rejected(
            "import_error",
            f"imports {len(found)} modules or more of its own source ({characters} characters); "
            f"at most {MAX_SUPPORT_MODULES} modules and {MAX_SUPPORT_CHARACTERS} characters can be carried",
        )
