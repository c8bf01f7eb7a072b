"""The change between two states of a frame, as an event states it."""


def delta(before: dict[str, str], after: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return ``(set, deleted)`` that replay turns from ``before`` into ``after``, the order of names included.

    A name that moved to a later place was deleted and bound again: it stands in both.
    """
    kept = _kept_in_order(list(before), list(after))
    deleted = tuple(name for name in before if name not in kept)
    changed = {name: text for name, text in after.items() if name not in kept or before[name] != text}
    return changed, deleted


def _kept_in_order(before: list[str], after: list[str]) -> set[str]:
    """Return the longest start of ``after`` whose names stand in ``before`` in the same order."""
    places = {name: place for place, name in enumerate(before)}
    kept: set[str] = set()
    last = -1
    for name in after:
        place = places.get(name, -1)
        if place <= last:
            break
        kept.add(name)
        last = place
    return kept
