"""What the instruction at ``f_lasti`` tells and ``sys.settrace`` does not: return, yield, unwinding, internal stops."""

from __future__ import annotations

import dis
import gc
import sys
from types import FrameType
from typing import FrozenSet

from .guard import HEAP_TYPE

GENERATOR_LIKE = 0x20 | 0x80 | 0x200
"""``CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR``."""
OPTIMIZED = 0x1
TAKES_ITEM = 26
"""With this argument ``BINARY_OP`` takes an item, from 3.14 on."""


def codes_of(*names: str) -> FrozenSet[int]:
    """Return the numbers of instructions, of those that this interpreter has."""
    # 3.12 gives numbers beyond a byte to what only its compiler knows.
    return frozenset(dis.opmap[name] for name in names if dis.opmap.get(name, 256) < 256)


_RETURNS = codes_of("RETURN_VALUE", "RETURN_CONST")
_YIELDS = codes_of("YIELD_VALUE")
_YIELD_FROM = codes_of("YIELD_FROM")
_AWAITING = codes_of("FOR_ITER", "YIELD_FROM", "SEND", "END_SEND")
CACHE = codes_of("CACHE")
_SEND = codes_of("SEND")
_RESUME = codes_of("RESUME")
_BEFORE_3_11 = sys.version_info < (3, 11)


def _at(ops: bytes, offset: int) -> int:
    return ops[offset] if 0 <= offset < len(ops) else -1


def is_return(ops: bytes, last: int) -> bool:
    """Whether a ``return`` event comes from a return statement and not from an exception that leaves the frame.

    ``ops`` is the code's ``co_code``, ``last`` the frame's ``f_lasti``.
    """
    return _at(ops, last) in _RETURNS


def is_yield(ops: bytes, last: int) -> bool:
    """Whether a generator's ``return`` event is a suspension.

    Up to 3.10 a suspended ``yield from`` points before its own instruction, so that it runs again;
    from 3.13 a suspended ``yield`` points at the instruction after it.
    """
    if _at(ops, last) in _YIELDS or (_at(ops, last) in _RESUME and _at(ops, last - 2) in _YIELDS):
        return True
    return _BEFORE_3_11 and _at(ops, last + 2) in _YIELD_FROM


def yielded(value: object) -> object:
    """Return what was yielded: asynchronous generators hand their values out in a wrapper of the interpreter's."""
    if type(value).__name__ != "async_generator_wrapped_value" or type(value).__flags__ & HEAP_TYPE:
        return value
    inner = gc.get_referents(value)
    return inner[0] if inner else value


def is_internal_stop(frame: FrameType, kind: object) -> bool:
    """Whether an exception is the stop by which ``await``, ``yield from`` and ``for`` end: not the program's."""
    if kind is not StopIteration and kind is not StopAsyncIteration:
        return False
    ops, last = frame.f_code.co_code, frame.f_lasti
    # 3.12 reports some stops at the inline cache of SEND.
    return _at(ops, last) in _AWAITING or (_at(ops, last) in CACHE and _at(ops, last - 2) in _SEND)
