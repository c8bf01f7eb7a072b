"""``module:NAME`` and ``package:NAME==VERSION``: find installed source without importing it or any package above it."""

import importlib.machinery
import importlib.util
import pkgutil
import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from schemas.errors import UsageError
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.calls import near
from tracegen.sources.conventions import Conventions
from tracegen.sources.doctest_jobs import ModuleDoctests
from tracegen.sources.jobs import JobFactory
from tracegen.sources.tree import InstalledTree, SourceTree

PREFIX = "module:"
PACKAGE_PREFIX = "package:"


def plan_module(origin: str, factory: JobFactory) -> Iterator[Planned]:
    """Plan the doctests of ``module:NAME``; a package is taken with all its submodules.

    Raises ``UsageError`` at once for a name that is no module; one without Python source is a failure row.
    """
    name = origin.removeprefix(PREFIX)
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{origin!r} is not a module's name; allowed: `module:NAME`, e.g. `module:json.decoder`")
    base = _folder_of(name.partition(".")[0], origin)
    file = _file_of(name, base, origin) if base else None
    if base is None or file is None:
        return _without_source(origin, name, factory)
    return _planned(origin, SourceTree(base, closed=True), file, factory)


def _planned(origin: str, tree: SourceTree, start: Path, factory: JobFactory) -> Iterator[Planned]:
    conventions = Conventions(tree)
    for file in [start] if start.is_file() else tree.walk(start):
        if file != start and not _is_importable(file, start):
            continue
        factory.statistics.files += 1
        source = tree.file_at(file)
        provenance = factory.provenance(origin, source.path)
        yield from ModuleDoctests(source, tree, source.name, provenance, factory, conventions=conventions).plan()


def plan_package(origin: str, factory: JobFactory) -> Iterator[Planned]:
    """Plan the doctests of the modules of ``package:NAME==VERSION``, which the image has installed.

    Each module travels alone; what else the package has is imported in the sandbox, and traced as own code.
    Raises ``UsageError`` at once if it was not installed.
    """
    folder = factory.settings.site_packages
    name = origin.removeprefix(PACKAGE_PREFIX).partition("==")[0].partition("[")[0]
    if folder is None:
        raise UsageError(f"{origin}: nothing was installed for it; it is planned by `tracegen functions` only")
    wanted = _normal(name)
    found = [one for one in metadata.distributions(path=[str(folder)]) if _normal(one.metadata["Name"]) == wanted]
    if not found:
        raise UsageError(f"{origin}: the image has no distribution {name!r} in its packages")
    return _package(origin, folder, found[0], factory)


def _package(origin: str, folder: Path, distribution: metadata.Distribution, factory: JobFactory) -> Iterator[Planned]:
    tree = InstalledTree(folder, closed=True)
    conventions = Conventions(tree)
    licence = distribution.metadata.json.get("license_expression")
    files = sorted(str(path) for path in distribution.files or () if path.suffix == ".py")
    for file in (folder / name for name in files):
        if not file.is_file() or not _is_importable(file, folder):
            continue
        factory.statistics.files += 1
        source = tree.file_at(file)
        place = factory.provenance(origin, source.path, licence if isinstance(licence, str) else None)
        tops = (source.name.partition(".")[0],)
        yield from ModuleDoctests(source, tree, source.name, place, factory, tops, conventions).plan()


def _normal(name: str) -> str:
    """Return a distribution's name as the packaging standards compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_importable(file: Path, package: Path) -> bool:
    """Leave out the data that some packages keep in ``.py`` files (templates, tests of parsers)."""
    parts = file.relative_to(package).with_suffix("").parts
    folders = [package.joinpath(*parts[:length]) for length in range(1, len(parts))]
    return all(part.isidentifier() for part in parts) and all((one / "__init__.py").is_file() for one in folders)


def _without_source(origin: str, name: str, factory: JobFactory) -> Iterator[Planned]:
    factory.statistics.files += 1
    detail = f"{name} has no Python source here (compiled, built in or frozen); only Python code can be traced"
    yield factory.failure(Rejected("no_source", detail), name, factory.provenance(origin), kind="doctest")


def _folder_of(top: str, origin: str) -> Path | None:
    """Return the folder that a top-level module is imported from; ``None`` if it is not made of Python source."""
    if top in sys.stdlib_module_names:
        # Never asked of the import system: it has frozen copies of some (``os``) whose source is on disk all the same.
        library = Path(sysconfig.get_path("stdlib"))
        return library if (library / f"{top}.py").is_file() or (library / top).is_dir() else None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        known = {*sys.stdlib_module_names, *(module.name for module in pkgutil.iter_modules())}
        raise UsageError(f"{origin}: no module {top!r} is installed here{near(top, known)}")
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(spec.origin).parent if spec.origin and spec.origin.endswith(".py") else None


def _file_of(name: str, base: Path, origin: str) -> Path | None:
    """Return a module's file, a package's folder, or ``None`` for one that is compiled."""
    stem = base.joinpath(*name.split("."))
    if stem.is_dir():
        return stem
    file = stem.with_name(f"{stem.name}.py")
    if file.is_file():
        return file
    if any(stem.with_name(f"{stem.name}{suffix}").is_file() for suffix in importlib.machinery.EXTENSION_SUFFIXES):
        return None
    siblings = {f"{name.rpartition('.')[0]}.{path.stem}" for path in stem.parent.glob("*.py")}
    raise UsageError(f"{origin}: no module {name!r} is installed here{near(name, siblings)}")
