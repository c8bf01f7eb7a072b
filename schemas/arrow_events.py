"""Events as Arrow lists, built column by column: a dict per event would cost more than the event itself."""

from __future__ import annotations  # pyarrow's types take parameters in its stubs only

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Final, TypeVar

import pyarrow as pa

from schemas.errors import ShardCorrupt
from schemas.trace_record import EVENT_KINDS, Event, Instruction, Place

T = TypeVar("T")

_BINDING: Final = pa.struct([("name", pa.string()), ("value", pa.large_string())])
_FACTS: Final[list[tuple[str, pa.DataType]]] = [
    ("kind", pa.string()),
    ("frame", pa.int64()),
    ("line", pa.int64()),
    ("set", pa.list_(_BINDING)),
    ("deleted", pa.list_(pa.string())),
    ("value", pa.large_string()),
]
_EVENT: Final = pa.struct(
    [
        *_FACTS,
        ("column", pa.int64()),
        ("end_line", pa.int64()),
        ("end_column", pa.int64()),
        ("offset", pa.int64()),
        ("opname", pa.string()),
    ]
)
_Nested = Any
"""A list or struct array: the stubs of pyarrow lose which one when a child is taken out."""

EVENTS: Final = pa.list_(_EVENT)
"""Type of the ``events`` column."""
EVENTS_1: Final = pa.list_(pa.struct(_FACTS))
"""Type that it had in version 1."""


def _offsets(sizes: Iterable[int]) -> pa.Int32Array:
    return pa.array(accumulate(sizes, initial=0), pa.int32())


def _struct(kind: pa.StructType, arrays: Sequence[pa.Array[Any]]) -> pa.StructArray:
    return pa.StructArray.from_arrays(arrays, fields=[kind.field(index) for index in range(kind.num_fields)])


def _bindings(events: Sequence[Event]) -> pa.ListArray[Any]:
    names = pa.array((name for event in events for name in event.set), pa.string())
    values = pa.array((value for event in events for value in event.set.values()), pa.large_string())
    return pa.ListArray.from_arrays(_offsets(len(event.set) for event in events), _struct(_BINDING, [names, values]))


def _parts(rows: Iterable[tuple[Any, ...] | None], kinds: Sequence[pa.DataType]) -> list[pa.Array[Any]]:
    """Return a column per part of tuples of which any may be missing."""
    found = list(rows)
    return [pa.array((row and row[part] for row in found), kind) for part, kind in enumerate(kinds)]


def _joined(make: type[T], columns: Sequence[_Nested]) -> Iterator[T | None]:
    """Yield what ``_parts`` took apart."""
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return (None if None in row else make(*row) for row in rows)


def events_to_array(rows: Sequence[Sequence[Event]]) -> pa.ListArray[Any]:
    """Return one list of events per row, of type ``EVENTS``."""
    events = list(chain.from_iterable(rows))
    deleted = pa.array(chain.from_iterable(event.deleted for event in events), pa.string())
    columns: list[pa.Array[Any]] = [
        pa.array((event.kind for event in events), pa.string()),
        pa.array((event.frame for event in events), pa.int64()),
        pa.array((event.line for event in events), pa.int64()),
        _bindings(events),
        pa.ListArray.from_arrays(_offsets(len(event.deleted) for event in events), deleted),
        pa.array((event.value for event in events), pa.large_string()),
        *_parts((event.place for event in events), (pa.int64(), pa.int64(), pa.int64())),
        *_parts((event.instruction for event in events), (pa.int64(), pa.string())),
    ]
    return pa.ListArray.from_arrays(_offsets(len(row) for row in rows), _struct(_EVENT, columns))


def _cut(values: Sequence[Any], sizes: Iterable[int]) -> Iterator[Sequence[Any]]:
    start = 0
    for size in sizes:
        yield values[start : start + size]
        start += size


def _lists(array: _Nested) -> Iterator[Sequence[Any]]:
    return _cut(array.flatten().to_pylist(), array.value_lengths().to_pylist())


def _sets(array: _Nested) -> Iterator[dict[str, str]]:
    names, values = array.flatten().flatten()
    pairs = list(zip(names.to_pylist(), values.to_pylist(), strict=True))
    return (dict(part) for part in _cut(pairs, array.value_lengths().to_pylist()))


def _events(array: _Nested) -> list[Event]:
    kinds, frames, lines, sets, deleted, values, *parts = array.flatten()
    unknown = set(kinds.unique().to_pylist()) - set(EVENT_KINDS)
    if unknown:
        raise ShardCorrupt(f"events have kinds {sorted(map(str, unknown))}; allowed are {', '.join(EVENT_KINDS)}")
    columns = (kinds.to_pylist(), frames.to_pylist(), lines.to_pylist(), _sets(sets))
    rest = (map(tuple, _lists(deleted)), values.to_pylist(), _joined(Place, parts[:3]), _joined(Instruction, parts[3:]))
    return [Event(*row) for row in zip(*columns, *rest, strict=True)]


def events_from_array(column: pa.ChunkedArray[Any]) -> Iterator[tuple[Event, ...]]:
    """Yield the events of each row. Raises ``ShardCorrupt`` for an unknown kind of event."""
    chunks: list[_Nested] = list(column.chunks)
    for chunk in chunks:
        events = _events(chunk.flatten())
        yield from map(tuple, _cut(events, chunk.value_lengths().to_pylist()))
