"""The proof that a shard is complete: written last, after the shard's files are on disk."""

from typing import Final, Literal

from schemas.base import Model

MANIFEST_VERSION: Final = 1

Table = Literal["traces", "documents", "failures"]


class ShardFile(Model):
    """One Parquet file of a shard."""

    table: Table
    path: str
    """Relative to the run's directory."""
    rows: int
    bytes: int
    sha256: str


class ShardManifest(Model):
    """One finished shard. A file without a manifest does not count; an id in a manifest is never done again."""

    manifest_version: Literal[1] = MANIFEST_VERSION
    stage: str
    shard: str
    """Digest of the ids it holds: the same rows give the same name, whoever writes them."""
    files: tuple[ShardFile, ...]
    done: tuple[str, ...]
    """``trace_id`` of every record and failure row in it."""
    outcomes: dict[str, int]
    """Records by outcome."""
    determinism: dict[str, int]
    """Records by determinism label."""
    failures: dict[str, int]
    """Failure rows by reason."""
    matched: int
    """Records all of whose expectations were met."""
    mismatched: int
    """Records with an expectation that was not met."""
    events: int
    recorded_at: str
    """ISO 8601, UTC."""
