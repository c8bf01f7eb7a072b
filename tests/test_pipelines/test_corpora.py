"""Tables of every stored form reach the plan as the same rows, batch by batch."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.corpora.spelling import open_files, open_table, table_opener
from pipelines.corpora.stores import FsspecStore, find_on_hub
from pipelines.corpora.tables import TableFiles
from schemas.errors import EnvironmentLacking, UsageError
from schemas.job import TraceJob
from tracegen.sources import PlanSettings, plan_sources
from tracegen.sources.base import Rejected

ROWS: list[dict[str, Any]] = [
    {"content": f"def f(x):\n    return x + {n}", "input": str(n), "licence": "MIT", "other": n} for n in range(150)
]
SELECTED = (("code", "content"),)


def parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def arrow(path: Path, rows: list[dict[str, Any]], *, stream: bool) -> Path:
    table = pa.Table.from_pylist(rows)
    opener = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, opener(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)
    return path


def contents(table: TableFiles | None) -> list[Any]:
    assert table is not None
    return [row.content for row in table.rows()]


def expected() -> list[dict[str, Any]]:
    return [{name: row[name] for name in ("content", "input", "licence")} for row in ROWS]


@pytest.mark.parametrize("form", ["parquet", "arrow file", "arrow stream"])
def test_every_stored_form_gives_the_same_rows_and_only_the_columns_that_are_read(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        path = parquet(tmp_path / "t.parquet", ROWS, row_group_size=40)
    else:
        path = arrow(tmp_path / "t.arrow", ROWS, stream=form == "arrow stream")
    table = open_table(str(path), SELECTED)
    assert contents(table) == expected()
    assert table is not None
    assert [row.default_id for row in table.rows()][:2] == [f"{path.name}#1", f"{path.name}#2"]


def test_a_folder_and_a_glob_are_their_tables_in_order(tmp_path: Path) -> None:
    parquet(tmp_path / "b" / "2.parquet", ROWS[:2])
    parquet(tmp_path / "a.parquet", ROWS[2:4])
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROWS[5]).encode()))
    (tmp_path / "README.md").write_text("no table")
    found = [row["input"] for row in contents(open_table(str(tmp_path), SELECTED))]
    assert found == ["2", "3", "0", "1", "5"]
    assert len(contents(open_table(str(tmp_path / "**" / "*.parquet"), SELECTED))) == 4


def test_a_folder_with_python_files_is_source_and_an_unknown_spelling_is_not_ours(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", ROWS[:2])
    (tmp_path / "m.py").write_text("")
    assert open_table(str(tmp_path), SELECTED) is None
    assert open_table("module:json", ()) is None
    assert open_table("f('*.parquet' * 9_000)" + "x" * 5000, ()) is None


def test_the_plan_reads_a_table_with_its_licences(tmp_path: Path) -> None:
    source = str(parquet(tmp_path / "t.parquet", ROWS))
    settings = PlanSettings(python="3.11", image="x", columns=SELECTED)
    jobs = list(plan_sources([source], settings, open_rows=table_opener(SELECTED)))
    assert len(jobs) == len(ROWS)
    assert all(isinstance(job, TraceJob) and job.provenance.licence == "MIT" for job in jobs)


@pytest.mark.parametrize(
    ("columns", "message"),
    [((), "lacks one of code, prompt"), ((("code", "contents"),), "lacks code=contents"), ((("code", "m[].c"),), "m")],
)
def test_a_table_without_the_columns_is_refused_with_those_it_has(
    tmp_path: Path, columns: tuple[tuple[str, str], ...], message: str
) -> None:
    path = parquet(tmp_path / "t.parquet", ROWS[:1])
    with pytest.raises(UsageError, match=message) as caught:
        open_table(str(path), columns)
    assert "content, input, licence, other" in str(caught.value)


@pytest.mark.parametrize("name", ["none.parquet", "*.arrow"])
def test_a_table_that_does_not_exist_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="names no table"):
        open_table(str(tmp_path / name), ())


def test_a_damaged_file_is_one_error_in_its_place_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in "abc":
        parquet(tmp_path / f"{name}.parquet", ROWS[:3])
    data = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[: len(data) // 2])
    found = contents(open_table(str(tmp_path), SELECTED))
    assert [isinstance(row, Rejected) for row in found] == [False] * 3 + [True] + [False] * 3
    assert found[3].reason == "unreadable_source"


def test_a_table_is_never_held_whole(tmp_path: Path) -> None:
    """Python's and Arrow's memory stay far below the 24 MB of the text; a row group alone has 12 MB."""
    rows = [{"code": f"# {n}\n" + chr(97 + n % 26) * 4_000 + str(n), "input": "1"} for n in range(6_000)]
    path = parquet(tmp_path / "t.parquet", rows, row_group_size=3_000, use_dictionary=False, compression="none")
    del rows
    table = open_table(str(path), ())
    assert table is not None
    before, most = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    for row in table.rows():
        assert isinstance(row.content, dict)
        most = max(most, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000
    assert most < 9_000_000


@pytest.fixture
def memory_hub() -> Any:
    """An fsspec file system in memory, laid out as the Hub's: ``datasets/OWNER/NAME/...``."""
    system = fsspec.filesystem("memory")
    for name, part in (("train-00000", ROWS[:70]), ("train-00001", ROWS[70:])):
        with system.open(f"/datasets/owner/name/data/{name}.parquet", "wb") as file:
            pq.write_table(pa.Table.from_pylist(part), file, row_group_size=16)
    with system.open("/datasets/owner/name/README.md", "wb") as file:
        file.write(b"card")
    yield system
    system.rm("/datasets", recursive=True)


