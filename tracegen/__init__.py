"""Functions, tests and programs -> ``TraceRecord`` -> text. In a notebook: ``from tracegen import trace``."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracegen.quick import Trace, trace

__all__ = ["Trace", "trace"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the models behind it take a third of a second, which `tracegen --help` does not have.
    if name in __all__:
        return getattr(importlib.import_module("tracegen.quick"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
