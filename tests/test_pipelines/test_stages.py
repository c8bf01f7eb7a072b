"""Whatever the batching, the limit and what was done before: every planned input is dispatched once or was done."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pipelines.stages import BATCH_INPUTS, PlanCount, given_up, input_ids, work_items
from schemas.failure import Failure
from schemas.job import Provenance, SourceModule, TraceInput, TraceJob
from tracegen.sources.base import Planned

PLACE = Provenance(origin="test")


def job(name: str, count: int) -> TraceJob:
    return TraceJob(
        kind="function",
        entry=name,
        module=SourceModule(name=name, path=f"{name}.py", text=f"def {name}(x): return x\n"),
        inputs=tuple(TraceInput(source_id=f"{name}{n}", text=f"{name}({n})") for n in range(count)),
        python="3.11",
        image="i",
        recorder_version="1",
        provenance=PLACE,
    )


def failure(number: int) -> Failure:
    return Failure(trace_id=f"bad{number}", source_id=str(number), reason="bad_row", detail="", provenance=PLACE)


@st.composite
def plans(draw: st.DrawFn) -> list[Planned]:
    sizes = draw(st.lists(st.one_of(st.none(), st.integers(1, 3 * BATCH_INPUTS)), max_size=4))
    return [failure(n) if size is None else job(f"f{n}", size) for n, size in enumerate(sizes)]


def ids_of(plan: list[Planned]) -> Iterator[str]:
    for planned in plan:
        yield from [planned.trace_id] if isinstance(planned, Failure) else input_ids(planned, planned.inputs)


@given(plans(), st.one_of(st.none(), st.integers(0, 100)))
def test_every_planned_input_is_dispatched_once_or_was_done(plan: list[Planned], limit: int | None) -> None:
    wanted = list(ids_of(plan))[:limit]
    finished = {one for number, one in enumerate(wanted) if number % 3 == 0} | {"of another plan"}
    count = PlanCount()
    items = list(work_items(plan, finished, limit, count))
    dispatched = [one for item in items for one in item.ids]
    assert dispatched == [one for one in wanted if one not in finished]
    assert (count.planned, count.finished) == (len(wanted), len(wanted) - len(dispatched))
    assert count.exhausted
    for item in items:
        payload = item.payload
        jobs = payload if isinstance(payload, tuple) else (payload,)
        assert tuple(ids_of(list(jobs))) == item.ids
        assert [one for part in item.parts for one in part.ids] == (list(item.ids) if len(jobs) > 1 else [])
        assert len(item.ids) <= BATCH_INPUTS


def test_the_plan_is_pulled_item_by_item() -> None:
    pulled = []

    def plan() -> Iterator[Planned]:
        for number in range(10):
            pulled.append(number)
            yield failure(number)

    next(work_items(plan(), set(), None, PlanCount()))
    assert pulled == [0]


def test_a_given_up_job_becomes_one_row_per_input() -> None:
    one = job("f", 3)
    rows = given_up(one, "poison", "it kills", 2)
    assert [row.trace_id for row in rows] == input_ids(one, one.inputs)
    assert {(row.reason, row.attempts) for row in rows} == {("poison", 2)}
