"""Explicit Arrow schemas of the stored tables, and the lossless way from models to tables and back.

Kind and version stand in the schema's metadata. Lone surrogates cannot occur in stored text: pydantic lets them pass,
the recorder's bytes and source files are decoded strictly, and ``to_table`` is the guard that none comes by another
way (an escaped one in a JSON corpus): it raises ``FormatError``, never replaces a character.
"""

from __future__ import annotations  # pyarrow's types take parameters in its stubs only

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa
from pydantic import ValidationError

from schemas.arrow_events import EVENTS, events_from_array, events_to_array
from schemas.arrow_old import traces_1, upgraded
from schemas.document import DOCUMENT_VERSION, ROLES, Episode, RenderedDocument, Segment
from schemas.errors import FormatError, ShardCorrupt
from schemas.failure import FAILURE_VERSION, Failure
from schemas.job import Provenance
from schemas.manifest import Table
from schemas.trace_record import (
    RECORD_VERSION,
    Code,
    Counts,
    Determinism,
    Elision,
    Expectation,
    Frame,
    Outcome,
    Output,
    SourceChunk,
    TraceRecord,
)

T = TypeVar("T")

KIND_KEY: Final = b"tracegen.kind"
VERSION_KEY: Final = b"tracegen.version"

_INT: Final = pa.int64()
_TEXT: Final = pa.string()
_LONG: Final = pa.large_string()
_PROVENANCE: Final = [("origin", _TEXT), ("path", _TEXT), ("licence", _TEXT), ("commit", _TEXT)]
_OUTPUT: Final = pa.struct([("text", _LONG), ("bytes_cut", _INT), ("escaped", pa.bool_())])
_OUTCOME: Final = pa.struct([("label", _TEXT), ("signal", _INT), ("exit_code", _INT)])
_DETERMINISM: Final = pa.struct([("label", _TEXT), ("first_difference", _LONG)])
_COUNTS: Final = pa.struct([("events", _INT), ("frames", _INT), ("wire_bytes", _INT)])
_EXPECTED: Final = pa.struct([("source", _LONG), ("want", _LONG), ("got", _LONG), ("matched", pa.bool_())])
_SOURCE: Final = pa.struct([("path", _TEXT), ("first_line", _INT), ("text", _LONG)])
_CODE: Final = pa.struct(
    [("path", _TEXT), ("name", _TEXT), ("first_line", _INT), ("def_line", _INT), ("flags", pa.list_(_TEXT))]
)
_FRAME: Final = pa.struct([("uid", _INT), ("parent", _INT), ("code", _INT), ("thread", _INT)])
_ELISION: Final = pa.struct([("kind", _TEXT), ("event", _INT), ("frame", _INT), ("name", _TEXT), ("count", _INT)])
_SEGMENT: Final = pa.struct([("special", pa.bool_()), ("role", _TEXT), ("text", _LONG)])
_EPISODE: Final = pa.struct([("first_event", _INT), ("last_event", _INT)])


