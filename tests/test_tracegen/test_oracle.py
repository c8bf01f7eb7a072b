"""Replayed deltas equal what a naive tracer sees, under every Python at hand."""

import json
import random
from pathlib import Path

import oracle
import programs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreters import ROOT, run_oracle

from sandboxes.interpreters import Interpreter

CORPUS = sorted((ROOT / "tests/corpus").glob("*.py"))
CRUXEVAL = ROOT.parent / "shared/data/cruxeval-even.jsonl"


def test_the_corpus_of_traps_replays(interpreter: Interpreter) -> None:
    found = run_oracle(interpreter, [(path.name, path.read_text()) for path in CORPUS])
    assert found["faults"] == []
    assert found["events"] > 300


@pytest.mark.patient
def test_generated_programs_replay(interpreter: Interpreter) -> None:
    made = [(f"made_{seed}.py", programs.program(random.Random(seed).randrange)) for seed in range(150)]
    found = run_oracle(interpreter, made)
    assert found["faults"] == []
    assert found["events"] > 5_000


@pytest.mark.patient
def test_real_functions_replay(interpreter: Interpreter) -> None:
    rows = [json.loads(line) for line in _real_functions().read_text().splitlines()]
    made = [
        (str(row.get("id")), f"{row['code']}\n\ndef run():\n    return f({row['input']}\n    )\n")
        for row in rows
        if isinstance(row.get("input"), str) and "def f(" in row["code"]
    ]
    found = run_oracle(interpreter, made)
    assert found["faults"] == []
    assert found["events"] > 5 * len(made)


def _real_functions() -> Path:
    return CRUXEVAL if CRUXEVAL.exists() else ROOT / "tests/data/functions_sample.jsonl"


GUEST = oracle.load(str(ROOT), "tracegen.guest")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_drawn_programs_replay(data: st.DataObject) -> None:
    source = programs.program(lambda n: data.draw(st.integers(0, n - 1)), size=6)
    events, faults = oracle.check(GUEST, "drawn.py", source)
    assert faults == []
    assert events > 2


def test_the_oracle_can_fail() -> None:
    """A recorder that does not look into a list again is caught."""
    stale = [["c", 1, 1], ["l", 1, 2], ["l", 1, 3, {"a": "[]"}], ["l", 1, 4]]
    seen = [(1, "run", "call", 1, {}), (1, "run", "line", 2, {}), (1, "run", "line", 3, {"a": "[]"})]
    seen.append((1, "run", "line", 4, {"a": "[1]"}))
    faults = list(oracle.faults("alias.py", list(oracle.replayed(stale)), seen))
    assert len(faults) == 1
    assert "'[1]'" in faults[0]
