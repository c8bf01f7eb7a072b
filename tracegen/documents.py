"""From a record to the documents that a run stores."""

import re
from collections.abc import Callable
from typing import Final

from schemas.document import Episode, RenderedDocument, document_id
from schemas.trace_record import TraceRecord
from tracegen.render.base import Renderer
from tracegen.views.base import Request, View
from tracegen.views.budget import OVER
from tracegen.views.episodes import episode_pieces, span
from tracegen.views.pieces import Viewed, whole
from tracegen.views.spec import parse_view

_FITTED: Final = re.compile(rf"(?:(.*)\+)?budget\([0-9]+\)=(.+?)(?:,{OVER})?")


def render_documents(
    record: TraceRecord,
    renderer: Renderer,
    view: View | None = None,
    *,
    seed: int = 0,
    count: Callable[[str], int] = len,
) -> list[RenderedDocument]:
    """Return a function's one document, or one for every episode of a doctest (none if it has no episode).

    A ``view`` is taken of the record, or of every episode, and may give several documents; ``seed`` is for views that
    draw, ``count`` for budgets (characters, or a tokenizer's count).
    """
    pieces = record_pieces(record)
    if view is not None:
        request = Request(seed, lambda shown: count("".join(one.text for one in renderer.render(shown))))
        pieces = [piece for one in pieces for piece in view.pieces(one, request)]
    return [_document(record, piece, renderer, view, seed) for piece in pieces]


def record_pieces(record: TraceRecord) -> list[Viewed]:
    """Return what views are taken of: the whole record, or the episodes of a doctest."""
    return episode_pieces(record) if record.kind == "doctest" else [whole(record)]


def named_pieces(record: TraceRecord, view_name: str, seed: int | None) -> list[tuple[Episode | None, TraceRecord]]:
    """Return what a stored view showed of a record: each document's episode and the record that was rendered.

    Raises ``UsageError`` for a name that no view of this version has.
    """
    pieces = record_pieces(record)
    name = view_name.removeprefix("episode+") if record.kind == "doctest" else view_name
    for part in _redone(name):
        view = parse_view(part)
        pieces = [piece for one in pieces for piece in view.pieces(one, Request(seed or 0))]
    return [(_episode(record, piece), piece.record) for piece in pieces]


def _redone(name: str) -> list[str]:
    """Return the views of a document's name; of a budget what it did, which needs no text to count."""
    budget = _FITTED.fullmatch(name)
    parts = [budget[1], budget[2]] if budget else [name]
    return [part for part in parts if part and part not in ("whole", "episode")]


def _episode(record: TraceRecord, piece: Viewed) -> Episode | None:
    episode = span(piece) if piece.events else None
    if episode == Episode(first_event=0, last_event=len(record.events) - 1) and record.kind != "doctest":
        return None
    return episode


def _document(record: TraceRecord, piece: Viewed, renderer: Renderer, view: View | None, seed: int) -> RenderedDocument:
    episode = _episode(record, piece)
    name = _view_name(record, piece, view)
    drawn = seed if view is not None and view.draws else None
    return RenderedDocument(
        document_id=document_id(record.trace_id, renderer.name, renderer.version, name, drawn, episode),
        trace_id=record.trace_id,
        episode=episode,
        source_id=record.source_id,
        renderer=renderer.name,
        renderer_version=renderer.version,
        view=name,
        seed=drawn,
        segments=renderer.render(piece.record),
        outcome=piece.record.outcome.label,
        provenance=record.provenance,
        python=record.python,
    )


def _view_name(record: TraceRecord, piece: Viewed, view: View | None) -> str:
    if view is None:
        return "episode" if record.kind == "doctest" else "whole"
    name = f"{view.name}={piece.done}" if piece.done else view.name
    return f"episode+{name}" if record.kind == "doctest" else name
