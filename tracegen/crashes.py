"""Tells the values whose rendering kills the process, so that a crash of ours is never taken for the program's."""

from collections.abc import Callable

from sandboxes.api import JobOutcome
from tracegen.guest.crashes import CRASHES, MOST, last_asked


def has_crashed(outcome: JobOutcome) -> bool:
    """Return whether the process died of a fault of its own, not by a limit or by somebody's hand."""
    return outcome.status == "killed" and outcome.signal in CRASHES


def crashing_types(run: Callable[[tuple[str, ...]], JobOutcome]) -> tuple[str, ...]:
    """Return the types whose ``__repr__`` kills the process, by module and qualified name; empty if none does.

    ``run`` runs an input that announces each value before it is asked for its text, and asks none of the given types.
    """
    silent: tuple[str, ...] = ()
    while len(silent) < MOST:
        outcome = run(silent)
        asked = last_asked(outcome.result) if has_crashed(outcome) else ""
        if not asked or asked in silent:
            break
        silent += (asked,)
    return silent
