"""What comparing found at the event at hand, so that looking at the values does not do it again.

A module's own, because nodes know nothing of an event; cleared by the recorder when its event ends: then nothing of it
holds any more.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple

STOPPED: Dict[int, Tuple[Any, Any]] = {}
"""By a value's address, the snapshot that it was found to differ from, and how many of its parts had been found
unchanged before; of a table, what it holds now."""
SOME = 4
"""Parts that were compared from which it is worth while to know that."""
