"""The session server: runs the host's commands, several at once, and streams what they say. Single-threaded."""

import json
import os
import platform
import select
import sys
import traceback
from typing import Dict, List

from . import frames, kernel
from . import session_frames as wire
from .process import adopt_orphans
from .selfcheck import check_server, look_as_job
from .session_command import Ends, drop_rights, supervise

_MOST_BODY = 2**30
_USER = 1000
_LAST_READS = 32
"""More than the largest pipe holds; who was handed a stream by a command cannot keep the server reading."""


class SessionOver(Exception):
    """The session cannot go on; the message says why."""


class Running:
    """The server's side of one command."""

    def __init__(self, number: int, order: wire.Order, stdin: bytes) -> None:
        self.number = number
        self._room = {1: order.output_bytes, 2: order.output_bytes}
        self._dropped = {1: 0, 2: 0}
        self._report = b""
        stdin_fd = os.memfd_create("stdin")
        frames.write_all(stdin_fd, stdin)
        os.lseek(stdin_fd, 0, os.SEEK_SET)
        pipes = [os.pipe() for _ in range(4)]
        (out, out_w), (err, err_w), (self.report, report_w), (control_r, self._control) = pipes
        self._streams = {out: 1, err: 2}
        self.open = {out, err}
        ends = Ends(stdin_fd, out_w, err_w, report_w, control_r)
        self._pid = os.fork()
        if not self._pid:
            supervise(order, ends)
        for fd in ends:
            os.close(fd)
        for fd in self._streams:
            os.set_blocking(fd, False)

    def kill(self) -> None:
        """Have the supervisor kill the command."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1

    def take(self, fd: int, sink: int) -> bool:
        """Pass on what a stream has; return whether there may be more now."""
        try:
            data = os.read(fd, wire.CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.open.discard(fd)
            return False
        stream = self._streams[fd]
        kept = data[: self._room[stream]]
        self._room[stream] -= len(kept)
        self._dropped[stream] += len(data) - len(kept)
        if kept:
            frames.write_all(sink, frames.pack(wire.OUTPUT, wire.OUTPUT_HEAD.pack(self.number, stream), kept))
        return True

    def ended(self) -> bool:
        """Read the report; return whether it is whole."""
        data = os.read(self.report, wire.CHUNK_BYTES)
        self._report += data
        return not data

    def finish(self, sink: int) -> None:
        """Pass on the rest, all writers being dead, and say how the command ended."""
        os.waitpid(self._pid, 0)
        if not self._report:
            raise SessionOver("the supervisor of a command was killed")
        end = wire.End(**json.loads(self._report.decode()))
        if end.survivors:
            raise SessionOver("%d processes of a command could not be killed" % end.survivors)
        for fd in self._streams:
            for _ in range(_LAST_READS):
                if not self.take(fd, sink):
                    break
            os.close(fd)
        self.kill()
        os.close(self.report)
        end = end._replace(stdout_dropped=self._dropped[1], stderr_dropped=self._dropped[2])
        text = json.dumps(end._asdict()).encode()
        frames.write_all(sink, frames.pack(wire.ENDED, wire.NUMBER.pack(self.number), text))


class Server:
    """The commands that run now."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._running: Dict[int, Running] = {}

    def loop(self) -> None:
        """Serve until the host closes the channel."""
        while True:
            for fd in self._ready():
                if fd == self._source:
                    self._frame()
                    continue
                for each in list(self._running.values()):
                    if fd in each.open:
                        each.take(fd, self._sink)
                    elif fd == each.report and each.ended():
                        each.finish(self._sink)
                        del self._running[each.number]
                        break  # its descriptors' numbers may be used again
                else:
                    continue
                break

    def _ready(self) -> List[int]:
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        for each in self._running.values():
            poll.register(each.report, select.POLLIN)
            for fd in each.open:
                poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll()]

    def _frame(self) -> None:
        kind, body = frames.read_frame(lambda count: os.read(self._source, count), _MOST_BODY)
        if kind == wire.KILL:
            (number,) = wire.NUMBER.unpack(body)
            if number in self._running:  # else it ended before the host knew
                self._running[number].kill()
            return
        if kind != wire.EXEC:
            raise ValueError("a frame of type %d where a command was due" % kind)
        number, length = wire.EXEC_HEAD.unpack_from(body)
        start = wire.EXEC_HEAD.size
        order = wire.Order(**json.loads(body[start : start + length].decode("utf-8")))
        self._running[number] = Running(number, order, body[start + length :])


def serve(source: int, sink: int) -> None:
    """Greet the host, then serve it."""
    try:
        _, body = frames.read_frame(lambda count: os.read(source, count), frames.JSON_BYTES)
        opening = wire.Opening(**json.loads(body.decode("utf-8")))
        if opening.protocol != frames.PROTOCOL:
            raise ValueError("the host speaks protocol %r, this server %r" % (opening.protocol, frames.PROTOCOL))
        adopt_orphans()
        hello = {
            "nonce": opening.nonce,
            "python": platform.python_version(),
            "check": _check(opening.workdir),
        }
        frames.write_all(sink, frames.pack(frames.HELLO, json.dumps(hello).encode()))
        Server(source, sink).loop()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the host is gone, and the container ends with this process
    except Exception:
        text = traceback.format_exc()[-frames.MESSAGE_BYTES :]
        frames.write_all(sink, frames.pack(frames.FAILED, text.encode("utf-8", "replace")))


def _check(workdir: str) -> Dict[str, object]:
    """Look at the sandbox as the server and, in a fork without rights, as a command."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            drop_rights(_USER)
            frames.write_all(writing, json.dumps(look_as_job()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        seen = file.read()
    os.waitpid(child, 0)
    report = check_server(workdir)
    space = os.statvfs("/tmp")  # noqa: S108 (looked at, not used)
    report["tmp_bytes"] = space.f_blocks * space.f_frsize
    report["highest_uid"] = kernel.highest_uid()
    report.update(json.loads(seen.decode()))
    return report
