"""The tests of two real suites as workloads: downloaded once into a cache, and collected by pytest in this process.

    for name in SUITES:
        for test in tests_of(name):     # tracers.Loaded
            test.run()

Only tests that can be called again and again are given: functions whose arguments are parameters, and cases of
``unittest``; each has passed twice.
"""

import functools
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from tracers import Job, Loaded, codes_in

from tracegen.guest.suite_files import SuiteFiles

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tracegen-benchmarks"


@dataclass(slots=True, frozen=True)
class Sdist:
    """A source distribution with its tests, which runs as it is unpacked."""

    requirement: str
    """``NAME==VERSION``."""
    source: str
    """Folder that holds the package."""
    tests: str
    packages: tuple[str, ...]
    """What is traced, beside the tests."""


SUITES = {
    "sqlparse": Sdist("sqlparse==0.5.3", ".", "tests", ("sqlparse",)),
    "cachetools": Sdist("cachetools==5.5.0", "src", "tests", ("cachetools",)),
}


def unpacked(sdist: Sdist) -> Path:
    """Return the folder of the sources, downloaded by pip at first use."""
    folder = CACHE / sdist.requirement.replace("==", "-")
    if not folder.is_dir():
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--no-binary", ":all:", "-d", str(CACHE), sdist.requirement], check=True, timeout=300)
        with tarfile.open(CACHE / f"{folder.name}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


class _Collected:
    """A plugin that keeps the items."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def pytest_collection_finish(self, session: Any) -> None:
        self.items = list(session.items)


def tests_of(name: str) -> list[Loaded]:
    """Return the tests of a suite that can be called on their own and pass."""
    sdist = SUITES[name]
    folder = unpacked(sdist)
    source = (folder / sdist.source).resolve()
    sys.path[:0] = [str(source), str(folder)]
    _forget(("tests", *sdist.packages))
    plugin = _Collected()
    options = ["--rootdir", str(folder), "-c", os.devnull, "-p", "no:cacheprovider", "--assert=plain", "--collect-only"]
    with redirect_stdout(StringIO()):
        code = pytest.main([*options, "-q", str(folder / sdist.tests)], plugins=[plugin])
    if code != 0:
        raise RuntimeError(f"pytest could not collect {folder}: exit code {code}")
    homes = tuple(f"{home}{os.sep}" for home in [folder / sdist.tests, *(source / each for each in sdist.packages)])
    files = SuiteFiles(str(folder), ("tests", *sdist.packages))
    files.tests = frozenset(str(item.path) for item in plugin.items)
    codes = frozenset(code for home in homes for path in Path(home).rglob("*.py") for code in _codes(path))
    calls = [(item.nodeid, call) for item in plugin.items if (call := _call(item)) is not None]
    job = Job()
    return [_loaded(node, call, codes, homes, files, job) for node, call in calls if _passes(call)]


def _codes(path: Path) -> Iterator[CodeType]:
    return codes_in(compile(path.read_text(), str(path), "exec", dont_inherit=True))


def _loaded(
    node: str,
    call: Callable[[], object],
    codes: frozenset[CodeType],
    homes: tuple[str, ...],
    files: SuiteFiles,
    job: Job,
) -> Loaded:
    def run() -> None:  # what the tracers wrap wants to be a function
        random.seed(0)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            call()

    def check(oracle: Any, guest: Any) -> list[str]:
        faults: list[str] = oracle.check_call(guest, node, run, files.file_of)[1]
        return faults

    return Loaded(node, run, codes, homes, files.file_of, check, job)


def _forget(names: tuple[str, ...]) -> None:
    # Both suites have a package "tests"; the packages themselves may be installed here in another version.
    for module in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[module]


def _call(item: Any) -> Callable[[], object] | None:
    case = item.parent.obj
    if hasattr(case, "debug"):
        return lambda: case(item.name).debug()
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if set(item.fixturenames) - set(given) - {"request"}:
        return None
    return functools.partial(item.obj, **given)


def _passes(call: Callable[[], object]) -> bool:
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            call()
            call()
    except BaseException as error:  # skips, and what runs only once
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    return True


def main() -> int:
    """Say what there is."""
    for name in SUITES:
        print(f"{name}: {len(tests_of(name))} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
