"""Names that cannot be read while a comprehension runs: reading them ends the process on 3.13.

From 3.12 a comprehension is part of its function, and its variable takes the place of the function's variable of that
name. If a closure captures the function's one, the place is a cell's; ``f_locals`` of 3.13 takes what is there for one.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType
from typing import Any, FrozenSet, Iterator, List, NamedTuple

_AT_RISK = sys.version_info >= (3, 13)


class Shadow(NamedTuple):
    """A comprehension that puts a plain value in a cell's place."""

    name: str
    start: int
    """Offset of the instruction that empties the place."""
    end: int
    """Offset of the one that puts the cell back."""
    aftermath: FrozenSet[int]
    """Offsets of those that put it back after an exception."""


def shadows(code: CodeType) -> List[Shadow]:
    """Return the comprehensions of a code object that shadow a variable which closures capture."""
    cells = {*code.co_cellvars, *code.co_freevars}
    return list(_found(code, cells)) if _AT_RISK and cells else []


def _found(code: CodeType, cells: Any) -> Iterator[Shadow]:
    steps: List[Any] = list(dis.get_instructions(code))
    for number, step in enumerate(steps):
        # In a comprehension whose variable is captured itself, a cell is made at once.
        if step.opname != "LOAD_FAST_AND_CLEAR" or step.argval not in cells or steps[number + 1].opname == "MAKE_CELL":
            continue
        own = [later for later in steps[number:] if later.positions == step.positions]
        back = [later.offset for later in own if later.opname.startswith("STORE_FAST") and _names(later, step.argval)]
        end = back[0] if back else steps[-1].offset
        yield Shadow(step.argval, step.offset, end, frozenset(later.offset for later in own if later.offset > end))


def _names(step: Any, name: str) -> bool:
    return step.argval == name or (type(step.argval) is tuple and name in step.argval)


def unreadable(found: List[Shadow], frame: FrameType) -> FrozenSet[str]:
    """Return the names that the frame shadows where it stands."""
    last = frame.f_lasti
    return frozenset(one.name for one in found if one.start <= last <= one.end or last in one.aftermath)
