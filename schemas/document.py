"""A text rendered from a record: segments that are each a special token or plain text, never both."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from schemas.base import Model, digest
from schemas.job import Provenance

DOCUMENT_VERSION: Final = 1

Role = Literal["control", "context", "state", "source", "value", "prompt", "observation", "action", "prose", "answer"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(slots=True, frozen=True)
class Segment:
    """A piece of a document: one special token (role ``control``), or text that can never become one."""

    special: bool
    role: Role
    text: str


class Episode(Model):
    """The part of a record's events that a document shows, both ends included."""

    first_event: int
    last_event: int


class RenderedDocument(Model):
    """One text for a model. Parsers and tokenizers read ``segments``; ``text`` is for people."""

    document_version: Literal[1] = DOCUMENT_VERSION
    document_id: str
    trace_id: str
    """Of the record that it shows."""
    episode: Episode | None = None
    """``None``: the whole record."""
    source_id: str
    renderer: str
    renderer_version: int
    view: str
    """Name of the view that was taken of the record; ``whole`` for none."""
    seed: int | None = None
    """Seed of the view, if it draws."""
    segments: tuple[Segment, ...]
    n_tokens: int | None = None
    """``None`` until a tokenizer was given."""
    tokenizer: str | None = None
    """Which one counted."""
    outcome: str
    """Label of how the shown part ended; an episode's may differ from its record's."""
    provenance: Provenance
    python: str

    @property
    def text(self) -> str:
        """Return the segments joined. Not reversible: user text may look like a special token."""
        return "".join(segment.text for segment in self.segments)


def document_id(
    trace_id: str, renderer: str, renderer_version: int, view: str, seed: int | None, episode: Episode | None
) -> str:
    """Return the id of one rendering of one view of one record."""
    return digest(
        {
            "trace_id": trace_id,
            "renderer": renderer,
            "renderer_version": renderer_version,
            "view": view,
            "seed": seed,
            "episode": episode.model_dump() if episode else None,
        }
    )
