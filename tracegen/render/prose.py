"""The ``prose`` renderer: a run told step by step from templates, saying only what its record says.

Values (role ``value``) and names of variables (``state``) are segments of their own, verbatim; source lines, functions
and what was left out are too (``source``). A value of more than ``VALUE_CHARACTERS`` is cut, with the count of what is
missing behind it. Which template tells a step is drawn from the record's own identity: the same record, the same bytes.
"""

from collections.abc import Iterable, Iterator
from random import Random
from string import Formatter
from typing import Final

from schemas.base import digest
from schemas.document import Role, Segment
from schemas.special_tokens import BEGIN_OF_TEXT, END_OF_TEXT
from schemas.trace_record import MAIN_PATH, VIEW_ELISIONS, Elision, TraceRecord
from tracegen.lines import line_record
from tracegen.render.prose_templates import (
    ARGUMENT,
    BEGINNINGS,
    BINDS,
    CALLS,
    CALLS_WITH,
    CHANGES,
    DELETES,
    ENDINGS,
    EXCEPTIONS,
    HOLDS,
    LEAVES,
    LEFT_OUT,
    LINES,
    MEANWHILE,
    RESUMES,
    RETURNS,
    UNDER_WAY,
    YIELDS,
)
from tracegen.render.segments import control, plain
from tracegen.render.source_lines import SourceLines
from tracegen.render.steps import Change, Step, steps
from tracegen.render.terminal_text import exception_text

VALUE_CHARACTERS: Final = 300
"""Most of a value that is told."""
CUT: Final = "… (and {count} more characters)"
EMPTY: Final = "(empty text)"
"""Stands for a value or line without a character, which no segment can hold."""
_ROLES: Final[dict[str, Role]] = {
    "value": "value",
    "before": "value",
    "name": "state",
    "line": "source",
    "what": "source",
}


class ProseRenderer:
    """Renders the source, then the steps as sentences, one paragraph per line that ran or call that began or ended."""

    name = "prose"
    version = 1

    def render(self, record: TraceRecord) -> tuple[Segment, ...]:
        """Return the whole text; only its begin and end are special tokens. Expressions and opcodes are not told."""
        return (
            control(BEGIN_OF_TEXT),
            plain("context", SourceLines(record.sources).joined()),
            plain("prose", "\n"),
            *(segment for _, told in narration(record) for segment in told),
            control(END_OF_TEXT),
        )


def narration(record: TraceRecord) -> Iterator[tuple[int | None, list[Segment]]]:
    """Yield each step's index of event with its paragraph; ``None`` for the beginning and the end.

    Indices count without expressions and opcodes, as ``line_record`` does.
    """
    record = line_record(record)
    narrator = _Narrator(record)
    yield None, narrator.beginning()
    for step in steps(record):
        yield step.index, narrator.paragraph(step)
    yield None, narrator.ending()


class _Narrator:
    """Chooses templates and fills them."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._lines = SourceLines(record.sources)
        # ``random()`` alone: what ``choice`` makes of it may differ between versions of Python.
        self._random = Random(digest([record.trace_id, record.entry, len(record.events)])).random  # noqa: S311
        self._told: set[int] = set()
        """Frames whose beginning was told."""

    def beginning(self) -> list[Segment]:
        """Tell what is run."""
        paragraph = self._say(BEGINNINGS, what=_subject(self._record))
        for elision in self._record.elisions:
            if elision.event < 0:
                paragraph += [plain("prose", " "), *self._left_out(elision)]
        return [*paragraph, plain("prose", "\n")]

    def ending(self) -> list[Segment]:
        """Tell how the record ends."""
        return [*self._say(ENDINGS[self._record.outcome.label]), plain("prose", "\n")]

    def paragraph(self, step: Step) -> list[Segment]:
        """Tell one event."""
        sentences = [*self._before(step), self._event(step), *self._changes(step.effects)]
        sentences += [self._left_out(elision) for elision in step.elisions]
        joined = [piece for sentence in sentences for piece in (plain("prose", " "), *sentence)]
        self._told.add(step.event.frame)
        return [*joined[1:], plain("prose", "\n")]

    def _before(self, step: Step) -> list[list[Segment]]:
        """Tell what changed in the frame while others ran."""
        if step.event.kind == "call" or not step.arrived:
            return []
        if step.event.frame in self._told:
            return [self._say(MEANWHILE, what=step.code.name), *self._changes(step.arrived)]
        held = [self._say(HOLDS, name=change.name, value=change.after or "") for change in step.arrived]
        return [self._say(UNDER_WAY, what=step.code.name), *held]

    def _event(self, step: Step) -> list[Segment]:
        event = step.event
        if event.kind == "line":
            source = self._lines.get(step.code.path, event.line)
            text = "" if source is None else source.strip()
            return self._say(LINES[bool(text)], line=text, number=event.line, what=step.code.name)
        if event.kind == "call":
            return self._call(step)
        templates = {"return": RETURNS, "yield": YIELDS, "resume": RESUMES, "unwind": LEAVES, "exception": EXCEPTIONS}
        value = exception_text(event.value or "") if event.kind == "exception" else event.value or ""
        return self._say(templates[event.kind], value=value, number=event.line, what=step.code.name)

    def _call(self, step: Step) -> list[Segment]:
        if not step.arrived:
            return self._say(CALLS, what=step.code.name)
        listed: list[Segment] = []
        for number, change in enumerate(step.arrived):
            joint = "" if not number else " and " if number == len(step.arrived) - 1 else ", "
            listed += [plain("prose", joint)] if joint else []
            listed += self._say(ARGUMENT, name=change.name, value=change.after or "")
        return [*self._say(CALLS_WITH, what=step.code.name), *listed, plain("prose", ".")]

    def _changes(self, changes: Iterable[Change]) -> list[list[Segment]]:
        told = []
        for change in changes:
            if change.after is None:
                told.append(self._say(DELETES, name=change.name))
            elif change.before is None:
                told.append(self._say(BINDS, name=change.name, value=change.after))
            else:
                told.append(self._say(CHANGES, name=change.name, before=change.before, value=change.after))
        return told

    def _left_out(self, elision: Elision) -> list[Segment]:
        unit = "event" if elision.kind in VIEW_ELISIONS else "time"
        counted = f"{elision.count} {unit}{'' if elision.count == 1 else 's'}"
        return self._say(LEFT_OUT[elision.kind], what=elision.name, counted=counted)

    def _say(self, templates: tuple[str, ...], **words: str | int) -> list[Segment]:
        """Fill one of the templates: the record's words become segments of their own."""
        template = templates[int(self._random() * len(templates))]
        told: list[Segment] = []
        for text, field, _, _ in Formatter().parse(template):
            told += [plain("prose", text)] if text else []
            if field in _ROLES:
                told += _word(_ROLES[field], str(words[field]))
            elif field is not None:
                told.append(plain("prose", str(words[field])))
        return told


def _word(role: Role, text: str) -> list[Segment]:
    if not text:
        return [plain("prose", EMPTY)]
    if role == "source" or len(text) <= VALUE_CHARACTERS:
        return [plain(role, text)]
    count = len(text) - VALUE_CHARACTERS
    return [plain(role, text[:VALUE_CHARACTERS]), plain("prose", CUT.format(count=count))]


def _subject(record: TraceRecord) -> str:
    """Return the call expression if ``main`` is shown, else the outermost function's name."""
    if not record.events:
        return record.entry
    outermost = record.code_of(record.events[0])
    return record.inputs if outermost.path == MAIN_PATH and record.kind == "function" else outermost.name
