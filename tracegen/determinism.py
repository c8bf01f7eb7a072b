"""Compare a run with its second and its untraced run, and label it."""

from typing import Literal

from schemas.trace_record import Determinism
from tracegen.attempts import Run, ending_of
from tracegen.wire import Ending

Check = Literal["full", "rerun", "none"]

_CUT_BY_TIME = ("timeout", "killed", "out_of_memory")
_OWN_END = ("returned", "raised", "exited")


def first_difference(run: Run, again: Run) -> str | None:
    """Return where two runs part. Runs that were cut by time need only agree as far as both got."""
    one, two = _lines(run), _lines(again)
    ends = _label(run), _label(again)
    by_time = ends[0] == ends[1] and ends[0] in _CUT_BY_TIME
    for number, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return None if by_time and number >= min(len(one), len(two)) - 1 else _describe(one[:number], left, right)
    if by_time:
        return None
    if len(one) != len(two):
        shorter = min(len(one), len(two))
        return _describe(one[:shorter], b"".join(one[shorter : shorter + 1]), b"".join(two[shorter : shorter + 1]))
    return None if ends[0] == ends[1] else f"the end: {ends[0]} / {ends[1]}"


def perturbed(run: Run, untraced: Run) -> str | None:
    """Return how an untraced run's end differs from the traced one's; only for programs that came to their own end."""
    ends = ending_of(run), ending_of(untraced)
    if ends[0] == ends[1] or ends[0][0] not in _OWN_END:
        return None
    return _clip(f"untraced: {ends[1]!r}, traced: {ends[0]!r}")


def check_run(run: Run, again: Run, untraced: Run | None) -> Determinism:
    """Return the label that a second and, if there is one, an untraced run give."""
    difference = first_difference(run, again)
    if difference:
        return Determinism("differs", difference)
    disturbed = perturbed(run, untraced) if untraced is not None else None
    return Determinism("perturbed", disturbed) if disturbed else Determinism("verified")


def _lines(run: Run) -> list[bytes]:
    return run.segment.raw.split(b"\n") if run.segment is not None else []


def _label(run: Run) -> str:
    if run.segment is not None and isinstance(run.segment.ended, Ending):
        return run.segment.ended.label
    return run.death.label if run.death is not None else "refused"


def _describe(before: list[bytes], left: bytes, right: bytes) -> str:
    events = sum(line[2:3] in b"clrysxu" and line[3:4] == b'"' for line in before)
    return _clip(f"event {events}: {left.decode('ascii', 'replace')} / {right.decode('ascii', 'replace')}")


def _clip(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 400 else f"{text[:400]}... <+{len(text) - 400} characters>"
