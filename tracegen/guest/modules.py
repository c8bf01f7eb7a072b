"""Executes a job's module afresh under its own name, with the source's other modules importable from their texts."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from functools import cached_property
from types import CodeType, ModuleType
from typing import Any, Dict, Iterable, List, Optional, cast

from .expressions import Compiled, compile_plainly, compile_with_sites
from .sources import SourceFile


class JobModule:
    """One module's text, compiled at first use: a job may bring hundreds that it never imports."""

    def __init__(self, row: Dict[str, Any], whole: bool, expressions: bool = False) -> None:
        self.name: str = row["name"]
        self.path: str = row["path"]
        self.text: str = row["text"]
        self.is_package: bool = row["is_package"]
        self.whole = whole
        self._compile = compile_with_sites if expressions else compile_plainly

    @cached_property
    def _compiled(self) -> Compiled:
        return self._compile(self.text, self.path)

    @property
    def code(self) -> CodeType:
        """Return the compiled text. Raises ``SyntaxError``, and ``ValueError`` for null bytes on some Pythons."""
        return self._compiled.code

    @cached_property
    def file(self) -> SourceFile:
        """Return the lines and the places of the code objects."""
        file = SourceFile(self.path, self.text, self.code, self.whole)
        file.without_sites = self._compiled.without_sites
        return file


class _JobLoader:
    """Executes one module and knows its text."""

    def __init__(self, module: JobModule) -> None:
        self.module = module

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        """Return None: the default module object will do."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module's code."""
        exec(self.module.code, module.__dict__)

    def get_source(self, name: str) -> str:
        """Return the text, for ``inspect`` and tracebacks, under any name: ``_pydecimal`` calls itself ``decimal``."""
        return self.module.text


class JobImporter:
    """A finder of the job's modules; blocked names raise ImportError."""

    def __init__(self, modules: Iterable[JobModule], blocked: Iterable[str]) -> None:
        self.modules = {module.name: module for module in modules}
        self.blocked = frozenset(blocked)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:
        """Answer for the job's own modules; refuse the blocked ones."""
        if name in self.blocked:
            raise ImportError("%s is blocked for this job (--pure)" % name, name=name)
        module = self.modules.get(name)
        return None if module is None else self._spec(module)

    def _spec(self, module: JobModule) -> importlib.machinery.ModuleSpec:
        loader = cast(Any, _JobLoader(module))
        spec = importlib.machinery.ModuleSpec(module.name, loader, origin=module.path, is_package=module.is_package)
        spec.has_location = True
        if module.is_package:
            # Submodules that the job does not bring come from the installed package of that name.
            spec.submodule_search_locations = _installed_locations(module.name)
        return spec

    def prepare(self, name: str) -> ModuleType:
        """Return a new module object, not executed yet; it stands in ``sys.modules`` under its name."""
        self._forget()
        return self._made(name)

    def load(self, name: str) -> ModuleType:
        """Execute a module afresh, its packages first, and return it.

        Raises whatever the module's body raises.
        """
        self._forget()
        # A C twin that is loaded already would be found without asking any finder.
        hidden = {twin: sys.modules.pop(twin) for twin in self.blocked if twin in sys.modules}
        try:
            parent = name.rpartition(".")[0]
            if parent:
                importlib.import_module(parent)
            # A package may import its modules itself.
            if name not in sys.modules:
                module = self._made(name)
                cast(Any, module.__spec__).loader.exec_module(module)
        finally:
            sys.modules.update(hidden)
        return sys.modules[name]

    def _forget(self) -> None:
        # The recorder or an earlier import may have loaded others under these names.
        for own in self.modules:
            sys.modules.pop(own, None)

    def _made(self, name: str) -> ModuleType:
        module = importlib.util.module_from_spec(self._spec(self.modules[name]))
        sys.modules[name] = module
        return module


def _installed_locations(name: str) -> List[str]:
    parent = sys.modules.get(name.rpartition(".")[0])
    path = getattr(parent, "__path__", None)
    for finder in sys.meta_path:
        if isinstance(finder, JobImporter) or not hasattr(finder, "find_spec"):
            continue
        try:
            spec = finder.find_spec(name, path)
        except (ImportError, AttributeError, ValueError):
            continue
        if spec is not None and spec.submodule_search_locations:
            return list(spec.submodule_search_locations)
    return []
