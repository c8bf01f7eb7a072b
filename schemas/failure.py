"""What could not be recorded, and why."""

from typing import Final, Literal, get_args

from schemas.base import Model
from schemas.job import JobKind, Provenance

FAILURE_VERSION: Final = 1

FailureReason = Literal[
    "bad_row",
    "bad_input",
    "unreadable_source",
    "no_source",
    "syntax_error",
    "import_error",
    "module_error",
    "unknown_entry",
    "ambiguous_entry",
    "timeout",
    "killed",
    "exited",
    "output_limit",
    "out_of_memory",
    "protocol",
    "sandbox_lost",
    "poison",
    "recorder_error",
]
FAILURE_REASONS: Final[tuple[FailureReason, ...]] = get_args(FailureReason)


class Failure(Model):
    """One planned input that has no record. A closed list of reasons; ``detail`` is for people."""

    trace_id: str
    """Of the input; for a source that could not even be planned, a digest of its origin, id and reason."""
    job_id: str | None = None
    """``None`` (as kind, entry and inputs) where planning did not get that far."""
    source_id: str
    kind: JobKind | None = None
    entry: str | None = None
    inputs: str | None = None
    reason: FailureReason
    detail: str
    attempts: int = 1
    """How often it was tried."""
    provenance: Provenance
