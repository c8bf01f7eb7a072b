"""Frames of a session, beside those of ``frames``: commands in, their output and ends out."""

import struct
from typing import NamedTuple, Optional

EXEC = 5  # EXEC_HEAD, JSON of Order, stdin
KILL = 6  # NUMBER of the command
OUTPUT = 19  # OUTPUT_HEAD, bytes
ENDED = 20  # NUMBER, JSON of End

EXEC_HEAD = struct.Struct(">QI")  # number of the command, bytes of the JSON
OUTPUT_HEAD = struct.Struct(">QB")  # number of the command, stream (1 or 2)
NUMBER = struct.Struct(">Q")

ORDER_BYTES = 4 * 2**20  # most bytes of a command's JSON
CHUNK_BYTES = 1 << 16  # most bytes of one OUTPUT


class Opening(NamedTuple):
    """The ``START`` frame of a session."""

    protocol: int
    nonce: str
    workdir: str


class Order(NamedTuple):
    """What the host wants run."""

    argv: "list[str]"
    wall_seconds: float
    cwd: str
    environment: "dict[str, str]"
    user: int
    output_bytes: int
    memory_bytes: Optional[int]


class End(NamedTuple):
    """What the supervisor, not the command, says of a command."""

    status: str
    exit_code: Optional[int]
    signal: Optional[int]
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    swept: int
    survivors: int
    """Processes that could not be killed; the session ends if there are any."""
    message: str
    """Why it did not start."""
    stdout_dropped: int = 0
    stderr_dropped: int = 0
