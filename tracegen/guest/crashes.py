"""Tells the type whose ``__repr__`` killed a process: its values were announced before they were asked."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Dict, List

CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
"""What memory that is not there, and an extension that gives up, end a process with."""
MOST = 8
"""Types that are found out one after the other."""
_TAG = b'["A",'


def last_asked(lines: bytes) -> str:
    """Return the type that was being asked when the lines end, the innermost; empty if none was, or by forgery."""
    asked: List[str] = []
    for line in lines.split(b"\n")[:-1]:
        if line.startswith(_TAG):
            try:
                _, name = json.loads(line)
                asked.append(name) if name else asked.pop()
            except (ValueError, TypeError, IndexError, RecursionError):
                return ""
    return asked[-1] if asked and type(asked[-1]) is str else ""


def prepare_again(member: Dict[str, Any], status: int, lines: bytes) -> bool:
    """Change how a family's member is run, after it ended with a wait status; return whether it is to be run again.

    After a crash it announces what it asks, then no longer asks the types that killed it, then announces nothing.
    """
    crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in CRASHES
    silent = member["silent"]
    if not member["announce"]:
        member["announce"] = crashed and not silent
        return bool(member["announce"])
    if not crashed:
        member["announce"] = False
        return bool(silent)
    name = last_asked(lines)
    if not name or name in silent or len(silent) == MOST:
        return False
    silent.append(name)
    return True
