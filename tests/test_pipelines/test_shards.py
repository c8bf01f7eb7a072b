"""A shard is wholly there or not at all, whatever the disk does, and other tools read it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shard_rows import Rows

from pipelines.atomic import atomic_file
from pipelines.manifests import finished_ids, manifest_path, manifests
from pipelines.run_lock import run_lock, sweep
from pipelines.shard_buffer import Finished, ShardBuffer, ShardThresholds
from pipelines.shards import ShardWriter, read_documents, read_failures, read_traces
from pipelines.tally import tally_of
from schemas.base import digest
from schemas.errors import ShardCorrupt, StorageFailed, UsageError
from schemas.trace_record import Event

NEVER = ShardThresholds(rows=10**9, bytes=10**12, seconds=10**9)
ROOT = Path(__file__).parents[2]


def buffer(run_dir: Path, thresholds: ShardThresholds = NEVER) -> ShardBuffer:
    return ShardBuffer(ShardWriter(run_dir, "functions"), thresholds)


def fill(target: ShardBuffer, rows: Rows, numbers: range, value: str = "1") -> None:
    for number in numbers:
        record = rows.record(number, value)
        target.add(Finished([record], [rows.document(record), rows.document(record, "compact")]))


def files_in(run_dir: Path) -> set[str]:
    return {path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*") if path.is_file()}


def test_what_was_written_is_read_back(tmp_path: Path, rows: Rows) -> None:
    target = buffer(tmp_path)
    fill(target, rows, range(5))
    target.add(Finished(failures=[rows.failure(9)]))
    target.flush()
    (manifest,) = manifests(tmp_path)
    assert list(read_traces(tmp_path)) == [rows.record(number) for number in range(5)]
    assert list(read_documents(tmp_path, "cwm")) == [rows.document(rows.record(number)) for number in range(5)]
    assert len(list(read_documents(tmp_path))) == 10
    assert list(read_failures(tmp_path)) == [rows.failure(9)]
    assert manifest.shard == digest(sorted(manifest.done))
    assert files_in(tmp_path) == {
        f"traces/{manifest.shard}.parquet",
        f"documents/cwm/{manifest.shard}.parquet",
        f"documents/compact/{manifest.shard}.parquet",
        f"failures/{manifest.shard}.parquet",
        f"_manifest/functions/{manifest.shard}.json",
    }
    assert (manifest.outcomes, manifest.failures, manifest.events) == ({"returned": 5}, {"bad_row": 1}, 15)
    assert (manifest.matched, manifest.mismatched) == (5, 0)
    assert finished_ids(tmp_path) == {f"{number:032x}" for number in (0, 1, 2, 3, 4, 9)}


@pytest.mark.parametrize("thresholds", [ShardThresholds(rows=4), ShardThresholds(bytes=1), ShardThresholds(seconds=0)])
def test_each_threshold_writes_a_shard(tmp_path: Path, rows: Rows, thresholds: ShardThresholds) -> None:
    target = buffer(tmp_path, thresholds)
    flushed = [target.add(Finished([rows.record(number)]))[1] for number in range(4)]
    assert flushed[-1]
    assert len(finished_ids(tmp_path)) == 4


def test_a_row_group_stays_below_its_size(tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.shards.ROW_GROUP_BYTES", 200_000)
    target = buffer(tmp_path)
    fill(target, rows, range(20), value="x" * 30_000)
    target.flush()
    (path,) = (tmp_path / "traces").iterdir()
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert len(groups) >= 3
    assert all(group.num_rows > 1 for group in groups[:-1])
    assert groups[0].column(0).has_offset_index
    assert groups[0].column(0).compression == "ZSTD"


def test_a_record_without_a_stored_form_becomes_a_failure_row(tmp_path: Path, rows: Rows) -> None:
    bad = rows.record(1).model_copy(update={"events": (Event("line", 1, 1, {"x": "\udcff"}),), "inputs": "f('\ud800')"})
    target = buffer(tmp_path)
    target.add(Finished([rows.record(0), bad], [rows.document(bad), rows.document(rows.record(0))]))
    target.add(Finished([rows.record(2)], [rows.document(rows.record(2))], [rows.failure(3)]))
    target.flush()
    (manifest,) = manifests(tmp_path)
    tally = tally_of(manifest)
    assert (tally.rows, dict(tally.documents)) == (2, {"cwm": 2}), "its batch has to go on without it"
    assert dict(tally.failures) == {"recorder_error": 1, "bad_row": 1}
    failure = next(row for row in read_failures(tmp_path) if row.reason == "recorder_error")
    assert failure.inputs == "f('\\ud800')"
    assert finished_ids(tmp_path) == {f"{number:032x}" for number in range(4)}


def test_a_failed_body_leaves_neither_file_nor_temporary(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with atomic_file(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert files_in(tmp_path) == set()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of one megabyte; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def noise(number: int, size: int) -> str:
    return "".join(digest([number, part]) for part in range(size // 32))


def test_a_full_disk_leaves_only_whole_shards_and_space_lets_it_go_on(small_disk: Path, rows: Rows) -> None:
    first = buffer(small_disk)
    fill(first, rows, range(3))
    first.flush()
    before = files_in(small_disk)
    second = buffer(small_disk)
    for number in range(10, 40):
        second.add(Finished([rows.record(number, noise(number, 60_000))]))
    with pytest.raises(StorageFailed, match=r"No space left.*free some space"):
        second.flush()
    assert files_in(small_disk) == before
    assert len(finished_ids(small_disk)) == 3
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    second.flush()
    assert len(list(read_traces(small_disk))) == 33


def test_a_limit_on_file_sizes_is_storage_that_failed(tmp_path: Path, rows: Rows) -> None:
    target = buffer(tmp_path)
    for number in range(10):
        target.add(Finished([rows.record(number, noise(number, 60_000))]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StorageFailed, match="ulimit"):
            target.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert files_in(tmp_path) == set()


def test_a_path_that_is_no_directory_is_storage_that_failed(tmp_path: Path, rows: Rows) -> None:
    (tmp_path / "run").write_text("a file")
    target = buffer(tmp_path / "run")
    fill(target, rows, range(1))
    with pytest.raises(StorageFailed, match="parents are directories"):
        target.flush()


def test_a_read_only_directory_is_storage_that_failed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a read-only mount needs root")
    program = (
        "from pathlib import Path\nfrom pipelines.atomic import write_text\nfrom schemas.errors import StorageFailed\n"
        f"try: write_text(Path({str(tmp_path)!r}) / 'x', 'text')\nexcept StorageFailed as error: print(error)"
    )
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$1" -c "$2"'
    command = ["unshare", "--mount", "sh", "-c", script, str(tmp_path), sys.executable, program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "ermi" in done.stderr:
        pytest.skip("mounting is not allowed here")
    assert "Read-only file system; choose a directory that can be written" in done.stdout, done.stderr


def test_a_file_without_a_manifest_does_not_count_and_is_swept(tmp_path: Path, rows: Rows) -> None:
    for numbers in (range(2), range(2, 4)):
        target = buffer(tmp_path)
        fill(target, rows, numbers)
        target.flush()
    lost, kept = manifests(tmp_path)
    manifest_path(tmp_path, "functions", lost.shard).unlink()
    (tmp_path / "traces" / ".x.parquet.1.tmp").write_text("half")
    assert [record.trace_id for record in read_traces(tmp_path)] == list(kept.done)
    assert sweep(tmp_path) == 4
    assert files_in(tmp_path) == {
        f"_manifest/functions/{kept.shard}.json",
        *(file.path for file in kept.files),
    }


def test_two_runs_cannot_hold_one_directory(tmp_path: Path) -> None:
    with run_lock(tmp_path), pytest.raises(UsageError, match="another run"), run_lock(tmp_path):
        pass


def test_a_manifest_that_cannot_be_read_says_what_to_do(tmp_path: Path, rows: Rows) -> None:
    target = buffer(tmp_path)
    fill(target, rows, range(2))
    target.flush()
    (manifest,) = manifests(tmp_path)
    path = manifest_path(tmp_path, "functions", manifest.shard)
    text = path.read_text()
    path.write_text(text[:-20])
    with pytest.raises(ShardCorrupt, match="delete it and run again"):
        finished_ids(tmp_path)
    path.write_text(text)
    path.rename(path.with_name("0.json"))
    with pytest.raises(ShardCorrupt, match="its own name"):
        finished_ids(tmp_path)


@pytest.mark.parametrize("damage", ["remove", "truncate", "replace"])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, rows: Rows, damage: str) -> None:
    for numbers in (range(2), range(2, 5)):
        target = buffer(tmp_path)
        fill(target, rows, numbers)
        target.flush()
    one, other = sorted((tmp_path / "traces").iterdir())
    if damage == "remove":
        one.unlink()
    elif damage == "truncate":
        one.write_bytes(one.read_bytes()[:-100])
    else:
        one.write_bytes(other.read_bytes())
    with pytest.raises(ShardCorrupt, match="delete the manifest that names it"):
        list(read_traces(tmp_path))


LOADER = """
import sys
from datasets import load_dataset
for table in sys.argv[2:]:
    whole = load_dataset("parquet", data_files=f"{sys.argv[1]}/{table}/*.parquet", split="train")
    stream = load_dataset("parquet", data_files=f"{sys.argv[1]}/{table}/*.parquet", split="train", streaming=True)
    assert list(stream) == list(whole), table
    from glob import glob
    for path in glob(f"{sys.argv[1]}/{table}/*.parquet"):
        assert load_dataset("parquet", data_files=path, split="train").features == whole.features, path
    print(table, len(whole), sorted(whole.features))
"""


def test_datasets_loads_the_shards_with_equal_features(tmp_path: Path, rows: Rows) -> None:
    run_dir = tmp_path / "run"
    for numbers in (range(3), range(3, 5)):
        target = buffer(run_dir)
        fill(target, rows, numbers)
        target.add(Finished(failures=[rows.failure(100 + numbers.start)]))
        target.flush()
    # A shard whose nullable columns are all null must not get other types.
    target = buffer(run_dir)
    bare = rows.record(7).model_copy(update={"expected": (), "codes": (), "events": (), "frames": (), "sources": ()})
    target.add(Finished([bare], [rows.document(bare), rows.document(bare, "compact")]))
    target.flush()
    home = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(run_dir), "traces", "documents/cwm", "failures"],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["traces", "6"], ["documents/cwm", "6"], ["failures", "2"]]
    assert "'events'" in lines[0]
