"""The steps of ``tracegen functions`` as pure functions: plan -> items, record -> documents, given up -> failures."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

from pipelines.executor import WorkItem
from schemas.document import RenderedDocument
from schemas.failure import Failure, FailureReason
from schemas.job import TraceInput, TraceJob, trace_id
from schemas.trace_record import TraceRecord
from tracegen.documents import render_documents
from tracegen.families import are_kin
from tracegen.records import failure_row
from tracegen.render.base import Renderer
from tracegen.sources.base import Planned

Work = Planned | tuple[TraceJob, ...]
"""What a worker is given: one job, a failure row, or jobs that ``are_kin``."""
BATCH_INPUTS: Final = 32
"""Most inputs of one item: what is lost and done again when a worker dies under it."""


@dataclass(slots=True)
class PlanCount:
    """What the plan came to, counted as it is pulled."""

    planned: int = 0
    finished: int = 0
    """Those of them that stood in a manifest before."""
    exhausted: bool = False


def work_items(
    plan: Iterable[Planned], finished: Set[str], limit: int | None, count: PlanCount
) -> Iterator[WorkItem[Work]]:
    """Yield what is left of the first ``limit`` planned inputs, in batches; ``count`` grows with what is seen.

    Docstrings of one module that follow each other are one item, made of an item each.
    """
    family: list[WorkItem[Work]] = []
    for item in _single_items(plan, finished, limit, count):
        if family and not (len(family) < BATCH_INPUTS and _are_kin(family[-1], item)):
            yield _united(family)
            family = []
        if _may_have_kin(item):
            family.append(item)
        else:
            yield item
    if family:
        yield _united(family)


def _single_items(
    plan: Iterable[Planned], finished: Set[str], limit: int | None, count: PlanCount
) -> Iterator[WorkItem[Work]]:
    for planned in plan:
        room = None if limit is None else limit - count.planned
        if room is not None and room <= 0:
            break
        yield from _left(planned, finished, room, count)
    count.exhausted = True


def _may_have_kin(item: WorkItem[Work]) -> bool:
    return isinstance(item.payload, TraceJob) and item.payload.kind == "doctest" and len(item.ids) == 1


def _are_kin(one: WorkItem[Work], other: WorkItem[Work]) -> bool:
    jobs = one.payload, other.payload
    return isinstance(jobs[0], TraceJob) and isinstance(jobs[1], TraceJob) and are_kin(jobs[0], jobs[1])


def _united(family: Sequence[WorkItem[Work]]) -> WorkItem[Work]:
    if len(family) == 1:
        return family[0]
    jobs = tuple(item.payload for item in family if isinstance(item.payload, TraceJob))
    return WorkItem(tuple(one for item in family for one in item.ids), jobs, tuple(family))


def _left(planned: Planned, finished: Set[str], room: int | None, count: PlanCount) -> Iterator[WorkItem[Work]]:
    if isinstance(planned, Failure):
        count.planned += 1
        count.finished += planned.trace_id in finished
        if planned.trace_id not in finished:
            yield WorkItem((planned.trace_id,), planned)
        return
    inputs = planned.inputs[:room]
    ids = input_ids(planned, inputs)
    count.planned += len(ids)
    left = [pair for pair in zip(ids, inputs, strict=True) if pair[0] not in finished]
    count.finished += len(ids) - len(left)
    for start in range(0, len(left), BATCH_INPUTS):
        part = left[start : start + BATCH_INPUTS]
        job = planned.model_copy(update={"inputs": tuple(one for _, one in part)})
        yield WorkItem(tuple(one for one, _ in part), job)


def input_ids(job: TraceJob, inputs: Sequence[TraceInput]) -> list[str]:
    """Return the trace ids of some inputs of a job."""
    job_id = job.job_id()
    return [trace_id(job_id, job.kind, one.text, one.occurrence) for one in inputs]


def documents_of(records: Iterable[TraceRecord], renderers: Sequence[Renderer]) -> list[RenderedDocument]:
    """Return the documents of the records in every rendering."""
    return [document for record in records for renderer in renderers for document in render_documents(record, renderer)]


def given_up(planned: Work, reason: FailureReason, detail: str, attempts: int) -> list[Failure]:
    """Return one failure row per input of an item that could not be done."""
    if isinstance(planned, Failure):
        return [planned]
    if isinstance(planned, tuple):
        return [row for job in planned for row in given_up(job, reason, detail, attempts)]
    job_id = planned.job_id()
    return [failure_row(planned, job_id, one, reason, detail, attempts) for one in planned.inputs]
