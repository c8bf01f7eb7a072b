"""The real command on real sources: what it prints, writes and ends with, also when it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main
from pipelines.manifests import finished_ids, manifests
from pipelines.run_lock import run_lock
from pipelines.shards import read_documents, read_failures, read_traces

ROOT = Path(__file__).parents[2]
TRUSTED = ("--sandbox", "process", "--check", "none")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pipelines", *map(str, arguments)]


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def corpus(path: Path, count: int, code: str = "def f(x):\n    y = x + 1\n    return y") -> Path:
    rows = [{"code": code, "input": str(n), "output": str(n + 1), "id": f"s{n}"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom pipelines.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'pyarrow', 'ray', 'rich', 'docker', 'yaml', 'datasets'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "heavy: []" in done.stdout
    assert all(verb in done.stdout for verb in ("trace", "functions", "render", "dataset", "doctor"))


def test_a_run_writes_its_rows_and_says_so_and_the_next_ends_at_once(tmp_path: Path) -> None:
    source, out = corpus(tmp_path / "numbers.jsonl", 8), tmp_path / "out"
    done = run("functions", source, "-o", out, "--sandbox", "process", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["planned"], report["rows"], report["failures"], report["done_now"]) == (8, 8, 0, 8)
    assert report["determinism"] == {"verified": 8}
    assert (report["matched"], report["mismatched"]) == (8, 0)
    assert report["documents"] == {"compact": 8, "cwm": 8}
    assert report == json.loads((out / "report.json").read_text())
    assert sorted(record.source_id for record in read_traces(out)) == [f"s{n}" for n in range(8)]
    again = run("functions", source, "-o", out, "--sandbox", "process")
    assert again.returncode == 0
    assert "this run          0 inputs" in again.stdout
    from_recipe = run("functions", "--recipe", out / "recipe.yaml", "--json")
    assert json.loads(from_recipe.stdout)["done_now"] == 0


@pytest.mark.patient
@pytest.mark.parametrize(
    ("flags", "kind"), [(["--expressions"], "expression"), (["--granularity", "opcode"], "opcode")]
)
def test_details_are_stored_validated_and_part_of_the_ids(tmp_path: Path, flags: list[str], kind: str) -> None:
    source, out = corpus(tmp_path / "numbers.jsonl", 2, "def f(x):\n    return abs(x) + 1"), tmp_path / "out"
    done = run("functions", source, "-o", out, "--sandbox", "process", *flags)
    assert done.returncode == 0, done.stderr
    found = list(read_traces(out))
    assert all(any(event.kind == kind for event in record.events) for record in found)
    assert {record.determinism.label for record in found} == {"verified"}
    checked = run("dataset", "validate", out)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    refused = run("functions", source, "-o", out, "--sandbox", "process")
    assert refused.returncode == 2
    assert flags[0].strip("-") in refused.stderr


def test_expressions_of_a_call_are_shown() -> None:
    done = run("trace", "examples/shop.py", "total({'tea': 250}, {})", "--expressions")
    assert done.returncode == 0, done.stderr
    assert "price * percent" in done.stdout
    assert "→ 0" in done.stdout or "-> 0" in done.stdout


@pytest.mark.patient
def test_a_larger_limit_continues_and_a_smaller_one_counts_the_rest_as_unplanned(tmp_path: Path) -> None:
    source, out = corpus(tmp_path / "numbers.jsonl", 8), tmp_path / "out"

    def report(limit: int) -> dict[str, Any]:
        done = run("functions", source, "-o", out, *TRUSTED, "--limit", str(limit), "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    first, second, third = report(3), report(5), report(2)
    assert first["rows"] == 3
    assert [second[name] for name in ("planned", "rows", "done_now")] == [5, 5, 2]
    assert [third[name] for name in ("planned", "rows", "unplanned")] == [2, 5, 3]


@pytest.mark.patient
def test_another_recipe_in_the_same_directory_is_refused_by_field(tmp_path: Path) -> None:
    source, out = corpus(tmp_path / "numbers.jsonl", 2), tmp_path / "out"
    assert run("functions", source, "-o", out, *TRUSTED, "--quiet").returncode == 0
    done = run(
        "functions", source, "-o", out, *TRUSTED, "--max-events", "7", "--renderer", "cwm", "--max-failures", "1"
    )
    assert done.returncode == 2
    assert "limits.max_events was 20000, is 7" in done.stderr
    assert "renderers was ['cwm', 'compact'], is ['cwm']" in done.stderr
    assert "max_failures" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.patient
def test_failure_rows_are_kept_and_their_share_decides_the_exit_code(tmp_path: Path) -> None:
    source = corpus(tmp_path / "numbers.jsonl", 3)
    source.write_text(source.read_text() + 'not json\n{"code": "def f(:", "input": "1", "id": "broken"}\n')
    done = run("functions", source, "-o", tmp_path / "out", *TRUSTED)
    assert done.returncode == 1
    assert "40.0 % of the inputs are failure rows, more than --max-failures 0.1 allows" in done.stderr
    assert {row.reason for row in read_failures(tmp_path / "out")} == {"bad_row", "syntax_error"}
    assert len(list(read_traces(tmp_path / "out"))) == 3
    lenient = run("functions", source, "-o", tmp_path / "out", *TRUSTED, "--max-failures", "0.5", "--quiet")
    assert (lenient.returncode, lenient.stdout, lenient.stderr) == (0, "", "")


@pytest.mark.patient
def test_hostile_programs_end_as_labelled_rows(tmp_path: Path) -> None:
    codes = {
        "raises": "def f(x):\n    return 1 // 0",
        "exits": "import os\ndef f(x):\n    os._exit(3)",
        "loops": "def f(x):\n    while True:\n        x += 1",
        "bytes": "import os\ndef f(x):\n    os.write(1, b'\\xff\\xfe')\n    return x",
    }
    source = tmp_path / "hostile.jsonl"
    rows = [json.dumps({"code": code, "input": "1", "id": name}) for name, code in codes.items()]
    source.write_text("\n".join(rows) + "\n")
    out = tmp_path / "out"
    done = run("functions", source, "-o", out, *TRUSTED, "--max-events", "500", "--max-failures", "1", "--json")
    assert done.returncode == 0, done.stderr
    ends: dict[str, str] = {record.source_id: record.outcome.label for record in read_traces(out)}
    ends |= {failure.source_id: failure.reason for failure in read_failures(out)}
    assert ends == {"raises": "raised", "exits": "exited", "loops": "event_limit", "bytes": "returned"}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nonsense"], 2, "invalid choice"),
        (["functions", "absent.jsonl", "-o", "out"], 2, "no such file"),
        (["functions", "absent.jsonl"], 2, "add -o DIR"),
        (["functions", "-o", "out"], 2, "no source was given"),
        (["functions", "a.py", "-o", "out", "--renderer", "morse"], 2, "compact, cwm"),
        (["functions", "a.py", "-o", "out", "--max-failures", "2"], 2, "max_failures"),
        (["functions", "a.py", "-o", "out", "--wall-seconds", "none"], 2, "limits.wall_seconds"),
        (["functions", "a.py", "nowhere()", "-o", "out"], 2, "nowhere"),
        (["functions", "a.py", "-o", "out", "--workers", "3"], 2, "--executor ray"),
        (["functions", "a.py", "-o", "out", "--expressions", "--granularity", "opcode"], 2, "choose one of the two"),
        (["trace", "a.py", "f(1)", "--expressions", "--granularity", "opcode"], 2, "choose one of the two"),
        (["trace", "a.py", "f(1)", "--granularity", "opcode"], 2, "--renderer: compact"),
        (["trace", "a.py", "f(1)", "--expressions", "--renderer", "cwm"], 2, "terminal, annotated, compact"),
        (["functions", "--recipe", "absent"], 2, "demo"),
        (["functions", "--recipe", "odd.yaml"], 2, "colour: no such field"),
        (["functions", "--recipe", "list.yaml"], 2, "mapping"),
        (["render", "out", "--renderer", "cwm"], 2, "no finished shard"),
        (["dataset", "show", "out"], 2, "no data set"),
        (["dataset", "stats", "."], 2, "no data set"),
    ],
)
def test_wrong_use_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text('def f(x):\n    """\n    >>> f(1)\n    1\n    """\n    return x\n')
    (tmp_path / "odd.yaml").write_text("sources: [a.py]\noutput: out\ncolour: red\n")
    (tmp_path / "list.yaml").write_text("- a.py\n")
    trusted = ["--sandbox", "process"] if arguments[0] == "functions" else []
    try:
        ended: object = main([*arguments, *trusted])
    except SystemExit as wrong:  # of argparse
        ended = wrong.code
    told = capsys.readouterr().err
    assert (ended, text in told) == (code, True), told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists(), "something was written"


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = run("functions", "absent.jsonl", "-o", tmp_path / "out", "--sandbox", "process", "--debug")
    assert "Traceback" in done.stderr


def test_an_engine_that_does_not_answer_ends_with_three(tmp_path: Path) -> None:
    source = corpus(tmp_path / "numbers.jsonl", 2)
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/absent.sock"}
    done = subprocess.run(
        command("functions", source, "-o", tmp_path / "out"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    source = corpus(tmp_path / "numbers.jsonl", 2)
    with run_lock(tmp_path / "out"):
        done = run("functions", source, "-o", tmp_path / "out", *TRUSTED)
    assert (done.returncode, "another run" in done.stderr) == (2, True)


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


@pytest.mark.patient
@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.ray)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_finished_and_continues(
    tmp_path: Path, executor: str, number: signal.Signals
) -> None:
    source, out = tmp_path / "mixed.jsonl", tmp_path / "out"
    corpus(source, 12)
    slow = {"code": "import time\ndef f(x):\n    time.sleep(4)\n    return x", "input": "1"}
    source.write_text(source.read_text() + "".join(json.dumps({**slow, "id": f"slow{n}"}) + "\n" for n in range(2)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"sources: [{source}]\noutput: {out}\nsandbox: process\ncheck: none\nexecutor: {executor}\n"
        "shards: {rows: 5}\n" + ("workers: 2\n" if executor == "ray" else "")
    )
    process = subprocess.Popen(
        command("functions", "--recipe", recipe),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len(finished_ids(out)) >= 5, process)
    # As a terminal does it: the signal goes to the whole group.
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert "Continue with the same command" in errors
    assert "Traceback" not in errors
    kept = finished_ids(out)
    assert 5 <= len(kept) < 14
    assert json.loads((out / "report.json").read_text())["complete"] is False
    before = {manifest.shard for manifest in manifests(out)}
    done = run("functions", "--recipe", recipe, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["planned"], report["rows"], report["done_now"]) == (14, 14, 14 - len(kept))
    assert before < {manifest.shard for manifest in manifests(out)}
    ids = [record.source_id for record in read_traces(out)]
    assert len(ids) == len(set(ids)) == 14


@pytest.mark.patient
def test_rows_are_shown_by_number_and_id_and_rendered_again(tmp_path: Path) -> None:
    source, out = corpus(tmp_path / "numbers.jsonl", 3), tmp_path / "out"
    source.write_text(source.read_text() + "not json\n")
    run("functions", source, "-o", out, *TRUSTED, "--renderer", "cwm", "--max-failures", "1", "--quiet")
    first = next(read_traces(out))
    assert first.source_id in run("dataset", "show", out).stdout
    assert "y = 3" in run("dataset", "show", out, "s2").stdout
    assert json.loads(run("dataset", "show", out, first.trace_id[:12], "--json").stdout)["trace_id"] == first.trace_id
    (failure,) = read_failures(out)
    assert "bad_row" in run("dataset", "show", out, failure.trace_id).stdout
    missing = run("dataset", "show", out, "--row", "4")
    assert (missing.returncode, "has 3 records" in missing.stderr) == (2, True)
    assert "tracegen render" in run("dataset", "show", out, "s1", "--renderer", "compact").stderr
    assert run("render", out, "--renderer", "compact").stdout.startswith("compact: 3 documents written")
    assert run("render", out, "--renderer", "compact").stdout.startswith("compact: 0 documents written, 3 were there")
    text = run("dataset", "show", out, "s1", "--renderer", "compact").stdout
    assert text == next(d.text for d in read_documents(out, "compact") if d.source_id == "s1") + "\n"
    numbers = json.loads(run("dataset", "stats", out, "--json").stdout)
    assert (numbers["rows"], numbers["failures"], numbers["documents"]) == (3, 1, {"compact": 3, "cwm": 3})
    again = run("functions", source, "-o", out, *TRUSTED, "--renderer", "cwm", "--max-failures", "1", "--json")
    assert json.loads(again.stdout)["done_now"] == 0
    assert len(list(read_documents(out, "compact"))) == 3, "the sweep took a rendering for a stray"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--package", "git"], "--package goes with --debian SUITE"),
        (["--debian", "bookworm", "--shell"], "drop --python and --shell"),
        (["--debian", "BOOKWORM"], "no name of a Debian suite"),
    ],
)
def test_a_base_that_cannot_be_made_is_said_before_anything_is_started(arguments: list[str], said: str) -> None:
    done = run("sandbox", "base", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
