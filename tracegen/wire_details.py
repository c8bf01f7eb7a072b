"""The wire's events between lines: values of expressions, and instructions with their tables."""

from dataclasses import dataclass, field
from typing import Any

from schemas.trace_record import Event, Instruction, Place

Position = tuple[int | None, Place | None]
"""Line, and the rest of where something stands."""


@dataclass(slots=True)
class Details:
    """What one input's lines said of the places of its expressions and instructions."""

    places: list[tuple[int, Place]] = field(default_factory=list)
    tables: dict[int, dict[str, tuple[Instruction, Position]]] = field(default_factory=dict)
    """Per code, its instructions by offset."""
    lines: dict[int, int] = field(default_factory=dict)
    """Per frame, its last line: an instruction of the compiler's own has none."""

    def add_place(self, row: list[Any]) -> None:
        """Take an ``L`` line. Raises ``ValueError`` or ``TypeError`` if it is malformed."""
        _, line, *rest = row
        self.places.append((whole(line), Place(*map(whole, rest))))

    def add_table(self, row: list[Any]) -> None:
        """Take a ``B`` line. Raises ``ValueError`` or ``TypeError`` if it is malformed."""
        _, code, rows = row
        self.tables[whole(code)] = {str(whole(one[0])): _instruction(*one) for one in rows}

    def expression(self, row: list[Any]) -> Event:
        """Return the event of an ``e`` line. Raises ``ValueError`` or ``TypeError`` if it is malformed."""
        _, frame, number, value = row
        if not 0 <= whole(number) < len(self.places) or type(value) is not str:
            raise ValueError("no such place, or a value that is not text")
        line, place = self.places[number]
        return Event("expression", whole(frame), line, value=value, place=place)

    def complete(self, event: Event, code: int) -> Event:
        """Give an instruction's event, whose value is its offset, what the table of its code says of it.

        Raises ``KeyError`` for an instruction that the code does not have.
        """
        event.instruction, (line, event.place) = self.tables[code][event.value or ""]
        event.value = None
        event.line = line or self.lines.get(event.frame, event.line)
        self.lines[event.frame] = event.line
        return event


def _instruction(offset: Any, name: Any, line: Any, *place: Any) -> tuple[Instruction, Position]:
    if type(name) is not str or len(place) != 3:
        raise ValueError("not an instruction")
    known = None if None in place else Place(whole(place[0]), whole(place[1]), whole(place[2]))
    return Instruction(offset, name), (None if line is None else whole(line), known)


def whole(value: Any) -> int:
    """Return a whole number. Raises ``TypeError`` for anything else."""
    if type(value) is not int:
        raise TypeError(f"expected a whole number, not {value!r}")
    return value
