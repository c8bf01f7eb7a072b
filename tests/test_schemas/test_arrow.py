"""Tables keep every record, document and failure exactly, and refuse what they do not know."""

from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import arrow
from schemas.document import ROLES, Episode, RenderedDocument, Segment
from schemas.errors import FormatError, ShardCorrupt
from schemas.failure import FAILURE_REASONS, Failure
from schemas.job import Provenance
from schemas.trace_record import (
    EVENT_KINDS,
    OUTCOMES,
    Code,
    Counts,
    Determinism,
    Elision,
    Event,
    Expectation,
    Frame,
    Instruction,
    Outcome,
    Output,
    Place,
    SourceChunk,
    TraceRecord,
)

ODD = st.sampled_from(
    ["", "\x00", "\u2028", "\ufeff", "e\u0301", "🐍", "\ufffe", "<|frame_sep|>", "\r\n", "\U0010ffff"]
)
TEXT = st.one_of(ODD, st.text(max_size=12))
INT = st.integers(-(2**63), 2**63 - 1)
KIND: st.SearchStrategy[Any] = st.sampled_from(["function", "doctest"])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


PROVENANCE = st.builds(Provenance, origin=TEXT, path=maybe(TEXT), licence=TEXT, commit=maybe(TEXT))
EVENT = st.builds(
    Event,
    kind=st.sampled_from(EVENT_KINDS),
    frame=INT,
    line=INT,
    set=st.dictionaries(TEXT, TEXT, max_size=3),
    deleted=some(TEXT),
    value=maybe(TEXT),
    place=maybe(st.builds(Place, INT, INT, INT)),
    instruction=maybe(st.builds(Instruction, INT, TEXT)),
)
OUTPUT = st.builds(Output, text=TEXT, bytes_cut=INT, escaped=st.booleans())
RECORD = st.builds(
    TraceRecord,
    trace_id=TEXT,
    job_id=TEXT,
    source_id=TEXT,
    kind=KIND,
    entry=TEXT,
    inputs=TEXT,
    expected=some(st.builds(Expectation, TEXT, TEXT, TEXT, st.booleans())),
    outcome=st.builds(Outcome, st.sampled_from(OUTCOMES), maybe(INT), maybe(INT)),
    determinism=st.builds(Determinism, st.sampled_from(["verified", "differs", "perturbed", "unchecked"]), maybe(TEXT)),
    granularity=st.sampled_from(["line", "opcode"]),
    expressions=st.booleans(),
    sources=some(st.builds(SourceChunk, TEXT, INT, TEXT)),
    codes=some(st.builds(Code, TEXT, TEXT, INT, INT, some(TEXT))),
    frames=some(st.builds(Frame, INT, maybe(INT), INT, INT)),
    events=st.lists(EVENT, max_size=6).map(tuple),
    elisions=some(
        st.builds(Elision, st.sampled_from(["untraced_call", "no_source", "tracer_removed"]), INT, INT, TEXT, INT)
    ),
    stdout=OUTPUT,
    stderr=OUTPUT,
    counts=st.builds(Counts, INT, INT, INT),
    provenance=PROVENANCE,
    python=TEXT,
    image=TEXT,
    sandbox=TEXT,
    recorder_version=TEXT,
)
DOCUMENT = st.builds(
    RenderedDocument,
    document_id=TEXT,
    trace_id=TEXT,
    episode=maybe(st.builds(Episode, first_event=INT, last_event=INT)),
    source_id=TEXT,
    renderer=TEXT,
    renderer_version=INT,
    view=TEXT,
    seed=maybe(INT),
    segments=some(st.builds(Segment, st.booleans(), st.sampled_from(ROLES), TEXT)),
    n_tokens=maybe(INT),
    tokenizer=maybe(TEXT),
    outcome=TEXT,
    provenance=PROVENANCE,
    python=TEXT,
)
FAILURE = st.builds(
    Failure,
    trace_id=TEXT,
    job_id=maybe(TEXT),
    source_id=TEXT,
    kind=maybe(KIND),
    entry=maybe(TEXT),
    inputs=maybe(TEXT),
    reason=st.sampled_from(FAILURE_REASONS),
    detail=TEXT,
    attempts=INT,
    provenance=PROVENANCE,
)
SLOW_TO_BUILD = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@SLOW_TO_BUILD
@given(st.lists(RECORD, max_size=4), st.integers(0, 3))
def test_records_survive_the_round_trip_also_from_a_slice(records: list[TraceRecord], start: int) -> None:
    table = arrow.records_to_table(records)
    assert table.schema.equals(arrow.TRACES, check_metadata=True)
    assert list(arrow.records_from_table(table)) == records
    assert list(arrow.records_from_table(table.slice(start))) == records[start:]


