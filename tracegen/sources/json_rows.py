"""One JSON line -> one row: decoding, and the types of its columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from tracegen.sources.base import Rejected
from tracegen.sources.python_source import has_surrogates

MAX_LINE_BYTES: Final = 64 * 2**20


@dataclass(slots=True, frozen=True)
class Row:
    """The inputs of one row."""

    source_id: str
    code: str
    arguments: tuple[str, ...]
    is_call: bool
    """``arguments`` are whole call expressions."""
    expected: tuple[str | None, ...]
    entry_point: str | None
    listed: bool
    """The row gave a list: each of its inputs has an id of its own."""

    def input_id(self, index: int) -> str:
        """Return the id of one of the row's inputs."""
        return f"{self.source_id}[{index}]" if self.listed else self.source_id


def lines_of(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not blank, numbered from 1; ``None`` for one too long to be read."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_line(file)
            yield number, None
        elif line.strip():
            yield number, line


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def row_content(line: bytes | None) -> dict[str, object]:
    """Return the line's JSON object. Raises ``Rejected`` (``bad_row``)."""
    if line is None:
        raise Rejected("bad_row", f"longer than {MAX_LINE_BYTES} bytes")
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Rejected("bad_row", f"not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise Rejected("bad_row", f"holds {kind_of(value)}; allowed: an object with `code` and `input` or `call`")
    return value


def row_id(content: Mapping[str, object], default: str, names: Sequence[str] = ("id",)) -> str:
    """Return the row's own id as text, from the first of the columns that it has, or the default.

    Raises ``Rejected`` (``bad_row``).
    """
    for name in names:
        value = content.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Rejected("bad_row", f"column `{name}` holds {kind_of(value)}; allowed: a text or an integer")
        return checked_text(name, str(value))
    return default


def licence_of(content: Mapping[str, object]) -> str | None:
    """Return the row's licence; several hold together. Raises ``Rejected`` (``bad_row``)."""
    value = content.get("licence")
    given: list[object] = value if isinstance(value, list) else [] if value is None else [value]
    names = [name for name in given if isinstance(name, str)]
    if len(names) != len(given):
        raise Rejected("bad_row", "column `licence` holds no text; allowed: a text or a list of texts")
    return " AND ".join(checked_text("licence", name) for name in names if name) or None


def has_only_code(content: Mapping[str, object]) -> bool:
    """Tell whether the row says nothing of how its code is to be called."""
    return content.get("code") is not None and content.get("input") is None and content.get("call") is None


def checked_row(content: Mapping[str, object], source_id: str) -> Row:
    """Return the row. Raises ``Rejected`` (``bad_row``) for a column that is missing or of the wrong type."""
    code, entry_point = code_of(content), text_of(content, "entry_point")
    given = [name for name in ("input", "call") if content.get(name) is not None]
    if len(given) != 1:
        raise Rejected("bad_row", f"has {' and '.join(given) or 'neither'}; allowed: exactly one of `input` and `call`")
    arguments, listed = _texts(content, given[0])
    expected: tuple[str | None, ...] = (None,) * len(arguments)
    if content.get("output") is not None:
        expected, outputs_listed = _texts(content, "output")
        if (len(expected), outputs_listed) != (len(arguments), listed):
            raise Rejected("bad_row", f"columns `{given[0]}` and `output` differ in form or length")
    return Row(source_id, code, arguments, given[0] == "call", expected, entry_point, listed)


def code_of(content: Mapping[str, object], column: str = "code") -> str:
    """Return a column that the row must have. Raises ``Rejected`` (``bad_row``)."""
    code = text_of(content, column)
    if code is None:
        raise Rejected("bad_row", f"lacks column `{column}`, the source text")
    return code


def text_of(content: Mapping[str, object], column: str) -> str | None:
    """Return a column's text, if it has one. Raises ``Rejected`` (``bad_row``)."""
    value = content.get(column)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Rejected("bad_row", f"column `{column}` holds {kind_of(value)}; allowed: a text")
    return checked_text(column, value)


def _texts(content: Mapping[str, object], column: str) -> tuple[tuple[str, ...], bool]:
    """Return a column's texts, and whether it is a list."""
    value = content[column]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise Rejected("bad_row", f"column `{column}` is an empty list; allowed: a text or a list of texts")
    texts = [checked_text(column, item) for item in values if isinstance(item, str)]
    if len(texts) != len(values):
        wrong = next(item for item in values if not isinstance(item, str))
        raise Rejected("bad_row", f"column `{column}` holds {kind_of(wrong)}; allowed: a text or a list of texts")
    return tuple(texts), isinstance(value, list)


def checked_text(column: str, text: str) -> str:
    """Return the text. Raises ``Rejected`` (``bad_row``) if it is none."""
    if has_surrogates(text):
        raise Rejected("bad_row", f"column `{column}` holds a lone surrogate, which is not text")
    return text


def kind_of(value: object) -> str:
    """Return what a value is, for messages."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")