def _schema(kind: Table, version: int, columns: list[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema(columns, metadata={KIND_KEY: kind.encode(), VERSION_KEY: str(version).encode()})


TRACES: Final = _schema(
    "traces",
    RECORD_VERSION,
    [
        ("record_version", _INT),
        ("trace_id", _TEXT),
        ("job_id", _TEXT),
        ("source_id", _TEXT),
        ("kind", _TEXT),
        ("entry", _TEXT),
        ("inputs", _LONG),
        ("expected", pa.list_(_EXPECTED)),
        ("outcome", _OUTCOME),
        ("determinism", _DETERMINISM),
        ("granularity", _TEXT),
        ("expressions", pa.bool_()),
        ("sources", pa.list_(_SOURCE)),
        ("codes", pa.list_(_CODE)),
        ("frames", pa.list_(_FRAME)),
        ("events", EVENTS),
        ("elisions", pa.list_(_ELISION)),
        ("stdout", _OUTPUT),
        ("stderr", _OUTPUT),
        ("counts", _COUNTS),
        *_PROVENANCE,
        ("python", _TEXT),
        ("image", _TEXT),
        ("sandbox", _TEXT),
        ("recorder_version", _TEXT),
    ],
)

_TRACES_1: Final = traces_1(TRACES).with_metadata({KIND_KEY: b"traces", VERSION_KEY: b"1"})

DOCUMENTS: Final = _schema(
    "documents",
    DOCUMENT_VERSION,
    [
        ("document_version", _INT),
        ("document_id", _TEXT),
        ("trace_id", _TEXT),
        ("episode", _EPISODE),
        ("source_id", _TEXT),
        ("renderer", _TEXT),
        ("renderer_version", _INT),
        ("view", _TEXT),
        ("seed", _INT),
        ("segments", pa.list_(_SEGMENT)),
        ("text", _LONG),
        ("n_tokens", _INT),
        ("tokenizer", _TEXT),
        ("outcome", _TEXT),
        *_PROVENANCE,
        ("python", _TEXT),
    ],
)

FAILURES: Final = _schema(
    "failures",
    FAILURE_VERSION,
    [
        ("trace_id", _TEXT),
        ("job_id", _TEXT),
        ("source_id", _TEXT),
        ("kind", _TEXT),
        ("entry", _TEXT),
        ("inputs", _LONG),
        ("reason", _TEXT),
        ("detail", _LONG),
        ("attempts", _INT),
        *_PROVENANCE,
    ],
)


@dataclass(slots=True, frozen=True)
class _Codec(Generic[T]):
    """How one kind of row is stored: ``columns`` beside those that are plain fields of the model."""

    schema: pa.Schema
    encode: dict[str, Callable[[T], Any]]
    decode: Callable[[dict[str, Any]], T]


def _structs(names: Sequence[str], values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return one dict per slots dataclass; ``dataclasses.asdict`` would copy every field deeply."""
    return [{name: getattr(value, name) for name in names} for value in values]


def _field_names(struct: pa.DataType) -> list[str]:
    return [struct.field(index).name for index in range(struct.num_fields)]


def _many(field: str, struct: pa.DataType) -> tuple[str, Callable[[Any], Any]]:
    names = _field_names(struct)
    return field, lambda row: _structs(names, getattr(row, field))


def _one(field: str, struct: pa.DataType) -> tuple[str, Callable[[Any], Any]]:
    names = _field_names(struct)
    return field, lambda row: None if getattr(row, field) is None else _structs(names, [getattr(row, field)])[0]


_PROVENANCE_ENCODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "origin": lambda row: row.provenance.origin,
    "path": lambda row: row.provenance.path,
    "licence": lambda row: row.provenance.licence,
    "commit": lambda row: row.provenance.commit,
}


def _with_provenance(row: dict[str, Any]) -> dict[str, Any]:
    row["provenance"] = Provenance(**{name: row.pop(name) for name in _PROVENANCE_ENCODERS})
    return row


def _code(value: dict[str, Any]) -> Code:
    return Code(**{**value, "flags": tuple(value["flags"])})


def _decode_record(row: dict[str, Any]) -> TraceRecord:
    row["expected"] = tuple(Expectation(**value) for value in row["expected"])
    row["outcome"] = Outcome(**row["outcome"])
    row["determinism"] = Determinism(**row["determinism"])
    row["sources"] = tuple(SourceChunk(**value) for value in row["sources"])
    row["codes"] = tuple(_code(value) for value in row["codes"])
    row["frames"] = tuple(Frame(**value) for value in row["frames"])
    row["elisions"] = tuple(Elision(**value) for value in row["elisions"])
    row["stdout"], row["stderr"] = Output(**row["stdout"]), Output(**row["stderr"])
    row["counts"] = Counts(**row["counts"])
    return TraceRecord(**_with_provenance(row))


def _decode_document(row: dict[str, Any]) -> RenderedDocument:
    text = row.pop("text")
    row["segments"] = tuple(Segment(**value) for value in row["segments"])
    unknown = {segment.role for segment in row["segments"]} - set(ROLES)
    if unknown:
        raise ShardCorrupt(f"segments have roles {sorted(unknown)}; allowed are {', '.join(ROLES)}")
    row["episode"] = Episode(**row["episode"]) if row["episode"] else None
    document = RenderedDocument(**_with_provenance(row))
    if document.text != text:
        raise ShardCorrupt(f"document {document.document_id}: the text is not its segments joined; render it anew")
    return document


def _decode_failure(row: dict[str, Any]) -> Failure:
    return Failure(**_with_provenance(row))


_RECORDS: Final[_Codec[TraceRecord]] = _Codec(
    TRACES,
    dict(
        [
            _many("expected", _EXPECTED),
            _one("outcome", _OUTCOME),
            _one("determinism", _DETERMINISM),
            _many("sources", _SOURCE),
            _many("codes", _CODE),
            _many("frames", _FRAME),
            _many("elisions", _ELISION),
            _one("stdout", _OUTPUT),
            _one("stderr", _OUTPUT),
            _one("counts", _COUNTS),
        ]
    )
    | _PROVENANCE_ENCODERS,
    _decode_record,
)
_RENDERED: Final[_Codec[RenderedDocument]] = _Codec(
    DOCUMENTS,
    dict([_many("segments", _SEGMENT), _one("episode", _EPISODE)]) | _PROVENANCE_ENCODERS,
    _decode_document,
)
_FAILED: Final[_Codec[Failure]] = _Codec(FAILURES, _PROVENANCE_ENCODERS, _decode_failure)


def _column(codec: _Codec[T], field: pa.Field[Any], rows: Sequence[T]) -> pa.Array[Any]:
    encode = codec.encode.get(field.name)
    values = [encode(row) if encode else getattr(row, field.name) for row in rows]
    return events_to_array(values) if field.type == EVENTS else pa.array(values, field.type)


def _to_table(codec: _Codec[T], rows: Sequence[T]) -> pa.Table:
    try:
        columns = [_column(codec, field, rows) for field in codec.schema]
    except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise FormatError(f"rows cannot be stored: {error}; integers have 64 bits and text is Unicode") from error
    return pa.Table.from_arrays(columns, schema=codec.schema)


def check_schema(schema: pa.Schema, expected: pa.Schema) -> None:
    """Raise ``ShardCorrupt`` unless ``schema`` has the kind, version and columns of ``expected``."""
    found, wanted = schema.metadata or {}, expected.metadata or {}
    for key in (KIND_KEY, VERSION_KEY):
        if found.get(key) != wanted[key]:
            has = found.get(key, b"none").decode("utf-8", "replace")
            raise ShardCorrupt(
                f"{key.decode()} of the table is {has}, this version reads {wanted[key].decode()}; "
                "read it with the version that wrote it"
            )
    if not schema.equals(expected):
        different = [field.name for field in expected if field not in list(schema)]
        raise ShardCorrupt(f"the table's columns are not those of its version: {', '.join(different) or schema.names}")


def current(table: pa.Table, expected: pa.Schema) -> pa.Table:
    """Return a stored table in the schema of today. Raises ``ShardCorrupt`` for what no reader is kept of."""
    found = table.schema.metadata or {}
    if expected is TRACES and (found.get(KIND_KEY), found.get(VERSION_KEY)) == (b"traces", b"1"):
        check_schema(table.schema, _TRACES_1)
        return upgraded(table, TRACES)
    check_schema(table.schema, expected)
    return table


def _from_table(codec: _Codec[T], table: pa.Table) -> Iterator[T]:
    table = current(table, codec.schema)
    plain = [name for name in table.column_names if name != "events"]
    events = events_from_array(table.column("events")) if "events" in table.column_names else None
    for row in table.select(plain).to_pylist():
        if events is not None:
            row["events"] = next(events)
        try:
            yield codec.decode(row)
        except (ValidationError, TypeError) as error:
            raise ShardCorrupt(f"a stored row is not valid: {error}") from error


def records_to_table(records: Sequence[TraceRecord]) -> pa.Table:
    """Return the records as one table of schema ``TRACES``. Raises ``FormatError`` for what cannot be stored."""
    return _to_table(_RECORDS, records)


def records_from_table(table: pa.Table) -> Iterator[TraceRecord]:
    """Yield the records of a table, in order. Raises ``ShardCorrupt``."""
    return _from_table(_RECORDS, table)


def documents_to_table(documents: Sequence[RenderedDocument]) -> pa.Table:
    """Return the documents as one table of schema ``DOCUMENTS``. Raises ``FormatError`` for what cannot be stored."""
    return _to_table(_RENDERED, documents)


def documents_from_table(table: pa.Table) -> Iterator[RenderedDocument]:
    """Yield the documents of a table, in order. Raises ``ShardCorrupt``."""
    return _from_table(_RENDERED, table)


def failures_to_table(failures: Sequence[Failure]) -> pa.Table:
    """Return the failures as one table of schema ``FAILURES``. Raises ``FormatError`` for what cannot be stored."""
    return _to_table(_FAILED, failures)


def failures_from_table(table: pa.Table) -> Iterator[Failure]:
    """Yield the failures of a table, in order. Raises ``ShardCorrupt``."""
    return _from_table(_FAILED, table)
