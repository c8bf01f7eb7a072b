"""Real recordings through both renderers: golden bytes, and states that parse back."""

import random

import programs
import pytest
from golden import check_golden
from interpreters import ROOT
from jobs import make_job, run_record, run_row

from sandboxes.api import Pool
from sandboxes.interpreters import Interpreter
from sandboxes.open import open_pool, resolve_image
from schemas.failure import Failure
from schemas.job import TraceInput
from schemas.limits import Limits
from schemas.trace_record import TraceRecord
from tracegen.render import PARSERS, RENDERERS
from tracegen.replay import replay
from tracegen.runner import TraceRunner, pool_spec
from tracegen.sources import PlanSettings, plan_sources

EXAMPLE = """def f(s, t):
    n = 0
    for c in s:
        n += g(c, t)
    return n

def g(a, b):
    return int(a == b)
"""


def text(record: TraceRecord, renderer: str) -> str:
    return "".join(segment.text for segment in RENDERERS[renderer].render(record))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_example_of_the_format_is_what_the_recorder_gives(primary: Pool, renderer: str) -> None:
    name = "example" if renderer == "cwm" else "example_recorded"
    check_golden(f"{name}.{renderer}.txt", text(run_record(primary, EXAMPLE, "f('ab', 'b')"), renderer))


def assert_parses_back(record: TraceRecord) -> None:
    states = [dict(state) for _, state in replay(record.events)]
    compact = PARSERS["compact"](RENDERERS["compact"].render(record))
    assert [(event.kind, event.state) for event in compact.events] == [
        (event.kind, state) for event, state in zip(record.events, states, strict=True)
    ]
    cwm = PARSERS["cwm"](RENDERERS["cwm"].render(record))
    for parsed, event, state in zip(cwm.events, record.events, states, strict=True):
        if event.kind in ("call", "line", "resume"):
            assert parsed.state == state


def test_generated_programs_parse_back(primary: Pool) -> None:
    for seed in range(40):
        assert_parses_back(run_record(primary, programs.program(random.Random(seed).randrange), "run()"))


def test_the_corpus_parses_back(primary: Pool) -> None:
    for path in sorted((ROOT / "tests/corpus").glob("*.py")):
        record = run_record(primary, path.read_text(), "run()")
        assert record.outcome.label == "returned"
        assert_parses_back(record)


def test_sample_functions_are_recorded_as_promised_and_parse_back(primary: Pool, secondary: Pool) -> None:
    settings = PlanSettings(python="3.11", image="test")
    runner = TraceRunner(primary, secondary, "full")
    planned = list(plan_sources([str(ROOT / "tests/data/functions_sample.jsonl")], settings))
    rows = [row for job in planned if not isinstance(job, Failure) for row in runner.run(job)]
    records = [row for row in rows if isinstance(row, TraceRecord)]
    assert len(records) == len(rows) > 10
    assert all(item.matched for record in records for item in record.expected)
    assert {record.determinism.label for record in records} == {"verified"}
    for record in records:
        assert_parses_back(record)


def test_text_that_looks_like_special_tokens_stays_text(primary: Pool) -> None:
    source = "def f(x):\n    y = x + '<|frame_sep|>'  # <|end_of_text|>\n    return y\n"
    record = run_record(primary, source, "f('<|line_sep|>')")
    assert_parses_back(record)
    for renderer in RENDERERS.values():
        plain = [segment.text for segment in renderer.render(record) if not segment.special]
        assert any("<|end_of_text|>" in text for text in plain)
        assert any("<|line_sep|>" in text for text in plain)


def test_a_job_of_every_kind_makes_one_row_per_input(primary: Pool) -> None:
    job = make_job(EXAMPLE, "f('a', 'a')", "f('', '')")
    assert [row.inputs for row in TraceRunner(primary, None, "none").run(job)] == ["f('a', 'a')", "f('', '')"]


def test_the_example_is_the_same_under_every_python(interpreter: Interpreter) -> None:
    image = resolve_image("process", python=interpreter.executable)
    with open_pool("process", pool_spec(0, Limits()), image) as pool:
        record = run_record(pool, EXAMPLE, "f('ab', 'b')")
    assert record.python == interpreter.version
    check_golden("example.cwm.txt", text(record, "cwm"))


def test_comprehensions_have_frames_up_to_3_11_and_none_later(interpreter: Interpreter) -> None:
    image = resolve_image("process", python=interpreter.executable)
    source = "def f(n):\n    return [i * n for i in range(n)]\n"
    with open_pool("process", pool_spec(0, Limits()), image) as pool:
        record = run_record(pool, source, "f(2)")
    inlined = tuple(map(int, interpreter.minor.split("."))) >= (3, 12)
    check_golden(f"comprehension_{'inlined' if inlined else 'framed'}.cwm.txt", text(record, "cwm"))


def test_a_program_parses_back(primary: Pool) -> None:
    item = TraceInput(source_id="contest#0", text="3 4\n")
    source = "a, b = map(int, input().split())\nfor i in range(a):\n    b += i\nprint(b)\n"
    row = run_row(primary, make_job(source, "", kind="program", entry="", inputs=(item,)))
    assert isinstance(row, TraceRecord)
    assert row.stdout.text == "7\n"
    assert_parses_back(row)
    check_golden("program.cwm.txt", text(row, "cwm"))
