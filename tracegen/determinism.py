"""Compare a run with its second and its untraced run, and label it."""

from typing import Literal

from schemas.trace_record import Determinism
from tracegen.attempts import Run, ending_of
from tracegen.wire import Ending

Check = Literal["full", "rerun", "none"]

_BEFORE = 60
"""Characters that are shown of what two runs have in common."""
_SHOWN = 200
_CUT_BY_TIME = ("timeout", "killed", "out_of_memory")
_OWN_END = ("returned", "raised", "exited")


def check_run(run: Run, again: Run, untraced: Run | None) -> Determinism:
    """Return the label that a second and, if there is one, an untraced run give.

    A run that was cut by time need only agree as far as it got; if only one of the two was, that is no verification.
    """
    difference = first_difference(run, again)
    if difference:
        return Determinism("differs", difference)
    if (_label(run) in _CUT_BY_TIME) != (_label(again) in _CUT_BY_TIME):
        events = min(_events(_lines(run)), _events(_lines(again)))
        return Determinism("unchecked", f"one of the two runs was cut by time; they agree up to event {events}")
    disturbed = perturbed(run, untraced) if untraced is not None else None
    return Determinism("perturbed", disturbed) if disturbed else Determinism("verified")


def first_difference(run: Run, again: Run) -> str | None:
    """Return where two runs part, if they do."""
    one, two = _lines(run), _lines(again)
    for number, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return _describe(one[:number], left, right)
    shorter, longer = sorted((run, again), key=lambda each: len(_lines(each)))
    if _label(shorter) in _CUT_BY_TIME or (len(one) == len(two) and _label(longer) in _CUT_BY_TIME):
        return None
    if len(one) != len(two):
        rest = _lines(longer)[len(_lines(shorter))]
        return _describe(_lines(shorter), rest, b"nothing")
    ends = ending_of(run), ending_of(again)
    return None if ends[0] == ends[1] else f"the end: {_apart(repr(ends[0]), repr(ends[1]))}"


def perturbed(run: Run, untraced: Run) -> str | None:
    """Return how an untraced run's end differs from the traced one's; only for programs that came to their own end."""
    ends = ending_of(run), ending_of(untraced)
    if ends[0] == ends[1] or ends[0][0] not in _OWN_END:
        return None
    return f"untraced / traced: {_apart(repr(ends[1]), repr(ends[0]))}"


def _lines(run: Run) -> list[bytes]:
    """Return the run's lines but for its end, which a death replaces."""
    lines = run.segment.raw.split(b"\n") if run.segment is not None else []
    return lines[:-1] if run.segment is not None and run.segment.ended is not None else lines


def _events(lines: list[bytes]) -> int:
    return sum(line[2:3] in b"clrysxueo" and line[3:4] == b'"' for line in lines)


def _label(run: Run) -> str:
    if run.segment is not None and isinstance(run.segment.ended, Ending):
        return run.segment.ended.label
    return run.death.label if run.death is not None else "refused"


def _describe(before: list[bytes], left: bytes, right: bytes) -> str:
    return f"event {_events(before)}: {_apart(left.decode('ascii', 'replace'), right.decode('ascii', 'replace'))}"


def _apart(one: str, two: str) -> str:
    """Return two texts beside each other, from a little before they part."""
    least = min(len(one), len(two))
    start = max(0, next((n for n in range(least) if one[n] != two[n]), least) - _BEFORE)
    return " / ".join(_clip(text, start) for text in (one, two))


def _clip(text: str, start: int) -> str:
    shown = text[start : start + _SHOWN].encode("utf-8", "backslashreplace").decode("utf-8")
    rest = len(text) - start - _SHOWN
    return f"{'...' if start else ''}{shown}" + (f"... <+{rest} characters>" if rest > 0 else "")
