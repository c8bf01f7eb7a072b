"""What every source yields: jobs, and failures for what cannot even be planned."""

from dataclasses import dataclass, field

from schemas.errors import TracegenError
from schemas.failure import Failure, FailureReason
from schemas.job import TraceJob
from schemas.limits import Limits
from tracegen.guest.version import RECORDER_VERSION

Planned = TraceJob | Failure
"""One job with its inputs, or one failure row that stands for one planned input."""


@dataclass(slots=True, frozen=True)
class PlanSettings:
    """What a run decides for all its jobs."""

    python: str
    """Minor version of the sandbox's interpreter, e.g. ``3.11``."""
    image: str
    """Content digest of the image."""
    limits: Limits = field(default_factory=Limits)
    trace_packages: tuple[str, ...] = ()
    pure: bool = False
    """Refuse the C twins that a module imports optionally."""
    seed: int = 0
    licence: str = "unknown"
    recorder_version: str = RECORDER_VERSION


@dataclass(slots=True)
class PlanStatistics:
    """What a plan has seen so far; grows while the plan is iterated."""

    files: int = 0
    """Python files, modules and JSON-lines files that were read."""
    rows: int = 0
    """Lines of JSON-lines files, blank ones not counted."""
    functions: int = 0
    """Functions and methods in files and modules that were searched for doctests."""
    functions_without_inputs: int = 0
    """Those of them whose docstring has no example: nothing says with what to call them."""
    doctests: int = 0
    """Docstrings with examples."""
    inputs: int = 0
    """Inputs of the jobs that were planned."""
    failures: int = 0
    """Failure rows that were planned."""
    sources_without_inputs: list[str] = field(default_factory=list)
    """Sources, as the user named them, that gave neither a job nor a failure."""


class Rejected(TracegenError):
    """Something cannot be planned; becomes a failure row, or a ``UsageError`` when the user named just that."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: FailureReason = reason
        self.detail = detail
