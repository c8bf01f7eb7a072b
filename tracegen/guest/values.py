"""The canonical value renderer: bounded, address-free, the same text in every run; never raises, never runs for ever.

Built-ins are walked by their own structure (``builtins_text``), other types through a handler chosen once per type
(``types_text``). Everything that a user's class can hook is either not called or called under guard (``guard``).
"""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, List, Optional, Set, Tuple

from . import crowds, digests
from .alarm import alarm
from .builtins_text import BUILTINS
from .guard import Called, full_name
from .standard_text import read_all, standard_text
from .stillness import loudness_of_type
from .stopped import SOME
from .types_text import (
    STRUCTURAL,
    Answer,
    answer,
    bare_text,
    clean,
    handler_for,
    known_by,
    name_of,
    own_repr_text,
    silent_text,
)

Handler = Callable[["ValueRenderer", Any, int], str]

_MOST_LARGE = 32
"""Most looks of large values that are kept: a snapshot may hold some hundred kilobytes."""
_BUILTINS: Dict[int, Tuple[type, Handler]] = {id(kind): (kind, handler) for kind, handler in BUILTINS}


class ValueRenderer:
    """Renders any object to text of about ``characters`` at most; what is cut is counted in a visible marker.

    ``items`` bounds each container, ``depth`` the nesting. Not thread-safe: one renderer per event loop.
    """

    def __init__(self, characters: int = 10_000, items: int = 1_000, depth: int = 20) -> None:
        self.loud = 0
        """What the values that were seen ask ``stillness`` not to trust."""
        self.silent: FrozenSet[str] = frozenset()
        """Types whose ``__repr__`` kills the process, by module and name: their values show their attributes."""
        self.characters = characters
        self.items = items
        self.depth = depth
        self.left = characters
        self.active: Dict[int, str] = {}
        self.unsafe: Dict[int, Tuple[type, str]] = {}
        """Types whose ``__repr__`` mutated its object or hung: not called again, by id (the type is kept alive)."""
        # Keyed by id: a metaclass may define __hash__ and __eq__, which a dict of types would run.
        self._handlers: Dict[int, Tuple[type, Handler]] = _BUILTINS.copy()
        self.asked: Dict[int, Optional[str]] = {}
        """What own ``__repr__``s gave in the last rendering, by their objects' ids; ``None``: nothing to rely on."""
        self.alone: Set[int] = set()
        """Types, by id, whose objects are asked one by one, however many there are."""
        self.answers: Dict[int, Answer] = {}
        """What own ``__repr__``s gave since the last ``settle``, by their objects' ids."""
        self._told: Dict[int, Optional[str]] = {}
        """What of it the objects are known by."""
        self.cleaned: Dict[str, Tuple[int, str]] = {}
        """What own ``__repr__``s gave, without addresses, and the object's id if there was one to look for."""
        self.looks: Dict[int, Any] = {}
        """Snapshots of values that were looked at, by address; see ``structures``."""
        self.large: Dict[int, Tuple[str, Any]] = {}
        """Texts and snapshots of large values that were looked at last, by address."""
        self.names: Dict[Tuple[int, Tuple[Any, ...]], str] = {}
        """Texts of what is shown by names alone, by type and names."""
        self.cyclic: Set[int] = set()
        """Types of which the last object seen lay within itself, by id; linked nodes mostly go on to do so."""
        self.shapes: Dict[int, Any] = {}
        """What ``structures`` knows of types, by id; ``_handlers`` keeps them alive."""

    def render(self, value: Any) -> str:
        """Return the text of ``value``."""
        try:
            return self.text(value)
        finally:
            self.settle()

    def text(self, value: Any) -> str:
        """Return the text of ``value``, to be followed by ``settle`` before the program goes on."""
        self.left = self.characters
        self.active.clear()
        self.asked.clear()
        try:
            text = self.walk(value, 0)
        except RecursionError:  # too little stack is left for rendering: the recorder gives more and asks again
            raise
        except BaseException as error:  # The program under trace must never see an error of ours.
            text = "<unrenderable %s: %s>" % (name_of(type(value)), name_of(type(error)))
        return clean(text)

    def walk(self, value: Any, depth: int) -> str:
        """Return the text of a value at a nesting depth; leaves take their length from the budget."""
        return self.handler(type(value))(self, value, depth)

    def handler(self, kind: type) -> Handler:
        """Return what renders values of a type; chosen at first sight."""
        known = self._handlers.get(id(kind))
        if known is None or known[0] is not kind:
            silent = self.silent and full_name(kind) in self.silent
            known = (kind, silent_text if silent else handler_for(kind))
            self._handlers[id(kind)] = known
            own = known[1] is own_repr_text and standard_text(kind) is None
            self.loud |= loudness_of_type(kind, own)
        return known[1]

    def attributive(self, kind: type) -> bool:
        """Whether the type's values are shown by their attributes, wherever they keep them."""
        return self.handler(kind) in STRUCTURAL

    def bare(self, kind: type) -> bool:
        """Whether the type's values show their type and nothing else."""
        return self.handler(kind) is bare_text

    def asking(self, kind: type) -> bool:
        """Whether the type's values are shown by its own ``__repr__``."""
        return self.handler(kind) is own_repr_text

    def ask(self, value: Any) -> Optional[str]:
        """Return what a value's own ``__repr__`` gives, in full and without addresses, if nothing is wrong with it.

        It is called under guard, once until ``settle`` or ``forget``, one of which must follow.
        """
        if self.unsafe and id(type(value)) in self.unsafe:
            return None
        told = self._told
        return told[id(value)] if id(value) in told else self.answer(value).known_by

    def answer(self, value: Any) -> Answer:
        """Return the same with how the call ended."""
        known = self.answers.get(id(value))
        if known is None:
            told = self._told.get(id(value))
            known = answer(self, value) if told is None else Answer(value, Called(told, "", False), told)
            self.answers[id(value)] = known
            self._told[id(value)] = known.known_by
        return known

    def told(self, values: List[Any]) -> Optional[Dict[int, Optional[str]]]:
        """Ask many values; return by id what they gave, ``None`` where some type is not asked any more."""
        told = self._told
        fresh = {id(value): value for value in values if id(value) not in told}
        if len(fresh) >= SOME:
            self._ask_crowds(list(fresh.values()))
        for each, value in fresh.items():
            if each not in told:
                self.ask(value)
        return None if self.unsafe else told

    def _ask_crowds(self, values: List[Any]) -> None:
        """Ask those that are many of one type."""
        kinds = {id(type(value)): type(value) for value in values}
        for kind in kinds.values():
            crowd = [value for value in values if type(value) is kind]
            if len(crowd) < SOME or id(kind) in self.alone or id(kind) in self.unsafe:
                continue
            read = standard_text(kind)
            texts = crowds.ask(crowd, kind) if read is None else read_all(read, crowd)
            if texts is None and read is None:
                self.alone.add(id(kind))
            elif texts is not None:
                self.answers[id(crowd)] = Answer(crowd, Called("", "", False), None)  # their ids remain their own
                self._told.update(zip(map(id, crowd), known_by(self, crowd, texts)))

    def forget(self) -> None:
        """Forget what objects answered: the program goes on."""
        self.answers.clear()
        self._told.clear()

    def settle(self) -> None:
        """Give the program its timer back, and forget what objects answered."""
        alarm.release()
        self.forget()

    def remember(self, value: Any, text: str, snapshot: Any) -> None:
        """Keep the look of a large value, to be found by its address: what shows the same has the same text."""
        if len(self.large) >= _MOST_LARGE:
            del self.large[next(iter(self.large))]
        self.large[id(value)] = text, snapshot

    def leaf(self, text: str) -> str:
        """Charge a finished piece of text to the budget, cutting it if it exceeds what is left."""
        left = max(self.left, 16)
        self.left -= len(text)
        if len(text) > left:
            return "%s...<+%d characters%s>" % (text[:left], len(text) - left, digests.of_text(text))
        return text
