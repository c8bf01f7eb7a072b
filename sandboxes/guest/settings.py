"""What the host tells the fork server before the first job."""

import json
from typing import NamedTuple


class Settings(NamedTuple):
    """The ``START`` frame."""

    protocol: int
    nonce: str
    """Repeated in ``HELLO``, so that an old stream cannot pass for this one."""
    entry: str
    """``module:function`` of the preloaded package."""
    scratch: str
    """Directory that belongs to the server; each job gets one of its own in it."""
    contained: bool
    """In a container of its own: the server checks the profile."""
    own_users: bool
    """Each job gets a uid of its own; else, contained, all run as the server does, which then runs one job only."""
    slot: int
    """Picks the range of uids; ``RLIMIT_NPROC`` counts a uid's processes over all containers of a machine."""
    jobs: int
    """Most jobs that this server runs."""
    processes: int
    result_bytes: int
    idle_seconds: float
    """The server ends when no frame came for that long."""
    hidden: str
    """Entry of ``sys.path`` that jobs must not see (the project's own checkout); empty for none."""

    @classmethod
    def from_json(cls, body: bytes) -> "Settings":
        """Parse the body of a ``START`` frame; unknown or missing fields raise ``TypeError``."""
        return cls(**json.loads(body.decode("utf-8")))

    def to_json(self) -> bytes:
        """Return the body of a ``START`` frame."""
        return json.dumps(self._asdict()).encode("utf-8")
