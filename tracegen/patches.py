"""Long texts that the wire tells as patches of the name's last long text in its frame."""

from typing import Any

from tracegen.guest.wire import SHORTEST_PATCHED
from tracegen.wire_details import whole


class Patches:
    """What patches are of, per frame and name."""

    def __init__(self) -> None:
        self._texts: dict[Any, dict[str, str]] = {}

    def resolve(self, frame: Any, row: dict[str, Any]) -> dict[str, str]:
        """Return the texts of an event's names, in order. Raises ``ValueError`` or ``TypeError`` if malformed."""
        texts = self._texts.setdefault(frame, {})
        changed = {name: _patched(texts.get(name, ""), text) for name, text in row.items()}
        texts.update((name, text) for name, text in changed.items() if len(text) >= SHORTEST_PATCHED)
        return changed


def _patched(old: str, text: Any) -> str:
    if type(text) is str:
        return text
    start, end, middle = text
    if not 0 <= whole(start) <= len(old) - whole(end) or end < 0:
        raise ValueError("a patch reaches beyond the text that it is of")
    if type(middle) is not str:
        raise TypeError(f"expected text, not {middle!r}")
    return old[:start] + middle + old[len(old) - end :]
