"""Runs one input of a job: a call expression through a real ``main``, or a docstring."""

from __future__ import annotations

import contextvars
import os
import sys
import tempfile
import traceback
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .doctests import DocstringRun
from .modules import JobImporter, JobModule
from .sources import SourceFile
from .values import ValueRenderer

MAIN_PATH = "<main>"


class CannotTrace(Exception):
    """The input has nothing to trace; ``reason`` is one of the host's failure reasons."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Ended(NamedTuple):
    """How a run ended. ``final`` is the rendered value or exception."""

    label: str
    exit_code: Optional[int]
    final: Optional[str]
    expectations: List[List[Any]]


def main_text(call: str) -> str:
    """Return the source of ``main``, the caller that is frame 1 of a function's record."""
    start = "    import asyncio\n" if call.startswith("asyncio.run(") else ""
    return "def main():\n%s    return %s\n" % (start, call)


class Program:
    """A job's modules and the way to run its inputs."""

    def __init__(self, job: Dict[str, Any], renderer: ValueRenderer) -> None:
        self.job = job
        self.renderer = renderer
        whole = job["kind"] != "doctest"
        rows = [job["module"]] + job["support"]
        self._expressions: bool = job["traced"] and job["expressions"]
        modules = [JobModule(row, whole and row is rows[0], self._expressions) for row in rows]
        try:
            modules[0].code  # noqa: B018  (compiled here, so that its syntax error is the job's)
        except (SyntaxError, ValueError) as error:  # ValueError: null bytes, on some Pythons
            raise CannotTrace("syntax_error", describe(error)) from error
        self.importer = JobImporter(modules, job["blocked_modules"])
        self.modules = {module.path: module for module in modules}
        self.main: Optional[SourceFile] = None
        self.packages = frozenset(job["trace_packages"])
        self._libraries: Dict[str, Optional[SourceFile]] = {}

    def load(self) -> ModuleType:
        """Execute the job's module. Raises ``CannotTrace`` if its body raises."""
        sys.meta_path.insert(0, self.importer)
        try:
            return self.importer.load(self.job["module"]["name"])
        except ImportError as error:
            raise CannotTrace("import_error", describe(error)) from error
        except BaseException as error:
            raise CannotTrace("module_error", describe(error)) from error

    def file_of(self, frame: FrameType) -> Optional[SourceFile]:
        """Return the file of a frame that is to be recorded: the job's own, or of a traced package."""
        path = frame.f_code.co_filename
        own = self.modules.get(path)
        if own is not None:
            return own.file
        if path == MAIN_PATH or not self.packages:
            return self.main if path == MAIN_PATH else None
        name = frame.f_globals.get("__name__")
        if type(name) is not str or name.partition(".")[0] not in self.packages:
            return None
        if path not in self._libraries:
            self._libraries[path] = self.plain(SourceFile.of_library(path))
        return self._libraries[path]

    def plain(self, file: Optional[SourceFile]) -> Optional[SourceFile]:
        """Note that a file's code was not compiled here: it has no sites."""
        if file is not None and self._expressions:
            file.without_sites = [(1, len(file.lines) + 1)]
        return file

    def call(self, module: ModuleType, item: Dict[str, Any], traced: Callable[[Any], Any]) -> Ended:
        """Run ``main`` for a call expression; ``traced`` runs a function under the recorder, or plainly."""
        function = self._main(module, main_text(item["text"]))
        ended = self._ended(lambda: contextvars.copy_context().run(traced, function))
        if ended.final is None or ended.label != "returned":
            return ended
        return ended._replace(expectations=self._expectations(module, item, ended.final))

    def _ended(self, run: Callable[[], Any]) -> Ended:
        try:
            value = run()
        except SystemExit as error:
            return Ended("exited", _exit_code(error), self.renderer.render(error), [])
        except BaseException as error:
            return Ended("raised", None, self.renderer.render(error), [])
        return Ended("returned", None, self.renderer.render(value), [])

    def _main(self, module: ModuleType, text: str) -> FunctionType:
        main = JobModule({"name": "", "path": MAIN_PATH, "text": text, "is_package": False}, True, self._expressions)
        try:
            self.main = main.file
        except (SyntaxError, ValueError) as error:
            raise CannotTrace("bad_input", describe(error)) from error
        inner = next(item for item in main.code.co_consts if isinstance(item, CodeType))
        # Not bound in the module: its own ``main`` stays.
        return FunctionType(inner, module.__dict__, "main")

    def _expectations(self, module: ModuleType, item: Dict[str, Any], final: str) -> List[List[Any]]:
        want = item["expected"]
        if want is None:
            return []
        try:
            promised = self.renderer.render(eval(want, dict(module.__dict__)))
        except Exception:  # not an expression: compared as text
            promised = want
        return [[item["text"], want, final, promised == final]]

    def script(self, text: str, traced: Callable[[Any], Any]) -> Ended:
        """Run the module as ``__main__`` with ``text`` on standard input."""
        sys.meta_path.insert(0, self.importer)
        name = self.job["module"]["name"]
        module = self.importer.prepare(name)
        code = self.importer.modules[name].code
        module.__dict__["__name__"] = "__main__"
        sys.modules["__main__"] = module
        _feed(text)
        return self._ended(lambda: contextvars.copy_context().run(traced, lambda: exec(code, module.__dict__)))

    def docstring(self, module: ModuleType, item: Dict[str, Any], recorder_for: Callable[..., Any]) -> Ended:
        """Run a docstring's examples; ``recorder_for`` is given the run, whose examples' files count as own."""
        name = ".".join(part for part in (self.job["module"]["name"], self.job["entry"]) if part)
        run = DocstringRun(module, name, self.job["module"]["path"], item["text"])
        rows = contextvars.copy_context().run(recorder_for(run), run.run)
        return Ended("returned", None, None, rows)


def describe(error: BaseException) -> str:
    """Return an exception's last lines, as Python prints them."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _feed(text: str) -> None:
    """Put the text on descriptor 0 and in ``sys.stdin``."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.seek(0)
        os.dup2(file.fileno(), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)


def same_output(want: str, got: str) -> bool:
    """Return whether two outputs are equal but for white space at the ends of lines and of the whole."""
    return [line.rstrip() for line in want.rstrip().split("\n")] == [line.rstrip() for line in got.rstrip().split("\n")]


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1
