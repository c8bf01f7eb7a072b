"""Write docs/data-format.md from the schemas: ``python scripts/data_format.py FILE`` (what ``make docs`` does).

Columns and types come from the Arrow schemas, meanings from the docstrings below the fields of the models. A test
fails when the file is not what this gives.
"""

from __future__ import annotations  # pyarrow's types take parameters in its stubs only

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import pyarrow as pa

from pipelines.report import RunReport
from schemas import arrow
from schemas.document import DOCUMENT_VERSION, RenderedDocument
from schemas.failure import FAILURE_VERSION, Failure
from schemas.job import Provenance
from schemas.limits import Limits
from schemas.manifest import MANIFEST_VERSION, ShardFile, ShardManifest
from schemas.trace_record import RECORD_VERSION, Instruction, Place, TraceRecord
from tracegen.guest import wire
from tracegen.guest.version import WIRE_VERSION

HEAD: Final = f"""# Data format

Written by `make docs` from `schemas/`; a test fails when it is out of date. What the events mean is in
[recorder-limits.md](recorder-limits.md), the grammar of one of the texts in [compact-format.md](compact-format.md).

| what | version | stands in |
|---|---|---|
| trace record | {RECORD_VERSION} | column `record_version`, metadata of every `traces` file |
| document | {DOCUMENT_VERSION} | column `document_version`, metadata of every `documents` file |
| failure row | {FAILURE_VERSION} | metadata of every `failures` file |
| shard manifest | {MANIFEST_VERSION} | field `manifest_version` |
| recorder's wire | {WIRE_VERSION} | first line of the recorder's output |

Kind and version of a table are in its Parquet metadata (`tracegen.kind`, `tracegen.version`). Readers are strict: an
unknown version, column or enumerated value is an error (`ShardCorrupt`, `WireError`), never skipped.

## A run's directory

```
RUN/  recipe.yaml                         everything that decided the run; a run takes it as --recipe
      report.json                         totals, see below
      _manifest/<stage>/<shard>.json      written last: a file that no manifest names does not count
      traces/*.parquet                    one row per recorded input
      documents/<renderer>/*.parquet      one row per text
      failures/*.parquet                  one row per planned input without a record
```

Every planned input ends as exactly one row of `traces` or `failures`. Ids are 32 hex digits: BLAKE2b-128 of canonical
JSON (sorted keys, no spaces, UTF-8). `job_id` covers all of a job but its inputs and provenance; `trace_id` the job,
the input's text and its number among equal inputs; `document_id` the trace, renderer, its version, view, seed and
episode. The same input under the same settings has the same id on every machine with the same image.
"""

TABLES: Final[tuple[tuple[str, str, pa.Schema, type], ...]] = (
    ("traces", "`traces/`: trace records", arrow.TRACES, TraceRecord),
    ("documents", "`documents/<renderer>/`: rendered texts", arrow.DOCUMENTS, RenderedDocument),
    ("failures", "`failures/`: inputs without a record", arrow.FAILURES, Failure),
)
JSON_FILES: Final[tuple[tuple[str, type], ...]] = (
    ("`_manifest/<stage>/<shard>.json`", ShardManifest),
    ("`files` of a manifest", ShardFile),
    ("`report.json`", RunReport),
    ("`limits` of a recipe and of a job", Limits),
)


def field_notes(model: type) -> dict[str, str]:
    """Return the docstring below each annotated field of a class, as one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{model} is no class")
    notes = {}
    for field, below in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            known = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            notes[field.target.id] = " ".join(known.split())
    return notes


def choices(hint: Any) -> tuple[str, ...]:
    """Return the values of a ``Literal`` of strings, within a union too."""
    if get_origin(hint) is Literal:
        return tuple(value for value in get_args(hint) if isinstance(value, str))
    return next((found for part in get_args(hint) if (found := choices(part))), ())


_PARTS: Final = (Place, Instruction)
"""Of events, whose fields stand among the event's own."""


def prose(text: str | None) -> str:
    """Return a docstring in Markdown's spelling."""
    return (text or "").replace("``", "`")


def row_class(hint: Any) -> type | None:
    """Return the class of ours that an annotation is made of: ``tuple[Frame, ...]`` gives ``Frame``."""
    if isinstance(hint, type) and hint.__module__.startswith("schemas."):
        return hint
    return next((found for part in get_args(hint) if (found := row_class(part))), None)


def meaning(model: type, name: str) -> str:
    """Return what one field of a class means, with the values that it may have."""
    allowed = choices(get_type_hints(model)[name])
    listed = f"one of {', '.join(f'`{value}`' for value in allowed)}." if allowed else ""
    note = field_notes(model)[name]
    return prose(" ".join(part for part in (note, listed[:1].upper() + listed[1:]) if part)).replace("|", "\\|")


def type_name(kind: pa.DataType) -> str:
    """Return an Arrow type as people say it; the fields of structs have a table of their own."""
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    return "struct" if pa.types.is_struct(kind) else str(kind)


def _columns(schema: pa.Schema, model: type) -> Iterator[str]:
    yield from ("| column | type | meaning |", "|---|---|---|")
    own = field_notes(model)
    for field in schema:
        owner = model if field.name in own else Provenance
        note = "The segments joined, for people." if field.name == "text" else meaning(owner, field.name)
        note = note or ("See below." if "struct" in type_name(field.type) else "")
        yield f"| `{field.name}` | {type_name(field.type)} | {note} |"


def _struct_columns(schema: pa.Schema, model: type) -> dict[type, list[pa.Field[Any]]]:
    """Return the columns that hold structs, by the class of what they hold."""
    hints = get_type_hints(model)
    found: dict[type, list[pa.Field[Any]]] = {}
    for field in schema:
        inner = row_class(hints[field.name]) if "struct" in type_name(field.type) else None
        if inner is not None:
            found.setdefault(inner, []).append(field)
    return found


def _structs(schema: pa.Schema, model: type) -> Iterator[str]:
    for inner, columns in _struct_columns(schema, model).items():
        kind = columns[0].type
        kind = kind.value_type if pa.types.is_list(kind) else kind
        yield from ("", f"### {', '.join(f'`{column.name}`' for column in columns)}", "", prose(inspect.getdoc(inner)))
        yield from ("", "| field | type | meaning |", "|---|---|---|")
        for part in (kind.field(index) for index in range(kind.num_fields)):
            holder = next(one for one in (inner, *_PARTS) if part.name in get_type_hints(one))
            yield f"| `{part.name}` | {type_name(part.type)} | {meaning(holder, part.name)} |"


def _json_file(title: str, model: type) -> Iterator[str]:
    yield from ("", f"## {title}", "", prose(inspect.getdoc(model)), "", "| field | meaning |", "|---|---|")
    for name in field_notes(model):
        yield f"| `{name}` | {meaning(model, name)} |"


def document() -> str:
    """Return the text of docs/data-format.md."""
    lines = [HEAD]
    for _, title, schema, model in TABLES:
        lines += [f"## {title}", "", prose(inspect.getdoc(model)), "", *_columns(schema, model)]
        lines += [*_structs(schema, model), ""]
    for title, model in JSON_FILES:
        lines += _json_file(title, model)
    lines += ["", "## The recorder's wire", "", "```", (wire.__doc__ or "").strip(), "```", ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
