"""Runs a docstring's examples as ``doctest`` does, and keeps what each was expected to print and what it printed."""

from __future__ import annotations

import doctest
import traceback
from types import FrameType, ModuleType
from typing import Any, Dict, List, Optional

from .sources import SourceFile
from .types_text import ADDRESS


class _Keeper(doctest.DocTestRunner):
    """Collects ``[source, want, got, matched]`` per example that expects something; prints nothing."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self.rows: List[List[Any]] = []

    def _keep(self, example: doctest.Example, got: str, matched: bool) -> None:
        if example.want or got or not matched:
            # Most of them are a value's repr, which is shown without addresses everywhere else.
            self.rows.append([example.source, example.want, ADDRESS.sub("", got), matched])

    def report_start(self, out: Any, test: Any, example: Any) -> None:
        pass

    def report_success(self, out: Any, test: Any, example: doctest.Example, got: str) -> None:
        self._keep(example, got, True)

    def report_failure(self, out: Any, test: Any, example: doctest.Example, got: str) -> None:
        self._keep(example, got, False)

    def report_unexpected_exception(self, out: Any, test: Any, example: doctest.Example, exc_info: Any) -> None:
        got = "".join(traceback.format_exception_only(exc_info[0], exc_info[1]))
        self._keep(example, got, False)


class DocstringRun:
    """One docstring against one freshly executed module."""

    def __init__(self, module: ModuleType, name: str, path: str, text: str) -> None:
        parser = doctest.DocTestParser()
        self.test = parser.get_doctest(text, dict(module.__dict__), name, path, 0)
        self.files: Dict[str, Optional[SourceFile]] = {}
        self.keeper = _Keeper()

    def run(self) -> List[List[Any]]:
        """Run every example and return the rows of those that expected or printed something."""
        self.keeper.run(self.test, out=lambda text: None, clear_globs=False)
        return self.keeper.rows

    def file_of(self, frame: FrameType) -> Optional[SourceFile]:
        """Return the example that a function or class was defined in; the examples' own top level is not recorded."""
        code = frame.f_code
        path = code.co_filename
        if code.co_name == "<module>" or not path.startswith("<doctest %s[" % self.test.name):
            return None
        if path not in self.files:
            number = int(path[path.rindex("[") + 1 : path.rindex("]")])
            self.files[path] = SourceFile(path, self.test.examples[number].source)
        return self.files[path]
