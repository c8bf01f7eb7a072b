"""Hostile programs through the real command and containers: each ends as CONTRACTS says, its neighbours unharmed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.shards import read_failures, read_traces
from sandboxes import resolve_image
from schemas.errors import BackendUnavailable
from schemas.failure import Failure
from schemas.trace_record import TraceRecord

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
FINE = "def f(x):\n    y = x * 2\n    return y"


def programs(kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the codes and the ends of one of the files in tests/data: sections ``### NAME: END``, then the code."""
    sections = (ROOT / f"tests/data/hostile_{kind}.txt").read_text().split("### ")[1:]
    codes, ends = {}, {}
    for section in sections:
        head, _, code = section.partition("\n")
        name, _, end = head.partition(": ")
        codes[name], ends[name] = code.strip("\n"), end
    return codes, ends


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    try:
        resolve_image("docker")
    except BackendUnavailable as error:
        if os.environ.get("TRACEGEN_REQUIRE_DOCKER") == "1":
            pytest.fail(f"TRACEGEN_REQUIRE_DOCKER=1, but {error}")
        pytest.skip(str(error))


def trace(source: Path, out: Path, check: str) -> dict[str, Any]:
    flags = ["--check", check, "--wall-seconds", "2", "--max-events", "5000", "--max-failures", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "functions", source, "-o", out, *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["rows"] + report["failures"] == report["planned"]
    return report


def end(row: TraceRecord | Failure) -> str:
    if isinstance(row, Failure):
        return f"failure {row.reason}"
    outcome = row.outcome
    parts = [outcome.label, outcome.signal and f"signal {outcome.signal}", outcome.exit_code]
    return " ".join(str(part) for part in parts if part is not None)


def rows_of(out: Path) -> dict[str, TraceRecord | Failure]:
    found: dict[str, TraceRecord | Failure] = {row.source_id: row for row in read_traces(out)}
    return found | {row.source_id: row for row in read_failures(out)}


def corpus(path: Path, codes: dict[str, str]) -> Path:
    lines = []
    for number, (name, code) in enumerate(codes.items()):
        lines.append(json.dumps({"id": name, "code": code, "input": "1"}))
        fine = {"id": f"fine {number}", "code": f"{FINE}  # {number}", "input": str(number), "output": str(2 * number)}
        lines.append(json.dumps(fine))
    path.write_text("\n".join([*lines, '{"code": "def f(', ""]))
    return path


def check_fine(rows: dict[str, TraceRecord | Failure], count: int) -> None:
    """The row after each hostile one is whole."""
    fine = [row for name, row in rows.items() if name.startswith("fine")]
    assert len(fine) == count
    for row in fine:
        assert isinstance(row, TraceRecord)
        assert [each.matched for each in row.expected] == [True]
        assert [event.line for event in row.events] == [1, 2, 1, 2, 3, 3, 2]


def check_run(kind: str, check: str, folder: Path) -> dict[str, TraceRecord | Failure]:
    """Trace one file of programs; check all ends and neighbours; return the rows of the programs."""
    codes, ends = programs(kind)
    report = trace(corpus(folder / "rows.jsonl", codes), folder / "out", check)
    rows = rows_of(folder / "out")
    assert report["planned"] == len(rows) == 2 * len(codes) + 1
    assert end(rows.pop(f"rows.jsonl#{2 * len(codes) + 1}")) == "failure bad_row"
    check_fine(rows, len(codes))
    assert {name: end(rows[name]) for name in codes} == ends
    return {name: rows[name] for name in codes}


def test_programs_that_die_end_as_the_contract_says_and_harm_no_other(tmp_path: Path) -> None:
    rows = check_run("hard", "none", tmp_path)
    records = [row for row in rows.values() if isinstance(row, TraceRecord)]
    assert all(row.events and row.sandbox == "docker" for row in records)


def test_programs_that_misbehave_end_as_the_contract_says_and_harm_no_other(tmp_path: Path) -> None:
    rows = check_run("soft", "full", tmp_path)
    records = {name: row for name, row in rows.items() if isinstance(row, TraceRecord)}
    assert (records["bytes"].stdout.text, records["bytes"].stdout.escaped) == ("\\xff\\\\", True)
    assert [each.kind for each in records["settrace"].elisions] == ["tracer_removed"]
    assert records["repr_prints"].stdout.text == ""
    assert records["repr_mutates"].events[-1].value == "0"
    assert records["surrogate"].events[-1].value == "'<|end_of_text|>\\udc80'"
    told = ("bytes", "settrace", "repr_prints", "repr_mutates", "surrogate", "endless", "memory", "sys_exit")
    assert {records[name].determinism.label for name in told} == {"verified"}


MIXED = """
import builtins, os, random, signal, sys, threading, time, warnings
SEEN = []

def f(what):
    SEEN.append(what)
    if what == "exit":
        os._exit(3)
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "sleep":
        time.sleep(99)
    if what == "raise":
        return 1 // 0
    if what == "thread":
        threading.Thread(target=time.sleep, args=(99,)).start()
    if what == "settrace":
        sys.settrace(None)
    if what == "surroundings":
        os.chdir("/")
        os.environ.clear()
        sys.path.clear()
        sys.stdout = None
        warnings.simplefilter("error")
        sys.setrecursionlimit(60)
    if what == "alarm":
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.alarm(1)
    if what == "streams":
        os.close(1)
        os.close(2)
    if what == "builtins":
        builtins.len = lambda items: 99
    if what == "fork":
        return os.fork() > 0
    return SEEN, random.random(), len(os.getcwd()) > 1, len(os.environ) > 1
"""


def test_inputs_of_one_job_do_not_feel_each_other(tmp_path: Path) -> None:
    hostile = ["exit", "kill", "sleep", "raise", "thread", "settrace", "surroundings", "alarm", "streams", "fork"]
    inputs = [text for what in hostile for text in (repr(what), "'fine'")]
    source = tmp_path / "mixed.jsonl"
    source.write_text(json.dumps({"id": "m", "code": MIXED, "input": inputs}) + "\n")
    report = trace(source, tmp_path / "out", "full")
    rows = rows_of(tmp_path / "out")
    assert report["failures"] == 0
    found = [rows[f"m[{number}]"] for number in range(len(inputs))]
    assert [end(row) for row in found[::2]] == [
        "exited 3",
        "killed signal 9",
        "timeout signal 9",
        "raised",
        *["returned"] * 6,
    ]
    fine = [row for row in found[1::2] if isinstance(row, TraceRecord)]
    assert {row.determinism.label for row in fine} == {"verified"}
    assert len({row.events[-1].value for row in fine}) == 1
    assert str(fine[0].events[-1].value).startswith("(['fine'], 0.")
    assert str(fine[0].events[-1].value).endswith(", True, True)")
