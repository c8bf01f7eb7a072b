"""What an input finds around it, put back before the next one."""

from __future__ import annotations

import os
import random
import sys
import warnings
from typing import Any, Dict, List, Tuple, cast

from . import handlers
from .entropy import seed_entropy


class Surroundings:
    """A snapshot of the process's state that programs change most; ``restore`` puts it back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.folder = os.getcwd()
        self.environment: Dict[str, str] = dict(os.environ)
        self.modules = dict(sys.modules)
        self.arguments = list(sys.argv)
        self.path = list(sys.path)
        self.finders = list(sys.meta_path)
        self.recursion = sys.getrecursionlimit()
        self.streams: Tuple[object, ...] = (sys.stdin, sys.stdout, sys.stderr)
        self.filters: List[Any] = cast(Any, warnings.filters)
        self.warnings = list(self.filters)

    def restore(self) -> None:
        """Put the state back, signals too; ``random`` (numpy's too, if loaded) and the entropy to the job's seed."""
        handlers.put_back()
        os.chdir(self.folder)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        sys.argv[:] = self.arguments
        sys.path[:] = self.path
        sys.meta_path[:] = self.finders
        sys.setrecursionlimit(self.recursion)
        sys.stdin, sys.stdout, sys.stderr = self.streams
        self.filters[:] = self.warnings
        random.seed(self.seed)
        seed_entropy(self.seed)
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            numpy.seed(self.seed)

    def main_module(self) -> None:
        """Give ``__main__`` back to the process."""
        sys.modules["__main__"] = self.modules["__main__"]

    def forget(self, names: List[str]) -> None:
        """Take the job's own modules out of ``sys.modules``, where others of that name come back."""
        for name in names:
            if name in self.modules:
                sys.modules[name] = self.modules[name]
            else:
                sys.modules.pop(name, None)