@pytest.mark.parametrize("path", ["", "/data", "/data/*.parquet"])
def test_a_remote_table_is_read_through_its_file_system(memory_hub: Any, path: str) -> None:
    store = FsspecStore(memory_hub)
    source = f"hf://datasets/owner/name{path}"
    table = open_files(source, store, find_on_hub(store, source), SELECTED)
    assert contents(table) == expected()


def test_a_remote_file_is_read_in_ranges(memory_hub: Any) -> None:
    """Stopping after the first row leaves most of a file unread."""
    read = 0

    class Counting(FsspecStore):
        def open(self, path: str) -> Any:
            file = super().open(path)
            original = file.read

            def counted(size: int = -1) -> bytes:
                nonlocal read
                data: bytes = original(size)
                read += len(data)
                return data

            vars(file)["read"] = counted
            return file

    big = [{"code": f"{n:06}" * 4_000, "input": "1"} for n in range(600)]
    with memory_hub.open("/datasets/owner/big.parquet", "wb") as out:
        pq.write_table(pa.Table.from_pylist(big), out, row_group_size=64, compression="none", use_dictionary=False)
    size = memory_hub.size("/datasets/owner/big.parquet")
    table = TableFiles("hf://x", Counting(memory_hub), ("/datasets/owner/big.parquet",), frozenset({"code"}))
    next(iter(table.rows()))
    assert 0 < read < size / 4


@pytest.mark.parametrize("source", ["hf://models/x/y", "hf://datasets/alone", "hf://owner/name"])
def test_what_is_no_data_set_is_refused(memory_hub: Any, source: str) -> None:
    with pytest.raises(UsageError, match="hf://datasets/OWNER/NAME"):
        find_on_hub(FsspecStore(memory_hub), source)


def test_a_hub_that_cannot_be_reached_is_an_environment_that_lacks_something() -> None:
    class Dead:
        def find(self, path: str) -> list[str]:
            raise ConnectionError("no route to host")

    with pytest.raises(EnvironmentLacking, match="no route to host; check the name, the network"):
        find_on_hub(FsspecStore(Dead()), "hf://datasets/owner/name")
