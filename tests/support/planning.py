"""Plans with settings that no test depends on."""

from collections.abc import Sequence

from schemas.failure import Failure
from schemas.job import TraceJob, trace_id
from tracegen.sources import PlanSettings, PlanStatistics, plan_sources

SETTINGS = PlanSettings(python="3.11", image="sha256:none")


def plan(
    *sources: object, settings: PlanSettings = SETTINGS, statistics: PlanStatistics | None = None
) -> tuple[list[TraceJob], list[Failure]]:
    """Return the jobs and the failures, each in order."""
    items = list(plan_sources([str(source) for source in sources], settings, statistics))
    jobs = [item for item in items if isinstance(item, TraceJob)]
    return jobs, [item for item in items if isinstance(item, Failure)]


def trace_ids(jobs: Sequence[TraceJob]) -> list[str]:
    """Return the id of every input, in order."""
    return [trace_id(job.job_id(), job.kind, item.text, item.occurrence) for job in jobs for item in job.inputs]


def texts(jobs: Sequence[TraceJob]) -> list[str]:
    """Return the text of every input, in order."""
    return [item.text for job in jobs for item in job.inputs]
