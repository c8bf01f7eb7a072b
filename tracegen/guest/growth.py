"""A long str that grew at its end: its new text from its old one, without rendering what stayed."""

from __future__ import annotations

from typing import NamedTuple, Optional

from . import digests
from .builtins_text import CUT


class Growth(NamedTuple):
    """``text`` is the old text with what lies between its first ``start`` and last ``end`` characters replaced."""

    text: str
    start: int
    end: int
    middle: str


def growth(before: str, old: str, value: str, most: int) -> Optional[Growth]:
    """Return how a str's text follows from ``old``, the text of ``before``, at most ``most`` characters being shown.

    ``None`` where that is not known to be what rendering it anew would give.
    """
    size = len(before)
    if not size < len(value) <= 2 * size or not value.startswith(before):
        return None
    if size > max(most, 16):  # both are cut, and what is shown depends on no more than their first characters
        start = old.rindex(CUT) + len(CUT)
        hidden = int(old[start : old.index(" ", start)]) + len(value) - size
        middle = "%d characters%s" % (hidden, digests.of_text(value))
        return Growth(old[:start] + middle + old[-1], start, 1, middle)
    added = value[size:]
    # A quote among what is new may change how the whole is quoted.
    if len(value) > most or len(old) > most or "'" in added or '"' in added:
        return None
    middle = repr(added)[1:-1]
    text = old[:-1] + middle + old[-1]
    return Growth(text, len(old) - 1, 1, middle) if len(text) <= most else None
