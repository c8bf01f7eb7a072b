"""What one input may use. ``None`` means no limit."""

from pydantic import Field, PositiveFloat, PositiveInt

from schemas.base import Model


class Limits(Model):
    """Limits of the recorder and of the process that runs one input. Part of the job's id."""

    max_events: PositiveInt | None = 20_000
    """Recorded events; the next one ends the record as ``event_limit``."""
    max_bytes: PositiveInt | None = 64 * 2**20
    """Bytes of recorder output; more ends the record as ``byte_limit``."""
    wall_seconds: PositiveFloat = 10.0
    """Wall time of one input; more ends the record as ``timeout``."""
    value_characters: PositiveInt = 10_000
    """Characters of one rendered value; the rest is counted in a visible marker."""
    value_items: PositiveInt = 1_000
    """Items of one container that are rendered."""
    value_depth: PositiveInt = 20
    """Nesting of containers that is rendered."""
    output_bytes: int = Field(default=2**20, ge=0)
    """Bytes kept of stdout and of stderr each; the rest is counted."""
    memory_bytes: PositiveInt | None = 512 * 2**20
    """Address space of the process (``RLIMIT_AS``); more raises ``MemoryError`` in the program."""
