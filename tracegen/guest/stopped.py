"""What comparing found at the event at hand, so that looking at the values does not do it again.

A module's own, because snapshots know nothing of events. It is cleared before values are compared or looked at: what it
holds of an event before is not true any more. It holds nothing that a program could miss: snapshots and plain items.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

STOPPED: Dict[int, Any] = {}
"""By a value's address, the snapshot that it was found to differ from, and how many of its parts had been found
unchanged before; of a table, what it holds now. By the complement of its address, ``~id(value)``, the snapshot of many
parts that it was found to show, or that was made of it: several names often lead to it. One dict, soon cleared."""
NOWHERE: Tuple[Any, Any] = (None, None)
"""Of a value that was not found to differ from any."""
SOME = 8
"""Parts from which it is worth while to know that they were compared, and to compare them at once."""


def shows(value: Any, snapshot: Any) -> None:
    """Note that a value shows what a snapshot of many parts does."""
    STOPPED[~id(value)] = snapshot


def forget(value: Any) -> None:
    """Forget what a value that is about to go was found to show: the next may have its address."""
    STOPPED.pop(~id(value), None)


def compared(value: Any, snapshot: Any) -> Optional[bool]:
    """Return whether a value shows what a snapshot of many parts does, if it was compared with it at this event."""
    if STOPPED.get(~id(value)) is snapshot:
        return True
    return False if STOPPED.get(id(value), NOWHERE)[0] is snapshot else None
