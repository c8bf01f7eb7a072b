"""Views by name: ``loops(2)+depth(3)``, read and spelt in one canonical way."""

import re
from collections.abc import Callable
from typing import Final

from schemas.errors import UsageError
from tracegen.views.base import View
from tracegen.views.budget import Budget
from tracegen.views.calls import Depth, Inline, Over, Where
from tracegen.views.chain import Chain
from tracegen.views.cuts import Cut
from tracegen.views.loops import Loops

CHOICES: Final = {
    "loops(K)": "the first K iterations of each loop and the last",
    "depth(N)": "calls up to N deep, main counted",
    "over(name:PATTERN)": "without calls of these functions; also path:PATTERN and package:PATTERN",
    "inline(P)": "each call in its caller's trace with probability P, else an episode of its own; drawn by the seed",
    "cut(N)": "episodes of at most N events",
    "budget(N)": "the smallest elision whose text has at most N characters; last",
}
_STEP = re.compile(r"([a-z]+)\(([^()+]*)\)")
_WHERE: Final[dict[str, Where]] = {"name": "name", "path": "path", "package": "package"}


def parse_view(text: str) -> View:
    """Return the view that ``text`` names; its ``name`` is the canonical spelling.

    Raises ``UsageError`` that names the choices.
    """
    steps = [_step(text, part.strip()) for part in text.split("+")]
    if any(isinstance(step, Budget) for step in steps[:-1]):
        raise _wrong(text, "a budget must come last: what follows it would change what it counted")
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))


def _step(text: str, part: str) -> View:
    match = _STEP.fullmatch(part)
    make = _MAKERS.get(match[1]) if match else None
    if match is None or make is None:
        raise _wrong(text, f"{part!r} is no view")
    view = make(match[2].strip())
    if view is None:
        raise _wrong(text, f"{match[2]!r} is not what {match[1]} takes")
    return view


def _wrong(text: str, problem: str) -> UsageError:
    choices = "; ".join(f"{form}: {meaning}" for form, meaning in CHOICES.items())
    return UsageError(f"view {text!r}: {problem}; join with + any of: {choices}")


def _counted(make: Callable[[int], View]) -> Callable[[str], View | None]:
    return lambda argument: make(int(argument)) if re.fullmatch(r"[1-9][0-9]{0,8}", argument) else None


def _over(argument: str) -> View | None:
    where, _, pattern = argument.partition(":")
    return Over(_WHERE[where], pattern) if where in _WHERE and pattern else None


def _inline(argument: str) -> View | None:
    if not re.fullmatch(r"0|1|0?\.[0-9]{1,4}|1\.0{1,4}", argument):
        return None
    return Inline(float(argument))


_MAKERS: Final[dict[str, Callable[[str], View | None]]] = {
    "loops": _counted(Loops),
    "depth": _counted(Depth),
    "over": _over,
    "inline": _inline,
    "cut": _counted(Cut),
    "budget": _counted(Budget),
}
