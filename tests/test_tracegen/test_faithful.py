"""The program must not notice: real functions end the same with and without the recorder (all: the benchmark's)."""

from pathlib import Path

import pytest

from sandboxes.api import Pool
from schemas.job import TraceJob
from schemas.limits import Limits
from tracegen.attempts import ending_of, run_inputs
from tracegen.sources import PlanSettings, plan_sources

SAMPLE = Path(__file__).parents[1] / "data" / "functions_sample.jsonl"
MODULES = ("bisect", "collections", "difflib", "fractions", "ipaddress", "random", "statistics", "textwrap")
SOURCES = [str(SAMPLE), *(f"module:{name}" for name in MODULES)]


@pytest.mark.patient
def test_real_functions_end_the_same_with_and_without_the_recorder(primary: Pool) -> None:
    settings = PlanSettings(
        python=".".join(primary.image.python.split(".")[:2]),
        image=primary.image.digest,
        limits=Limits(max_events=200_000, wall_seconds=20.0),
    )
    functions: set[tuple[str, str, int]] = set()
    inputs = 0
    for job in plan_sources(SOURCES, settings):
        if not isinstance(job, TraceJob):
            continue
        every = range(len(job.inputs))
        traced, plain = (run_inputs(primary, job, every, traced=which) for which in (True, False))
        for index in every:
            segment = traced[index].segment
            if segment is None or not segment.events:
                continue
            inputs += 1
            functions |= {(code.path, code.name, code.first_line) for code in segment.codes}
            assert ending_of(traced[index]) == ending_of(plain[index]), job.inputs[index].source_id
    assert inputs > 60
    assert len(functions) > 100
