"""Reads tables of earlier versions: brings them into the form of today."""

from __future__ import annotations  # pyarrow's types take parameters in its stubs only

from typing import Any, Final, cast

import pyarrow as pa

from schemas.arrow_events import EVENTS, EVENTS_1
from schemas.trace_record import RECORD_VERSION


def traces_1(traces: pa.Schema) -> pa.Schema:
    """Return the columns of version 1, without metadata: no expressions, and events without details."""
    fields = [field.with_type(EVENTS_1) if field.name == "events" else field for field in traces]
    return pa.schema([field for field in fields if field.name != "expressions"])


def upgraded(table: pa.Table, traces: pa.Schema) -> pa.Table:
    """Return a ``traces`` table of version 1 as one of today's schema ``traces``."""
    columns: dict[str, Any] = {name: table.column(name) for name in table.column_names}
    columns["record_version"] = pa.array([RECORD_VERSION] * table.num_rows, pa.int64())
    columns["expressions"] = pa.array([False] * table.num_rows, pa.bool_())
    columns["events"] = pa.chunked_array(list(map(_events, columns["events"].chunks)), type=cast(Any, EVENTS))
    return pa.Table.from_arrays([columns[field.name] for field in traces], schema=traces)


def _events(lists: Any) -> Any:
    inner = lists.flatten()
    kind: Final = EVENTS.value_type
    parts = list(inner.flatten())
    missing = [pa.nulls(len(inner), kind.field(index).type) for index in range(len(parts), kind.num_fields)]
    fields = [kind.field(index) for index in range(kind.num_fields)]
    whole = pa.StructArray.from_arrays([*parts, *missing], fields=fields)
    lengths = lists.value_lengths().to_pylist()
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), whole)
