"""From two rows of code and input to Parquet shards, in the `process` sandbox, loaded with `datasets`.

`process` isolates nothing and is for code that you trust; without that line the same recipe runs in containers.
"""

import json
import tempfile
from pathlib import Path

from datasets import load_dataset  # type: ignore[import-untyped]

from pipelines.config import RunConfig
from pipelines.functions import run_functions

ROWS = [
    {"id": "double", "code": "def f(x):\n    y = x + x\n    return y", "input": "21", "output": "42"},
    {"id": "first", "code": "def f(words):\n    return words[0]", "input": "[]"},
]

with tempfile.TemporaryDirectory() as folder:
    source = Path(folder, "rows.jsonl")
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    config = RunConfig(sources=(str(source),), output=f"{folder}/run", sandbox="process")
    report = run_functions(config, quiet=True)
    print(f"{report.rows} records, outcomes {report.outcomes}, {report.matched} expected results came")

    files = f"{folder}/run/documents/cwm/*.parquet"
    rows = load_dataset("parquet", data_files=files, split="train", streaming=True)
    for row in rows:
        print(f"\n{row['source_id']}, {row['outcome']}\n{row['text']}")
