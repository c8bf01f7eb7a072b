"""Corpora and packages through the real command: verdicts, licences, code without inputs, the funnel."""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.shards import read_failures, read_traces
from pipelines.without_inputs import NAME
from schemas.trace_record import TraceRecord

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def stages(report: dict[str, Any]) -> list[int]:
    return [stage["count"] for stage in report["funnel"]["stages"]]


def records(out: Path) -> dict[str, TraceRecord]:
    return {record.source_id: record for record in read_traces(out)}


@pytest.mark.patient
def test_a_table_runs_to_the_end(tmp_path: Path) -> None:
    doctest = 'def g(x):\n    """\n    >>> g(1)\n    2\n    """\n    return x + 1\n\ndef unused(): pass\n'
    rows: list[dict[str, Any]] = [
        {"files": [{"content": "def f(x):\n    return x * 2", "licence": "MIT"}], "input": "4", "output": "8"},
        {"files": [{"content": doctest, "licence": "BSD-3-Clause"}, {"content": "def (", "licence": None}]},
    ]
    source, out = tmp_path / "t.parquet", tmp_path / "out"
    pq.write_table(pa.Table.from_pylist(rows), source)
    selectors = ["--column", "code=files[].content", "--column", "licence=files[].licence"]
    command: list[str | Path] = [
        "functions",
        source,
        "-o",
        out,
        "--sandbox",
        "process",
        *selectors,
        "--json",
        "--max-failures",
        "1",
    ]
    report = report_of(run(*command))
    assert (report["planned"], report["rows"], report["failures"]) == (3, 2, 1)
    assert (report["matched"], report["mismatched"]) == (2, 0)
    assert stages(report) == [4, 3, 3, 2, 2, 2, 2]
    assert report["plan"]["functions_without_inputs"] == 1
    found = records(out)
    assert {name: one.provenance.licence for name, one in found.items()} == {
        "t.parquet#1/files[0]": "MIT",
        "t.parquet#2/files[0]:g": "BSD-3-Clause",
    }
    assert [one.source_id for one in read_failures(out)] == ["t.parquet#2/files[1]"]
    (kept,) = [json.loads(line) for line in gzip.decompress((out / NAME).read_bytes()).splitlines()]
    assert (kept["code"], kept["entries"], kept["licence"]) == (doctest, ["unused"], "BSD-3-Clause")
    again = report_of(run(*command))
    assert again["done_now"] == 0
    assert stages(again) == stages(report)
    shown = run("dataset", "stats", out).stdout
    assert "callable 2 (dropped: no_inputs 1)" in " ".join(shown.split())
    assert "t.parquet#2/files[0]:unused" in shown


@pytest.mark.patient
def test_each_test_of_each_solution_has_its_verdict(tmp_path: Path) -> None:
    row = {
        "name": "double",
        "solutions": [{"code": "n = int(input())\nprint(n * 2)"}, {"code": "print input()"}],
        "incorrect_solutions": [{"code": "n = int(input())\nprint(n + 2)"}, {"code": "n = 0\nwhile True:\n    n += 1"}],
        "public_tests": {"input": ["2\n", "5\n"], "output": ["4\n", "10\n"]},
    }
    source, out = tmp_path / "p.jsonl", tmp_path / "out"
    source.write_text(json.dumps(row) + "\n")
    report = report_of(run("functions", source, "-o", out, "--sandbox", "process", "--json", "--max-failures", "1"))
    assert report["failure_reasons"] == {"syntax_error": 1}
    verdicts = {name: [one.matched for one in record.expected] for name, record in records(out).items()}
    assert {name: verdict for name, verdict in verdicts.items() if "solution-3" not in name} == {
        "double/solution-0(right)/test-0": [True],
        "double/solution-0(right)/test-1": [True],
        "double/solution-2(wrong)/test-0": [True],
        "double/solution-2(wrong)/test-1": [False],
    }
    endless = records(out)["double/solution-3(wrong)/test-0"]
    assert (endless.outcome.label, endless.counts.events) == ("event_limit", 10_000)


