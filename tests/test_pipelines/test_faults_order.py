"""Rows depend neither on the order of a corpus nor on its batches; a job that kills its sandbox harms no other."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fault_runs import Command, contents, report, rows_of, write_rows

from pipelines.shards import read_failures, read_traces

TRUSTED = ("--sandbox", "process", "--check", "none")
EXECUTORS = ["local", pytest.param("ray", marks=pytest.mark.ray)]


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    """Return a run's contents but for the ids that the corpus gave: equal rows share theirs out by order."""
    kept = {}
    for key, row in found.items():
        fields = {"source_id": "", "provenance": None}
        if "broken" not in row.source_id and "none" not in row.source_id:
            kept[key] = row.model_copy(update=fields)
    return kept


def test_the_order_of_the_rows_changes_no_row_and_no_id(tmp_path: Path) -> None:
    rows = rows_of(8, 3)
    first = Command(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "first", TRUSTED)
    first.finish()
    expected = contents(first.out)
    for seed in range(2):
        shuffled = random.Random(seed).sample(rows, len(rows))
        folder = tmp_path / str(seed)
        folder.mkdir()
        command = Command(write_rows(folder / "rows.jsonl", shuffled), folder / "out", TRUSTED)
        assert command.finish()["planned"] == len(rows)
        assert without_ids(contents(command.out)) == without_ids(expected)


def test_a_corpus_continued_in_another_order_is_finished_without_a_double(tmp_path: Path) -> None:
    rows = [row for row in rows_of(8) if "broken" not in row["id"] and "none" not in row["id"]]
    command = Command(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out", TRUSTED)
    limited = Command(command.source, command.out, (*TRUSTED, "--limit", "11"))
    assert limited.finish()["rows"] == 11
    write_rows(command.source, rows[::-1])
    assert command.finish()["done_now"] == len(rows) - 11
    whole = Command(write_rows(tmp_path / "whole" / "rows.jsonl", rows), tmp_path / "other", TRUSTED)
    whole.finish()
    assert without_ids(contents(command.out)) == without_ids(contents(whole.out))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_job_that_kills_its_sandbox_is_poison_and_its_neighbours_are_unharmed(tmp_path: Path, executor: str) -> None:
    killer = "import os\ndef f(x):\n    if x == 2:\n        os.kill(os.getppid(), 9)\n    return x"
    rows: list[dict[str, Any]] = [{"code": killer, "input": str(x), "id": f"killer{x}"} for x in range(4)]
    rows += [{"code": f"def f(x):\n    return x + {n}", "input": "1", "id": f"fine{n}"} for n in range(6)]
    source = write_rows(tmp_path / "rows.jsonl", rows)
    options = (*TRUSTED, "--executor", executor, *(("--workers", "2") if executor == "ray" else ()))
    command = Command(source, tmp_path / "out", options)
    answer = report(command.start())
    assert (answer["planned"], answer["rows"], answer["failure_reasons"]) == (10, 9, {"poison": 1})
    (failure,) = read_failures(command.out)
    assert (failure.source_id, failure.reason) == ("killer2", "poison")
    ends = {row.source_id: row.outcome.label for row in read_traces(command.out)}
    assert ends == dict.fromkeys([row["id"] for row in rows if row["id"] != "killer2"], "returned")
    assert json.loads((command.out / "report.json").read_text())["complete"]
