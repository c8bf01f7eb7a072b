"""``dataset validate`` finds real damage, says where, and finds nothing where there is none."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import CASES
from generated import PATIENT, Simulated, simulations
from hypothesis import given
from shard_rows import Rows

from pipelines.cli import main
from pipelines.manifests import manifests, write_manifest
from pipelines.rerender import render_run
from pipelines.shard_buffer import Finished, ShardBuffer, ShardThresholds
from pipelines.shards import ShardWriter, read_documents
from pipelines.validate import validate_run
from pipelines.validation import Problem
from schemas.arrow import documents_from_table, documents_to_table, records_from_table, records_to_table
from schemas.document import Segment
from schemas.errors import UsageError
from schemas.manifest import ShardManifest, Table
from schemas.trace_record import Elision, Event, TraceRecord
from tracegen.checks import record_problems
from tracegen.documents import render_documents
from tracegen.render import RENDERERS
from tracegen.views.spec import parse_view

NEVER = ShardThresholds(rows=10**9, bytes=10**12, seconds=10**9)
NAMES = list(CASES)


def _record(number: int) -> TraceRecord:
    return CASES[NAMES[number % len(NAMES)]].model_copy(update={"trace_id": f"{number:032x}"})


def _write(run_dir: Path, numbers: Iterable[int], rows: Rows, failure: int | None = None) -> ShardManifest:
    target = ShardBuffer(ShardWriter(run_dir, "functions"), NEVER)
    for number in numbers:
        record = _record(number)
        documents = [one for renderer in RENDERERS.values() for one in render_documents(record, renderer)]
        target.add(Finished([record], documents))
    if failure is not None:
        target.add(Finished(failures=[rows.failure(failure)]))
    before = {manifest.shard for manifest in manifests(run_dir)}
    target.flush()
    (written,) = (manifest for manifest in manifests(run_dir) if manifest.shard not in before)
    return written


@pytest.fixture
def run_dir(tmp_path: Path, rows: Rows) -> Path:
    _write(tmp_path, range(4), rows, failure=100)
    _write(tmp_path, range(4, 7), rows)
    return tmp_path


def _problems(run_dir: Path) -> tuple[Problem, ...]:
    return validate_run(run_dir).first_problems


def _file(run_dir: Path, table: Table, renderer: str = "") -> Path:
    return sorted((run_dir / ("documents/" + renderer if table == "documents" else table)).glob("*.parquet"))[0]


def _vouch(run_dir: Path, path: Path) -> None:
    """Have the manifest describe the file as it is now: damage that no checksum shows."""
    data, relative = path.read_bytes(), path.relative_to(run_dir).as_posix()
    for manifest in list(manifests(run_dir)):
        files = tuple(
            file.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
            if file.path == relative
            else file
            for file in manifest.files
        )
        write_manifest(run_dir, manifest.model_copy(update={"files": files}))


def _rewrite(run_dir: Path, path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)
    _vouch(run_dir, path)


def test_a_sound_data_set_has_no_problems(run_dir: Path) -> None:
    found = validate_run(run_dir)
    assert (found.problems, found.first_problems) == (0, ())
    assert (found.manifests, found.files, found.records, found.failures) == (2, 11, 7, 1)
    assert found.documents == {"annotated": 7, "compact": 7, "cwm": 7, "prose": 7}
    assert found.events == sum(len(record.events) for record in CASES.values())


@pytest.mark.parametrize(
    "view", ["loops(1)", "depth(2)", "over(path:n*)", "inline(0.5)", "cut(6)", "loops(1)+cut(4)", "budget(700)"]
)
def test_documents_of_views_stand_beside_and_are_sound(run_dir: Path, view: str) -> None:
    written = list(render_run(run_dir, ["cwm", "compact", "prose"], parse_view(view), seed=5))
    assert not any(one.current for one in written)
    assert validate_run(run_dir).problems == 0
    documents = list(read_documents(run_dir, "compact"))
    assert len({document.document_id for document in documents}) == len(documents)
    assert {document.view.partition("=")[0] for document in documents} == {"whole", view}
    assert all(one.current for one in render_run(run_dir, ["cwm", "compact", "prose"], parse_view(view), seed=5))
    if view.startswith("inline"):
        assert not any(one.current for one in render_run(run_dir, ["compact"], parse_view(view), seed=6))
        assert validate_run(run_dir).problems == 0
    lost = next((run_dir / "documents" / "compact").glob("*/*.parquet"))
    kept = pq.read_table(lost)
    assert kept.num_rows > 1
    lost.unlink()
    (problem,) = _problems(run_dir)
    assert problem.file == lost.relative_to(run_dir).as_posix()


@pytest.mark.parametrize("place", [("traces", ""), ("failures", ""), ("documents", "cwm"), ("documents", "prose")])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_file_is_named(run_dir: Path, place: tuple[Table, str], damage: str) -> None:
    path = _file(run_dir, *place)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-7])
    else:
        path.unlink()
    (problem,) = _problems(run_dir)
    assert problem.file == path.relative_to(run_dir).as_posix()
    assert {"flip": "sha256", "truncate": "bytes, its manifest says", "remove": "No such file"}[
        damage
    ] in problem.problem


@pytest.mark.parametrize("table", ["traces", "documents"])
def test_another_version_or_table_is_refused(run_dir: Path, table: Table) -> None:
    path = _file(run_dir, table, "cwm")
    stored = pq.read_table(path)
    metadata = {**stored.schema.metadata, b"tracegen.version": b"99"}
    _rewrite(run_dir, path, stored.replace_schema_metadata(metadata))
    assert "tracegen.version of the table is 99" in _problems(run_dir)[0].problem


def test_an_id_that_stands_twice_is_named_with_both_files(run_dir: Path, rows: Rows) -> None:
    _write(run_dir, [2, 9], rows)
    found = [problem for problem in _problems(run_dir) if problem.id == f"{2:032x}"]
    assert len(found) == 1
    assert "stands in traces/" in found[0].problem
    documents = [problem for problem in _problems(run_dir) if problem.file.startswith("documents/")]
    assert len(documents) == len(RENDERERS)


def _edit_record(run_dir: Path, edit: Callable[[TraceRecord], TraceRecord]) -> str:
    path = _file(run_dir, "traces")
    first, *others = records_from_table(pq.read_table(path))
    _rewrite(run_dir, path, records_to_table([edit(first), *others]))
    return first.trace_id


def _with_event(record: TraceRecord, index: int, **changes: object) -> TraceRecord:
    events = list(record.events)
    events[index] = replace(events[index], **changes)  # type: ignore[arg-type]
    return record.model_copy(update={"events": tuple(events)})


def test_an_edited_value_of_a_trace_contradicts_its_documents(run_dir: Path) -> None:
    def edit(record: TraceRecord) -> TraceRecord:
        index = next(index for index, event in enumerate(record.events) if event.kind == "line" and event.set)
        (name, *_) = record.events[index].set
        return _with_event(record, index, set={**record.events[index].set, name: "'edited'"})

    _edit_record(run_dir, edit)
    found = {problem.file.split("/")[1]: problem.problem for problem in _problems(run_dir)}
    assert set(found) == set(RENDERERS)
    assert "'edited'" in found["compact"]
    assert "'edited'" in found["cwm"]


def test_a_record_that_does_not_replay_is_named(run_dir: Path) -> None:
    trace_id = _edit_record(run_dir, lambda record: _with_event(record, 1, deleted=("nobody",)))
    (problem,) = _problems(run_dir)
    assert problem.id == trace_id
    assert "event 1 deletes nobody" in problem.problem


@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_edited_document_is_named(run_dir: Path, renderer: str) -> None:
    path = _file(run_dir, "documents", renderer)
    first, *others = documents_from_table(pq.read_table(path))
    place = max(
        index for index, one in enumerate(first.segments) if one.role == "value" and one.text.strip('"').isdigit()
    )
    segments = list(first.segments)
    segments[place] = Segment(False, "value", segments[place].text.replace("1", "7").replace("4", "7"))
    _rewrite(run_dir, path, documents_to_table([first.model_copy(update={"segments": tuple(segments)}), *others]))
    (problem,) = _problems(run_dir)
    assert (problem.file, problem.id) == (path.relative_to(run_dir).as_posix(), first.document_id)


def test_a_document_of_no_record_a_wrong_id_and_a_missing_one_are_named(run_dir: Path) -> None:
    path = _file(run_dir, "documents", "cwm")
    one, two, three, *others = documents_from_table(pq.read_table(path))
    orphan = one.model_copy(update={"trace_id": "f" * 32})
    renamed = two.model_copy(update={"document_id": "0" * 32})
    part = three.model_copy(update={"view": "cut(3)"})
    _rewrite(run_dir, path, documents_to_table([orphan, renamed, part, *others]))
    found = {problem.id: problem.problem for problem in _problems(run_dir)}
    assert "its shard does not hold" in found[one.document_id]
    assert "its id should be" in found["0" * 32]
    assert "no part that its view cut(3) makes" in found[three.document_id]
    assert "missing" in found[one.trace_id]


def test_a_manifest_that_does_not_count_right_is_named(run_dir: Path) -> None:
    one, two = manifests(run_dir)
    write_manifest(run_dir, one.model_copy(update={"events": one.events + 1, "outcomes": {"returned": 99}}))
    write_manifest(run_dir, two.model_copy(update={"done": (*two.done[1:], "e" * 32)}))
    said = " ".join(f"{problem.id} {problem.problem}" for problem in _problems(run_dir))
    assert "99} of outcomes" in said
    assert f"says {one.events + 1} of events" in said
    assert "its name is not the digest" in said
    assert f"{'e' * 32} it is said to be finished" in said
    assert f"{two.done[0]} it has a row" in said


def test_a_broken_manifest_and_files_that_nobody_names_are_said(run_dir: Path) -> None:
    path = sorted((run_dir / "_manifest" / "functions").iterdir())[0]
    path.write_text(path.read_text()[:-9])
    found = _problems(run_dir)
    assert "cannot be read" in found[0].problem
    assert sum("no readable manifest names it" in problem.problem for problem in found) in (5, 6)


def test_the_command_prints_and_ends_with_one_if_anything_is_wrong(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "validate", str(run_dir)]) == 0
    assert capsys.readouterr().out.endswith("no problems\n")
    path = _file(run_dir, "traces")
    path.unlink()
    assert main(["dataset", "validate", str(run_dir)]) == 1
    shown = capsys.readouterr().out
    assert f"traces/{path.name}: it cannot be read" in shown
    assert shown.endswith("1 problem\n")
    assert main(["dataset", "validate", str(run_dir), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == 1
    assert main(["dataset", "validate", str(run_dir.parent / "nothing")]) == UsageError.exit_code


def test_the_render_command_takes_a_view(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(run_dir), "--renderer", "cwm", "--view", "loops(1) + cut(5)"]) == 0
    assert " documents written, 0 were there" in capsys.readouterr().out
    assert {document.view for document in read_documents(run_dir, "cwm")} == {"whole", "loops(1)+cut(5)"}
    assert main(["render", str(run_dir), "--renderer", "cwm", "--view", "twice(2)"]) == 2
    assert "loops(K)" in capsys.readouterr().err


@PATIENT
@given(simulations(threads=2))
def test_simulated_records_are_sound(run: Simulated) -> None:
    assert list(record_problems(run.record)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (lambda record: {"frames": record.frames[1:]}, "uids count from 1"),
        (lambda record: {"frames": (replace(record.frames[0], parent=1), *record.frames[1:])}, "has parent 1"),
        (lambda record: {"codes": record.codes[:1]}, "runs code"),
        (lambda record: {"events": record.events[:-1]}, "are counted"),
        (lambda record: {"events": (*record.events[:-1], Event("line", 99, 1))}, "of frame 99"),
        (lambda record: {"events": (*record.events[:-1], Event("line", 3, 1, {}, (), "1"))}, "has a value"),
        (lambda record: {"events": (*record.events[:-1], Event("call", 3, 1))}, "is not the first"),
        (lambda record: {"events": (Event("line", 1, 1), *record.events[1:])}, "is the first of its frame"),
        (lambda record: {"events": (*record.events[:2], record.events[1], *record.events[3:])}, "is the first of"),
        (lambda record: {"elisions": (Elision("loop", 1, 1, "x", 1),)}, "which no recorder writes"),
        (lambda record: {"elisions": (Elision("no_source", 99, 1, "x", 1),)}, "stands at event 99"),
    ],
)
def test_every_rule_of_records_can_be_broken(changes: Callable[[TraceRecord], dict[str, object]], said: str) -> None:
    record = CASES["example"]
    assert list(record_problems(record)) == []
    assert said in " ".join(record_problems(record.model_copy(update=changes(record))))
