"""What every source yields: jobs, and failures for what cannot even be planned."""

from dataclasses import dataclass, field

from schemas.failure import Failure
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
