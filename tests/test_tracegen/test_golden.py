"""Exact bytes of every renderer on small runs. ``example.cwm.txt`` was copied from TRACE_FORMAT section 3."""

import pytest
from cases import CASES
from golden import check_golden

from schemas.document import Segment
from tracegen.render import RENDERERS


def _text(segments: tuple[Segment, ...]) -> str:
    return "".join(segment.text for segment in segments)


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("case", CASES)
def test_bytes(case: str, renderer: str) -> None:
    check_golden(f"{case}.{renderer}.txt", _text(RENDERERS[renderer].render(CASES[case])))
