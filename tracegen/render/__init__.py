"""Renderers: pure functions from a record to text, and the parsers that read it back."""

from collections.abc import Callable, Sequence
from typing import Final

from schemas.document import Segment
from schemas.errors import UsageError
from schemas.trace_record import DETAIL_KINDS, EventKind
from tracegen.render.annotated import AnnotatedRenderer
from tracegen.render.base import Renderer
from tracegen.render.compact import CompactRenderer
from tracegen.render.compact_parser import parse_compact
from tracegen.render.cwm import CwmRenderer
from tracegen.render.cwm_parser import parse_cwm
from tracegen.render.parsed import ParsedTrace
from tracegen.render.prose import ProseRenderer

_ALL: Final[tuple[Renderer, ...]] = (CwmRenderer(), CompactRenderer(), AnnotatedRenderer(), ProseRenderer())
RENDERERS: Final = {renderer.name: renderer for renderer in _ALL}
DETAILS_SHOWN: Final[dict[str, frozenset[EventKind]]] = {
    "terminal": frozenset({"expression"}),
    "annotated": frozenset({"expression"}),
    "compact": DETAIL_KINDS,
    "cwm": frozenset(),
    "prose": frozenset(),
}
"""Which events between lines a text shows; it leaves the others out, as if they had not been recorded."""
PARSERS: Final[dict[str, Callable[[Sequence[Segment]], ParsedTrace]]] = {"cwm": parse_cwm, "compact": parse_compact}


def get_renderer(name: str) -> Renderer:
    """Return the renderer of that name. Raises ``UsageError`` that names the choices."""
    if name not in RENDERERS:
        raise UsageError(f"there is no renderer {name!r}; choose one of: {', '.join(sorted(RENDERERS))}")
    return RENDERERS[name]
