"""Places in the program whose values are recorded between the lines: constants of its code that nothing names.

``SITE[expression]`` is what the compiled program evaluates in place of ``expression``. The entry of ``__getitem__``
is an event of ``sys.settrace`` like any other call: there the recorder reads the value.
"""

from __future__ import annotations

from types import CodeType
from typing import Any, Dict, Tuple

Place = Tuple[int, int, int, int]
"""Line, column, end line and end column of an expression; lines from 1, columns in characters from 0."""


class Site:
    """One expression of a file."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place

    def __getitem__(self, value: Any) -> Any:
        return value


SITE_CODE = Site.__getitem__.__code__
"""What a frame runs when an expression's value is there."""


def with_sites(code: CodeType, sites: Dict[str, Site]) -> CodeType:
    """Return the code with each constant that is a key of ``sites`` replaced by its site, in nested codes too."""
    constants = []
    for constant in code.co_consts:
        if type(constant) is CodeType:
            constant = with_sites(constant, sites)
        elif type(constant) is str:
            constant = sites.get(constant, constant)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))
