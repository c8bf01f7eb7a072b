"""Signals that come while the recorder works: whose an exception is then."""

from __future__ import annotations

from typing import Any


def of_handler(error: BaseException) -> bool:
    """Whether a signal handler written in Python raised this: only to such is given the very frame that it came in."""
    trace = error.__traceback__
    interrupted: Any = None
    while trace is not None:
        frame = trace.tb_frame
        if interrupted is not None and any(_holds(item, interrupted) for item in frame.f_locals.values()):
            return True
        interrupted, trace = frame, trace.tb_next
    return False


def _holds(item: Any, frame: Any) -> bool:
    return item is frame or (type(item) is tuple and any(each is frame for each in item))
