"""From a record to the documents that a run stores."""

from schemas.document import Episode, RenderedDocument, document_id
from schemas.trace_record import TraceRecord
from tracegen.render.base import Renderer
from tracegen.views.episodes import episodes


def render_documents(record: TraceRecord, renderer: Renderer) -> list[RenderedDocument]:
    """Return a function's one document, or one for every episode of a doctest (none if it has no episode)."""
    if record.kind == "doctest":
        return [_document(record, view, renderer, "episode", episode) for episode, view in episodes(record)]
    return [_document(record, record, renderer, "whole", None)]


def _document(
    record: TraceRecord, view: TraceRecord, renderer: Renderer, view_name: str, episode: Episode | None
) -> RenderedDocument:
    return RenderedDocument(
        document_id=document_id(record.trace_id, renderer.name, renderer.version, view_name, None, episode),
        trace_id=record.trace_id,
        episode=episode,
        source_id=record.source_id,
        renderer=renderer.name,
        renderer_version=renderer.version,
        view=view_name,
        segments=renderer.render(view),
        outcome=view.outcome.label,
        provenance=record.provenance,
        python=record.python,
    )
