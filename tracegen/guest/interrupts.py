"""Signals that come while the recorder works: where it works, how to have them come again, whose an exception is."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import sys
from types import FrameType, FunctionType
from typing import Any, Callable, Optional, Set, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

_codes: Set[int] = set()

ring: Callable[[Any], Any] = _thread.interrupt_main if sys.version_info >= (3, 10) else _signal.raise_signal
"""Has a signal come (again), in C: its handler runs in the main thread, at the next instruction that looks for one."""


def works(function: Function) -> Function:
    """Mark a function of the recorder's that the interpreter calls at an event."""
    _codes.add(id(cast(FunctionType, function).__code__))
    return function


def is_marked(function: FunctionType) -> bool:
    """Whether a function is one of those."""
    return id(function.__code__) in _codes


def at_work(frame: Optional[FrameType]) -> bool:
    """Whether the recorder has an event in hand in this frame, or in one that called it."""
    while frame is not None:
        if id(frame.f_code) in _codes:
            return True
        frame = frame.f_back
    return False


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
