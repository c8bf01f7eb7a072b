"""The base of every persisted model, and the one definition of canonical JSON and of digests."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Closed and frozen: an unknown field is an error, and a value once built does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of ``value``: sorted keys, no white space, UTF-8 (lone surrogates pass).

    Raises ``ValueError`` for NaN and infinities, ``TypeError`` for what JSON cannot hold.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def digest(value: Any) -> str:
    """Return BLAKE2b-128 of ``value``'s canonical JSON as 32 hex digits: the form of every id of the project."""
    return hashlib.blake2b(canonical_json(value), digest_size=16).hexdigest()
