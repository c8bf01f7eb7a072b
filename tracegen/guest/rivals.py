"""Notices that a program sets a trace function itself, so that the record can say where the recording stopped.

By an audit hook, which the program does not see: it stays for the life of the process, so only sandboxes install it.
"""

from __future__ import annotations

import sys
from typing import Any, List, Tuple

from .interrupts import works
from .recorder import Recorder

recording: List[Recorder] = []
"""The recorder that is at work, if there is one."""


@works
def _hear(event: str, arguments: Tuple[Any, ...]) -> None:
    if event == "sys.settrace":
        for recorder in recording:
            recorder.see_settrace()


def watch() -> None:
    """Notice every ``sys.settrace`` of this process from now on."""
    sys.addaudithook(_hear)
