"""Short ways to build segments."""

from schemas.document import Role, Segment


def control(token: str) -> Segment:
    """Return a special token."""
    return Segment(special=True, role="control", text=token)


def plain(role: Role, text: str) -> Segment:
    """Return text that can never become a special token."""
    return Segment(special=False, role=role, text=text)