def version_1(records: list[TraceRecord]) -> pa.Table:
    """Return the table that version 1 wrote: no column of expressions, and six fields of an event."""
    table = arrow.records_to_table(records).drop_columns(["expressions"])
    place = table.column_names.index("events")
    old = pa.list_(pa.struct([table.schema.field("events").type.value_type.field(index) for index in range(6)]))
    stored: Any = table.column("events").to_pylist()
    facts = [
        [[{key: row[key] for key in ("kind", "frame", "line", "set", "deleted", "value")} for row in rows]]
        for rows in stored
    ]
    events = pa.chunked_array([pa.array(rows, old) for rows in facts], type=cast(Any, old))
    table = table.set_column(place, pa.field("events", old), events)
    ones = pa.array([1] * len(records), pa.int64())
    table = table.set_column(0, table.schema.field("record_version"), ones)
    return table.replace_schema_metadata({arrow.KIND_KEY: b"traces", arrow.VERSION_KEY: b"1"})


@SLOW_TO_BUILD
@given(st.lists(RECORD, max_size=3))
def test_version_1_is_read(records: list[TraceRecord]) -> None:
    plain = [
        record.model_copy(
            update={
                "expressions": False,
                "events": tuple(replace(event, place=None, instruction=None) for event in record.events),
            }
        )
        for record in records
    ]
    assert list(arrow.records_from_table(version_1(plain))) == plain


def test_a_missing_column_of_version_1_is_corrupt() -> None:
    with pytest.raises(ShardCorrupt, match="stdout"):
        list(arrow.records_from_table(version_1([]).drop_columns(["stdout"])))


@SLOW_TO_BUILD
@given(st.lists(RECORD, max_size=3))
def test_the_order_of_bindings_survives(records: list[TraceRecord]) -> None:
    back = arrow.records_from_table(arrow.records_to_table(records))
    orders = [[list(event.set) for event in record.events] for record in back]
    assert orders == [[list(event.set) for event in record.events] for record in records]


@SLOW_TO_BUILD
@given(st.lists(DOCUMENT, max_size=4))
def test_documents_survive_the_round_trip_and_show_their_text(documents: list[RenderedDocument]) -> None:
    table = arrow.documents_to_table(documents)
    assert table.column("text").to_pylist() == ["".join(s.text for s in one.segments) for one in documents]
    assert list(arrow.documents_from_table(table)) == documents


@SLOW_TO_BUILD
@given(st.lists(FAILURE, max_size=4))
def test_failures_survive_the_round_trip(failures: list[Failure]) -> None:
    assert list(arrow.failures_from_table(arrow.failures_to_table(failures))) == failures


def failure(**changes: Any) -> Failure:
    row = {"trace_id": "t", "source_id": "s", "reason": "bad_row", "detail": "d", "provenance": {"origin": "o"}}
    return Failure(**{**row, **changes})


def test_chunks_of_several_tables_read_in_order() -> None:
    tables = [arrow.failures_to_table([failure(trace_id=str(number))]) for number in range(3)]
    assert [row.trace_id for row in arrow.failures_from_table(pa.concat_tables(tables))] == ["0", "1", "2"]


@pytest.mark.parametrize("key", [arrow.KIND_KEY, arrow.VERSION_KEY])
@pytest.mark.parametrize("value", [b"2", None])
def test_another_kind_or_version_is_corrupt(key: bytes, value: bytes | None) -> None:
    table = arrow.failures_to_table([failure()])
    metadata = {**(table.schema.metadata or {}), key: value}
    changed = table.replace_schema_metadata({name: text for name, text in metadata.items() if text is not None})
    with pytest.raises(ShardCorrupt, match=key.decode()):
        list(arrow.failures_from_table(changed))


def test_a_missing_column_is_corrupt() -> None:
    table = arrow.failures_to_table([failure()]).drop_columns(["detail"])
    with pytest.raises(ShardCorrupt, match="detail"):
        list(arrow.failures_from_table(table))


def test_an_unknown_reason_is_corrupt() -> None:
    table = arrow.failures_to_table([failure()])
    index = table.schema.get_field_index("reason")
    changed = table.set_column(index, table.schema.field(index), pa.array(["tired"]))
    with pytest.raises(ShardCorrupt, match="tired"):
        list(arrow.failures_from_table(changed))


def test_a_lone_surrogate_is_refused_wherever_it_stands() -> None:
    with pytest.raises(FormatError, match="Unicode"):
        arrow.failures_to_table([failure(detail="\ud800")])
    record = plain_record().model_copy(update={"events": (Event("line", 1, 1, {"x": "\ud800"}),)})
    with pytest.raises(FormatError, match="Unicode"):
        arrow.records_to_table([record])


def test_an_integer_beyond_64_bits_is_refused() -> None:
    with pytest.raises(FormatError, match="64 bits"):
        arrow.failures_to_table([failure(attempts=2**63)])


def plain_record() -> TraceRecord:
    return TraceRecord(
        trace_id="t",
        job_id="j",
        source_id="s",
        kind="function",
        entry="f",
        inputs="f(1)",
        outcome=Outcome("returned"),
        determinism=Determinism("verified"),
        sources=(),
        codes=(),
        frames=(),
        events=(),
        counts=Counts(0, 0, 0),
        provenance=Provenance(origin="o"),
        python="3.11.7",
        image="i",
        sandbox="process",
        recorder_version="1",
    )
