"""Imports a package from the bytes of a zip, so that nothing of ours lies on a disk or on ``sys.path``."""

import importlib.abc
import importlib.util
import io
import sys
import zipfile
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import Optional


class ZipBytesImporter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules of one bundle while it stands in ``sys.meta_path``."""

    def __init__(self, archive: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            self._sources = {name: bundle.read(name).decode("utf-8") for name in bundle.namelist()}

    def __enter__(self) -> "ZipBytesImporter":
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *unused: object) -> None:
        sys.meta_path.remove(self)

    def _path(self, fullname: str) -> str:
        stem = fullname.replace(".", "/")
        for path in (stem + "/__init__.py", stem + ".py"):
            if path in self._sources:
                return path
        raise ImportError("the bundle has no module " + fullname, name=fullname)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Return the spec of a module of the bundle."""
        try:
            origin = "<bundle>/" + self._path(fullname)
        except ImportError:
            return None
        package = origin.endswith("/__init__.py")
        return importlib.util.spec_from_loader(fullname, self, origin=origin, is_package=package)

    def is_package(self, fullname: str) -> bool:
        """Return whether the module is a package."""
        return self._path(fullname).endswith("/__init__.py")

    def get_source(self, fullname: str) -> str:
        """Return the module's text."""
        return self._sources[self._path(fullname)]

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        code: CodeType = compile(
            self.get_source(fullname), "<bundle>/" + self._path(fullname), "exec", dont_inherit=True
        )
        return code
