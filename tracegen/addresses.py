"""Takes addresses out of what a run told: ``id(x)``, a thread's ident and their hexadecimal spellings.

They say nothing, differ in every run, and hide whether two runs agree. They become ``<id 1>``, ``<id 2>`` ... in order
of appearance within an input, so that equal ones stay equal and different ones different. A number in a text is taken
for an address if it is aligned like one and lies where the process keeps its objects (``guest/regions.py``).
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from tracegen.guest.wire import EVENTS, encode
from tracegen.patches import Patches

Region = tuple[int, int]

_ADDRESS: Final = re.compile(r"(?<![0-9.])[0-9]{14,15}(?![0-9]|\.[0-9])|\b(?:0[xX])?[0-9a-fA-F]{12}\b")
_SET: Final = re.compile(r"(?<=[{ ])<id [0-9]+>(?:, <id [0-9]+>)+(?=})")
"""The addresses of a set, which was written in their order."""
_SUSPECT: Final = re.compile(rb"[0-9a-fA-F]{12}")
_ALIGNED: Final = 16
_HEXADECIMAL: Final = 12
"""Digits of an address in hexadecimal; in decimal it has more."""


class Addresses:
    """The addresses of one input, numbered as they appear."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions
        self._numbers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def text(self, text: str) -> str:
        """Return a text without addresses."""
        named = _ADDRESS.sub(self._named, text)
        return named if named is text else _SET.sub(_in_order, named)

    def _named(self, match: re.Match[str]) -> str:
        number = int(match[0]) if match[0].isdecimal() and len(match[0]) > _HEXADECIMAL else int(match[0], 16)
        if number % _ALIGNED or not any(first <= number < end for first, end in self._regions):
            return match[0]
        return f"<id {self._numbers.setdefault(number, len(self._numbers) + 1)}>"


def _in_order(match: re.Match[str]) -> str:
    return ", ".join(sorted(match[0].split(", "), key=lambda name: int(name[4:-1])))


def without_addresses(lines: list[bytes], regions: Sequence[Region]) -> list[bytes]:
    """Return the lines of one input without addresses; the very same list if there are none.

    Lines that are malformed stay: their reader says so.
    """
    if not regions or not any(map(_SUSPECT.search, lines)):
        return lines
    addresses, patches = Addresses(regions), Patches()
    found = [_line(line, addresses, patches) for line in lines]
    return found if len(addresses) else lines


def _line(line: bytes, addresses: Addresses, patches: Patches) -> bytes:
    try:
        row = json.loads(line)
        tag = row[0]
        if tag == "e":
            row[3] = addresses.text(row[3])
        elif tag in EVENTS and tag != "o":
            _event(row, addresses, patches)
        elif tag == "o" and len(row) > 3:
            row[3] = _changed(row[1], row[3], addresses, patches)
        elif tag == "E":
            row[3] = row[3] and addresses.text(row[3])
            row[4] = [[source, want, addresses.text(got), matched] for source, want, got, matched in row[4]]
            row[5:] = [[addresses.text(text), *rest] for text, *rest in row[5:]]
        elif tag in ("!", "P"):
            row[-1] = addresses.text(row[-1])
        else:
            return line
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError):
        return line
    return encode(*row)[:-1]


def _event(row: list[Any], addresses: Addresses, patches: Patches) -> None:
    if len(row) > 3:
        row[3] = _changed(row[1], row[3], addresses, patches)
    if len(row) > 5 and row[5] is not None:
        row[5] = addresses.text(row[5])


def _changed(frame: Any, row: dict[str, Any], addresses: Addresses, patches: Patches) -> dict[str, str]:
    # Patches are of texts with their addresses.
    return {name: addresses.text(text) for name, text in patches.resolve(frame, row).items()}
