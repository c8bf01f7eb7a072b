"""Frames between host and fork server: big-endian u32 length of the body, u8 type, body."""

import os
import struct
from typing import Callable, NamedTuple, Optional, Tuple

PROTOCOL = 1

# Host to sandbox.
GUEST = 1  # zip of this package; read by the bootstrap
START = 2  # JSON, see settings.Settings
PRELOAD = 3  # zip of the package that runs the jobs
JOB = 4  # JOB_HEAD, payload
# Sandbox to host.
HELLO = 16  # JSON: protocol, nonce, python, implementation, check
OUTCOME = 17  # OUTCOME_HEAD, JSON head, result, stdout, stderr
FAILED = 18  # a traceback as text; the sandbox cannot go on

HEAD = struct.Struct(">IB")
JOB_HEAD = struct.Struct(">QdQ")  # job number, wall seconds, address space (0: no limit)
OUTCOME_HEAD = struct.Struct(">I")  # bytes of the JSON head

JSON_BYTES = 64 * 1024  # most bytes of a JSON body or head
MESSAGE_BYTES = 8000  # most characters of a traceback
STREAM_BYTES = 2**20  # most bytes sent of a standard stream


class OutcomeHead(NamedTuple):
    """What the fork server, not the job, says of a job; the JSON head of an ``OUTCOME`` frame."""

    job: int
    status: str
    exit_code: Optional[int]
    signal: Optional[int]
    wall_seconds: float
    cpu_seconds: float
    max_rss_bytes: int
    result: int
    stdout: int
    stderr: int
    anomaly: str
    """Why this sandbox must not run another job; empty if it may."""


def pack(kind: int, *parts: bytes) -> bytes:
    """Return one whole frame."""
    return HEAD.pack(sum(len(part) for part in parts), kind) + b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_exact(read: Callable[[int], bytes], count: int) -> bytes:
    """Read ``count`` bytes; raise ``EOFError`` if the stream ends before."""
    chunks = []
    while count:
        chunk = read(min(count, 1 << 20))
        if not chunk:
            raise EOFError("the channel ended")
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def read_frame(read: Callable[[int], bytes], most: int) -> Tuple[int, bytes]:
    """Read one frame as (type, body); raise ``ValueError`` if the body is larger than ``most``."""
    length, kind = HEAD.unpack(read_exact(read, HEAD.size))
    if length > most:
        raise ValueError("a frame of type %d announces %d bytes; at most %d are allowed" % (kind, length, most))
    return kind, read_exact(read, length)
