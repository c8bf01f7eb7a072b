"""Weaknesses that a caller may accept by name; without that, a sandbox that has one is refused."""

from collections.abc import Mapping, Sequence

from schemas.errors import UsageError


def check_accepted(backend: str, accepts: Sequence[str], known: Mapping[str, str]) -> None:
    """Raise ``UsageError`` for a name that the backend does not have: it would promise what nobody checks."""
    unknown = sorted(set(accepts) - known.keys())
    if unknown:
        has = ", ".join(known) or "none: each of its limits is enforced or refused"
        raise UsageError(f"{backend} has no weakness {', '.join(unknown)} to accept; it has {has}")
