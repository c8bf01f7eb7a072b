"""Every example runs as a user would run it, and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "01_trace_one_function.py": "total, line 7: paid = 324",
    "02_build_a_data_set.py": '<|arg_sep|>"42"<|frame_sep|><|end_of_text|>',
    "03_render_and_parse_back.py": "10 events read back",
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("[0-9]*.py")} == SAYS.keys()


@pytest.mark.patient
@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_anywhere_and_says_what_it_promises(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout


def test_examples_stay_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert not {name: lines for name, lines in lengths.items() if lines > 40}
