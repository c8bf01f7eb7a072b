"""The funnel: each stage is a part of the one before, and every drop has a reason and examples."""

import gzip
import json
from pathlib import Path

import pytest
from shard_rows import Rows

from pipelines.funnel import STAGES, funnel, funnel_lines
from pipelines.shard_buffer import Finished, ShardBuffer, ShardThresholds
from pipelines.shards import ShardWriter
from pipelines.without_inputs import NAME, WithoutInputs
from schemas.job import Provenance, SourceModule
from schemas.trace_record import Determinism, Outcome
from tracegen.sources.base import CodeWithoutInputs, PlanStatistics


@pytest.fixture
def run_dir(tmp_path: Path, rows: Rows) -> Path:
    target = ShardBuffer(ShardWriter(tmp_path, "functions"), ShardThresholds())
    records = [rows.record(number) for number in range(6)]
    records[1] = records[1].model_copy(update={"determinism": Determinism("differs", "event 1")})
    records[2] = records[2].model_copy(update={"outcome": Outcome("timeout")})
    records[3] = records[3].model_copy(update={"determinism": Determinism("unchecked")})
    documents = [rows.document(record) for record in records if record is not records[4]]
    failures = [
        rows.failure(number).model_copy(update={"reason": reason, "source_id": f"{reason}#{number}"})
        for number, reason in enumerate(["syntax_error"] * 5 + ["module_error", "unknown_entry", "killed"], start=10)
    ]
    target.add(Finished(records, documents, failures))
    target.flush()
    return tmp_path


def test_every_row_falls_at_one_stage(run_dir: Path) -> None:
    statistics = PlanStatistics(functions_without_inputs=20, rows_without_inputs=1, examples_without_inputs=["m:g"])
    found = funnel(run_dir, statistics, rendered=True)
    assert [(stage.name, stage.count) for stage in found.stages] == list(
        zip(STAGES, [35, 30, 29, 7, 6, 5, 3], strict=True)
    )
    dropped = {reason: count for stage in found.stages for reason, count in stage.dropped.items()}
    assert dropped == {
        "syntax_error": 5,
        "module_error": 1,
        "no_inputs": 21,
        "unknown_entry": 1,
        "killed": 1,
        "differs": 1,
        "timeout": 1,
        "no_episode": 1,
    }
    examples = {reason: ids for stage in found.stages for reason, ids in stage.examples.items()}
    assert examples["syntax_error"] == ["syntax_error#10", "syntax_error#11", "syntax_error#12"]
    assert examples["no_inputs"] == ["m:g"]
    assert examples["no_episode"] == ["sample_4"]


def test_a_run_without_texts_loses_nothing_for_want_of_one(run_dir: Path) -> None:
    found = funnel(run_dir, PlanStatistics(), rendered=False)
    assert found.stages[-1].count == 4


def test_the_lines_name_stages_and_drops(run_dir: Path) -> None:
    lines = funnel_lines(funnel(run_dir, PlanStatistics(), rendered=True), examples=True)
    assert ("  parsed", "9  (dropped: syntax_error 5)") in lines
    # As frequent as each other, in the other order in the shards.
    assert ("  kept", "3  (dropped: no_episode 1, timeout 1)") in lines
    assert ("", "killed: killed#17") in lines


def item(number: int) -> CodeWithoutInputs:
    module = SourceModule(name="snippet", path="snippet.py", text=f"x = {number}  # \u2028 é")
    return CodeWithoutInputs(f"r#{number}", module, ("f",), Provenance(origin="o", licence="MIT"))


def test_code_without_inputs_is_kept_losslessly_and_in_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        with WithoutInputs(tmp_path / folder) as file:
            for number in range(3):
                file.keep(item(number))
            file.finish()
    written = (tmp_path / "a" / NAME).read_bytes()
    assert written == (tmp_path / "b" / NAME).read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(written).decode().split("\n") if line]
    assert [row["code"] for row in rows] == [item(number).module.text for number in range(3)]
    assert rows[0]["entries"] == ["f"]
    assert (rows[0]["origin"], rows[0]["licence"]) == ("o", "MIT")


def test_an_interrupted_run_leaves_the_earlier_file(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"earlier")
    with WithoutInputs(tmp_path) as file:
        file.keep(item(0))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"earlier"


def test_a_run_that_met_none_removes_what_an_earlier_one_left(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"earlier")
    with WithoutInputs(tmp_path) as file:
        file.finish()
    assert not list(tmp_path.iterdir())
