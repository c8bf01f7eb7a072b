"""Which files of a test suite are recorded, and by what name: its test modules and the packages that are named."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType
from typing import Dict, FrozenSet, Iterable, Optional

from .sources import SourceFile


class SuiteFiles:
    """The files of the code that runs, each read once for all tests."""

    def __init__(self, folder: str, packages: Iterable[str]) -> None:
        self.folder = folder
        self.packages = frozenset(packages)
        self.tests: FrozenSet[str] = frozenset()
        """The test modules, beside which the ``conftest.py`` files of the folder count."""
        self._files: Dict[str, Optional[SourceFile]] = {}

    def file_of(self, frame: FrameType) -> Optional[SourceFile]:
        """Return the file of a frame that is to be recorded."""
        path = frame.f_code.co_filename
        if path not in self._files:
            # Of one file all code has one module name, but for what exec runs under another's.
            self._files[path] = self._read(path) if self._own(path, frame.f_globals.get("__name__")) else None
        return self._files[path]

    def _own(self, path: str, name: object) -> bool:
        if path in self.tests or (os.path.basename(path) == "conftest.py" and path.startswith(self.folder + os.sep)):
            return True
        return type(name) is str and name.partition(".")[0] in self.packages

    def _read(self, path: str) -> Optional[SourceFile]:
        lines = linecache.getlines(path)
        if not lines:
            return None
        try:
            return SourceFile(self._name(path), "".join(lines))
        except SyntaxError:  # the file changed since it was imported
            return None

    def _name(self, path: str) -> str:
        """Return the path within the suite's folder, or within the entry of ``sys.path`` that holds it."""
        homes = [home for home in [self.folder, *sys.path] if path.startswith(home.rstrip(os.sep) + os.sep)]
        return os.path.relpath(path, max(homes, key=len)) if homes else path