@pytest.mark.patient
@pytest.mark.parametrize(("flags", "events"), [([], 10_000), (["--max-events", "50"], 50)])
def test_the_length_rule_of_programs_gives_way_to_the_users_limits(
    tmp_path: Path, flags: list[str], events: int
) -> None:
    source, out = tmp_path / "p.jsonl", tmp_path / "out"
    source.write_text(
        json.dumps({"id": "a", "solutions": [{"code": "n = 0\nwhile True:\n    n += 1"}], "inputs": [""]}) + "\n"
    )
    fixed: list[str | Path] = ["functions", source, "-o", out, "--sandbox", "process", "--check", "none", "--json"]
    report_of(run(*fixed, *flags))
    assert records(out)["a/solution-0(right)/test-0"].counts.events == events
    assert report_of(run("functions", "--recipe", out / "recipe.yaml", "--json"))["done_now"] == 0


@pytest.mark.patient
def test_the_calls_of_a_check_are_run_and_compared(tmp_path: Path) -> None:
    row = {
        "task_id": "Own/1",
        "prompt": "from typing import List\n\ndef largest(xs: List[int]) -> int:\n    '''Largest.'''\n",
        "canonical_solution": "    best = xs[0]\n    for x in xs:\n        best = max(best, x)\n    return best\n",
        "test": "def check(candidate):\n    assert candidate([1, 3, 2]) == 3\n    assert candidate([-1]) == -1\n",
        "entry_point": "largest",
    }
    source, out = tmp_path / "h.jsonl.gz", tmp_path / "out"
    source.write_bytes(gzip.compress(json.dumps(row).encode()))
    report = report_of(run("functions", source, "-o", out, "--sandbox", "process", "--json"))
    assert (report["matched"], report["mismatched"]) == (2, 0)
    assert sorted(records(out)) == ["Own/1[0]", "Own/1[1]"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--column", "code"], "has no `=`"),
        (["--column", "kode=x"], "there is no column 'kode'"),
        (["--column", "code=nothing"], "lacks code=nothing; it has the columns a"),
    ],
)
def test_wrong_selectors_end_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    source = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": ["x"]}), source)
    ended = main(["functions", str(source), "-o", str(tmp_path / "out"), "--sandbox", "process", *arguments])
    assert ended == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


DOCTEST = '''from . import base

def outer(x):
    """
    >>> outer(2)
    5
    """
    return base.inner(x) + 1
'''
PACKAGE = {
    "tinyrun/__init__.py": "from .top import outer\n",
    "tinyrun/base.py": "def inner(x):\n    y = x * 2\n    return y\n",
    "tinyrun/top.py": DOCTEST,
    "tinyrun-1.5.dist-info/METADATA": "Metadata-Version: 2.4\nName: tinyrun\nVersion: 1.5\nLicense-Expression: MIT\n",
    "tinyrun-1.5.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


@pytest.mark.docker
def test_a_package_is_installed_and_its_doctests_run_through_relative_imports(tmp_path: Path) -> None:
    record = "".join(f"{name},,\n" for name in [*PACKAGE, "tinyrun-1.5.dist-info/RECORD"])
    with zipfile.ZipFile(tmp_path / "tinyrun-1.5-py3-none-any.whl", "w") as archive:
        for name, text in {**PACKAGE, "tinyrun-1.5.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    out = tmp_path / "out"
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    command: list[str | Path] = ["functions", "package:tinyrun==1.5", "-o", out, "--check", "rerun", "--json"]
    report = report_of(run(*command, **pip))
    assert (report["planned"], report["matched"], report["determinism"]) == (1, 1, {"verified": 1})
    record_of = records(out)["tinyrun.top:outer"]
    # Calls into the package's other modules are own code, as they are in a folder.
    assert {code.name for code in record_of.codes} >= {"outer", "inner"}
    assert record_of.provenance.licence == "MIT"
    assert report_of(run(*command, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "gone")))["done_now"] == 0


def test_a_package_needs_containers(tmp_path: Path) -> None:
    done = run("functions", "package:tinyrun==1.5", "-o", tmp_path / "out", "--sandbox", "process")
    assert done.returncode == 2
    assert "module:NAME" in done.stderr
