"""The closing report adds up, or says that it does not."""

from collections import Counter
from pathlib import Path

import pytest
from shard_rows import Rows

from pipelines.progress import duration, pace
from pipelines.report import make_report, report_lines
from pipelines.shard_buffer import Finished, ShardBuffer, ShardThresholds
from pipelines.shards import ShardWriter
from pipelines.tally import Tally
from schemas.errors import TracegenError


@pytest.fixture
def run_dir(tmp_path: Path, rows: Rows) -> Path:
    target = ShardBuffer(ShardWriter(tmp_path, "functions"), ShardThresholds())
    right, wrong = rows.record(0), rows.record(1, value="2")
    target.add(Finished([right, wrong], [rows.document(right), rows.document(wrong)], [rows.failure(2)]))
    target.flush()
    return tmp_path


def test_the_report_adds_up(run_dir: Path) -> None:
    report = make_report(run_dir, complete=True, planned=3, finished=0, before=0, seconds=2.0)
    report.check()
    assert (report.rows, report.failures, report.matched, report.mismatched) == (2, 1, 1, 1)
    assert (report.documents, report.events, report.rows_per_second) == ({"cwm": 2}, 6, 1.5)
    lines = dict(report_lines(report))
    assert lines["failure rows"] == "1 (33.3 %)"
    assert lines["  by reason"] == "bad_row 1 (100.0 %)"
    assert lines["expected results"] == "1 of 2 came"


@pytest.mark.parametrize(("planned", "before", "finished"), [(4, 0, 0), (2, 0, 0), (3, 2, 1)])
def test_a_breach_is_an_error_that_names_the_numbers(run_dir: Path, planned: int, before: int, finished: int) -> None:
    report = make_report(run_dir, complete=True, planned=planned, finished=finished, before=before, seconds=1.0)
    with pytest.raises(TracegenError, match=f"{planned} inputs were planned"):
        report.check()


def test_an_interrupted_run_is_not_expected_to_add_up(run_dir: Path) -> None:
    make_report(run_dir, complete=False, planned=9, finished=0, before=0, seconds=1.0).check()


def test_the_pace_shows_rate_time_left_and_failures() -> None:
    tally = Tally(outcomes=Counter(returned=90), failures=Counter(timeout=10, bad_row=0))
    assert pace(tally, 400, 10.0) == "10.0 per s, 0:30 left; failed: timeout 10"
    assert pace(Tally(), None, 0.0) == "0.0 per s"
    assert duration(3725) == "1:02:05"
