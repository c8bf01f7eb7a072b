"""Frames of a session, beside those of ``frames``: commands, shells, transfers, what they say and how they end."""

import struct
from typing import Dict, NamedTuple, Optional

EXEC = 5  # EXEC_HEAD, JSON of Order, stdin
KILL = 6  # NUMBER of the command
SHELL = 7  # EXEC_HEAD, JSON of Order
RUN = 8  # EXEC_HEAD with the number of the shell, JSON of Text, the text
DATA = 9  # NUMBER of a transfer into the session, bytes; none: the end
OUTPUT = 19  # OUTPUT_HEAD, bytes
ENDED = 20  # NUMBER, JSON of End
RAN = 21  # NUMBER of the shell, JSON of Ran
CREDIT = 22  # CREDIT_HEAD; both ways: so many bytes of a transfer were taken, and as many more may come

EXEC_HEAD = struct.Struct(">QI")  # number of the command, bytes of the JSON
OUTPUT_HEAD = struct.Struct(">QB")  # number of the command, stream (1 or 2)
CREDIT_HEAD = struct.Struct(">QQ")  # number of the transfer, bytes
NUMBER = struct.Struct(">Q")

ORDER_BYTES = 4 * 2**20  # most bytes of a command's JSON
TEXT_BYTES = 2**20  # most bytes of one text for a shell
CHUNK_BYTES = 1 << 16  # most bytes of one OUTPUT
DATA_BYTES = 1 << 18  # most bytes of one DATA
WINDOW_BYTES = 1 << 22  # of a transfer under way: sent, and not yet taken


class Opening(NamedTuple):
    """The ``START`` frame of a session."""

    protocol: int
    nonce: str
    workdir: str
    owner: int = -1
    """Who gets ``workdir``, which is made if need be; -1: nobody, it is mounted."""


class Order(NamedTuple):
    """What the host wants run."""

    argv: "list[str]"
    """Empty for a shell: the image's own is found."""
    wall_seconds: float
    cwd: str
    environment: "dict[str, str]"
    user: int
    """-1: the server's own rights, for what is ours (``session_measure``)."""
    output_bytes: int
    memory_bytes: Optional[int]
    file_bytes: Optional[int] = None
    """Most of one file (``RLIMIT_FSIZE``)."""
    move: "Optional[Dict[str, object]]" = None
    """A transfer instead of a program: fields of ``session_transfer.Move``. Standard input comes as ``DATA``."""


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


class Text(NamedTuple):
    """What comes with a text for a shell."""

    wall_seconds: float
    output_bytes: int


class Ran(NamedTuple):
    """How a text ended that its shell survived."""

    timed_out: bool
    exit_code: int
    wall_seconds: float
    killed: int
    out_of_memory: bool
    stdout_dropped: int
    stderr_dropped: int
