"""Column selectors: where a table has what our row forms call ``code``, ``input``, ``licence`` and so on."""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.errors import UsageError
from tracegen.sources.base import Rejected

COLUMNS: Final = (
    "id",
    "path",
    "licence",
    "code",
    "input",
    "call",
    "output",
    "entry_point",
    "task_id",
    "prompt",
    "canonical_solution",
    "test",
    "name",
    "solutions",
    "incorrect_solutions",
    "inputs",
    "outputs",
    "input_output",
    "public_tests",
    "private_tests",
    "generated_tests",
)
"""Every column that a row form reads."""

_EACH: Final = "[]"


class Columns:
    """Selectors, ours -> theirs. A path is names joined by dots; ``files[].content`` makes a row of every element."""

    def __init__(self, selectors: tuple[tuple[str, str], ...]) -> None:
        """Raises ``UsageError`` for an unknown column, a malformed path, and paths through two different lists."""
        for ours, theirs in selectors:
            _check(ours, theirs)
        self._plain = [(ours, theirs) for ours, theirs in selectors if _EACH not in theirs]
        self._each = [(ours, *theirs.split(_EACH)) for ours, theirs in selectors if _EACH in theirs]
        lists = sorted({theirs for _, theirs, _ in self._each})
        if len(lists) > 1:
            raise UsageError(f"columns are taken from the elements of {' and '.join(lists)}; allowed: of one list")
        self._list = lists[0] if lists else None

    def roots(self) -> frozenset[str]:
        """Return the top-level columns that a reader has to read; what it lacks of them it leaves out."""
        chosen = [theirs for _, theirs in self._plain] + [theirs for _, theirs, _ in self._each]
        return frozenset({*COLUMNS, *chosen, *(path.partition(".")[0] for path in chosen)})

    def rows(self, content: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
        """Yield the row, or one for every element of the list, with what tells it from the others: ``files[2]``.

        Raises ``Rejected`` (``bad_row``) if a path leads through what has no such parts.
        """
        base = {**content, **{ours: _at(content, theirs) for ours, theirs in self._plain}}
        if self._list is None:
            yield "", base
            return
        for index, element in enumerate(_elements(_at(content, self._list), self._list)):
            chosen = {ours: _at(element, rest.removeprefix(".")) for ours, _, rest in self._each}
            yield f"{self._list}[{index}]", {**base, **chosen}


def _check(ours: str, theirs: str) -> None:
    if ours not in COLUMNS:
        raise UsageError(f"there is no column {ours!r} to select for; allowed: {', '.join(COLUMNS)}")
    before, each, after = theirs.partition(_EACH)
    whole = before and (not each or not after or after.startswith("."))
    if not whole or _EACH in after or any(not part for part in theirs.replace(_EACH, "").split(".")):
        raise UsageError(f"column {ours}={theirs!r} is no path; allowed: NAME, NAME.FIELD, LIST[] or LIST[].FIELD")


def _at(value: object, path: str) -> object:
    """Return what the path leads to; nothing where a part of it is null or absent."""
    if not path:
        return value
    if isinstance(value, Mapping) and path in value:
        return value[path]  # a name may hold dots itself
    for part in path.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Rejected("bad_row", f"column `{path}`: `{part}` is looked for in what has no fields")
        value = value.get(part)
    return value


def _elements(value: object, path: str) -> list[object]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        # A list of structs may be stored as a struct of lists.
        lists = [one for one in value.values() if isinstance(one, list)]
        if len(lists) == len(value) and len({len(one) for one in lists}) <= 1:
            return [dict(zip(value, parts, strict=True)) for parts in zip(*lists, strict=True)]
    if not isinstance(value, list):
        raise Rejected("bad_row", f"column `{path}` is no list, so it has no elements for `{path}{_EACH}`")
    return value
