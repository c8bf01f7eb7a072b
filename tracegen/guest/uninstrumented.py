"""Keeps 3.12 from slowing the recorder's own code down while a program is traced.

3.12 puts tracing into the instructions of all code that runs after ``sys.settrace``: that of the trace function too,
which makes no events, but which then takes 1.7 times as long (3.13 leaves it alone, 3.11 has no such instructions). A
code gets them when its ``RESUME`` is executed, so that instruction is replaced by ``NOP``. By that 3.12 also takes a
frame of such a code for one that has not begun: it is in no traceback, and ``f_back`` and ``sys._getframe`` pass it
over. Therefore the functions that ``interrupts.works`` marks, by which the recorder finds itself on the stack, stay as
they are, and so does what needs its own frame.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any, Iterator

from .interrupts import is_marked
from .opcodes import GENERATOR_LIKE

INSTRUMENTS = sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 12)
"""Whether this Python does so."""
_RESUME = dis.opmap.get("RESUME", -1)
_NOP = dis.opmap["NOP"]


def spare(*modules: ModuleType) -> None:
    """Have the functions and methods of modules run without tracing's instructions."""
    if not INSTRUMENTS:
        return
    for module in modules:
        for function in _functions(vars(module), module.__name__):
            if not is_marked(function) and _can_do_without(function.__code__):
                function.__code__ = _spared(function.__code__)


def _functions(namespace: Any, home: str) -> Iterator[FunctionType]:
    for item in list(namespace.values()):
        inner = getattr(item, "fget", None) or getattr(item, "__func__", None) or item  # property, static, class method
        if isinstance(inner, FunctionType) and inner.__module__ == home:
            yield inner
        elif isinstance(item, type) and item.__module__ == home:
            yield from _functions(vars(item), home)


def _can_do_without(code: CodeType) -> bool:
    # What is suspended goes on at such an instruction; without arguments ``super`` looks at the frame that is executed.
    return not code.co_flags & GENERATOR_LIKE and "__class__" not in code.co_freevars


def _spared(code: CodeType) -> CodeType:
    ops = bytearray(code.co_code)
    at = ops.find(_RESUME)
    while at >= 0:
        if at % 2 == 0:  # an instruction, not its argument; what lies between instructions is zero
            ops[at : at + 2] = _NOP, 0
        at = ops.find(_RESUME, at + 1)
    inner = [_spared(one) if isinstance(one, CodeType) and _can_do_without(one) else one for one in code.co_consts]
    return code.replace(co_code=bytes(ops), co_consts=tuple(inner))
