"""Tells the values whose rendering kills the process, so that a crash of ours is never taken for the program's."""

import signal
from collections.abc import Callable
from typing import Final

from sandboxes.api import JobOutcome
from schemas.errors import WireError
from tracegen.wire import parse_result

CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
"""What memory that is not there, and an extension that gives up, end a process with."""
_MOST: Final = 8
"""Types that are found out one after the other."""


def has_crashed(outcome: JobOutcome) -> bool:
    """Return whether the process died of a fault of its own, not by a limit or by somebody's hand."""
    return outcome.status == "killed" and outcome.signal in CRASHES


def crashing_types(run: Callable[[tuple[str, ...]], JobOutcome]) -> tuple[str, ...]:
    """Return the types whose ``__repr__`` kills the process, by module and qualified name; empty if none does.

    ``run`` runs an input that announces each value before it is asked for its text, and asks none of the given types.
    """
    silent: tuple[str, ...] = ()
    while len(silent) < _MOST:
        outcome = run(silent)
        asked = _asked(outcome.result) if has_crashed(outcome) else ""
        if not asked or asked in silent:
            break
        silent += (asked,)
    return silent


def _asked(result: bytes) -> str:
    """Return the type that was being asked when the process died."""
    try:
        segments = parse_result(result).segments
    except WireError:
        return ""
    return segments[-1].asked[-1] if segments and segments[-1].asked else ""
