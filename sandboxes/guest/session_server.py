"""The session server: runs the host's commands, transfers and shells, several at once. Single-threaded."""

import contextlib
import fcntl
import json
import os
import platform
import select
import sys
import traceback
from typing import Dict, List, Tuple, Union

from . import frames, kernel
from . import session_frames as wire
from .process import adopt_orphans
from .selfcheck import check_server, look_as_job
from .session_command import Ends, supervise
from .session_shell import ShellEnds, supervise_shell
from .session_start import drop_rights

_MOST_BODY = 2**30
_USER = 1000
_F_SETPIPE_SZ = 1031  # fcntl has it from 3.10 on
_PIPE_BYTES = 2**20
_LAST_READS = 32
"""More than the largest pipe holds; who was handed a stream by a command cannot keep the server reading."""


class SessionOver(Exception):
    """The session cannot go on; the message says why."""


class Running:
    """The server's side of one command or transfer."""

    def __init__(self, number: int, order: wire.Order, stdin: bytes) -> None:
        self.number = number
        self._room = {1: order.output_bytes, 2: order.output_bytes}
        self._dropped = {1: 0, 2: 0}
        self._report = b""
        self._inbox = bytearray()
        self._whole = False
        self._fed = 0  # and not yet said to the host
        self._sending = -1
        self._credit = wire.WINDOW_BYTES if order.move is not None else None
        stdin_fd = self._open_stdin(stdin, order.move is not None)
        pipes = [os.pipe() for _ in range(4)]
        (out, out_w), (err, err_w), (self.report, report_w), (control_r, self._control) = pipes
        if order.move is not None:
            _widen(out)
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

    def _open_stdin(self, stdin: bytes, is_transfer: bool) -> int:
        if is_transfer:
            reading, self._sending = os.pipe()
            _widen(reading)
            os.set_blocking(self._sending, False)
            return reading
        fd = os.memfd_create("stdin")
        frames.write_all(fd, stdin)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def wants(self) -> "Dict[int, int]":
        """Return what to wait for, by descriptor."""
        found = {self.report: select.POLLIN}
        if self._credit is None or self._credit > 0:
            found.update(dict.fromkeys(self.open, select.POLLIN))
        if self._inbox:
            found[self._sending] = select.POLLOUT
        return found

    def handle(self, fd: int, sink: int) -> bool:
        """See to a descriptor that is ready; return whether the command has ended and was reported."""
        if fd in self.open:
            self._take(fd, sink)
        elif fd == self._sending:
            self._feed(sink)
        elif fd == self.report and self._ended():
            self._finish(sink)
            return True
        return False

    def kill(self) -> None:
        """Have the supervisor kill the command."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1

    def add_credit(self, count: int) -> None:
        """Let a transfer go on: the host has taken so much."""
        if self._credit is not None:
            self._credit += count

    def give(self, data: bytes, sink: int) -> None:
        """Take more of what is put; nothing: it is all."""
        if self._sending < 0:
            return  # the transfer has refused it already
        if len(self._inbox) + len(data) > wire.WINDOW_BYTES:
            raise ValueError("more was sent of a transfer than was allowed")
        self._inbox += data
        self._whole = not data
        self._feed(sink)

    def _feed(self, sink: int) -> None:
        try:
            count = os.write(self._sending, self._inbox) if self._inbox else 0
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._close_stdin()
            return
        del self._inbox[:count]
        self._fed += count
        if self._fed >= wire.DATA_BYTES or (self._fed and not self._inbox):
            frames.write_all(sink, frames.pack(wire.CREDIT, wire.CREDIT_HEAD.pack(self.number, self._fed)))
            self._fed = 0
        if self._whole and not self._inbox:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._sending >= 0:
            os.close(self._sending)
        self._sending = -1
        self._inbox.clear()

    def _take(self, fd: int, sink: int) -> bool:
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
        if self._credit is not None:
            self._credit -= len(kept)
        return True

    def _ended(self) -> bool:
        """Read the report; return whether it is whole."""
        data = os.read(self.report, wire.CHUNK_BYTES)
        self._report += data
        return not data

    def _finish(self, sink: int) -> None:
        """Pass on the rest, all writers being dead, and say how the command ended."""
        os.waitpid(self._pid, 0)
        if not self._report:
            raise SessionOver("the supervisor of a command was killed")
        end = wire.End(**json.loads(self._report.decode()))
        if end.survivors:
            raise SessionOver("%d processes of a command could not be killed" % end.survivors)
        for fd in self._streams:
            for _ in range(_LAST_READS):
                if not self._take(fd, sink):
                    break
            os.close(fd)
        self.kill()
        self._close_stdin()
        os.close(self.report)
        end = end._replace(stdout_dropped=self._dropped[1], stderr_dropped=self._dropped[2])
        text = json.dumps(end._asdict()).encode()
        frames.write_all(sink, frames.pack(wire.ENDED, wire.NUMBER.pack(self.number), text))


def _widen(fd: int) -> None:
    """Let a pipe of a transfer hold more: fewer turns between the processes at its ends."""
    with contextlib.suppress(OSError):  # the user has too many wide pipes already; this one works as it is
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)


class Shell:
    """The server's side of one shell: passes the supervisor's frames on under the shell's number."""

    def __init__(self, number: int, order: wire.Order) -> None:
        self.number = number
        (requests, self._requests), (self._report, report), (control, self._control) = [os.pipe() for _ in range(3)]
        ends = ShellEnds(requests, report, control)
        self._pid = os.fork()
        if not self._pid:
            supervise_shell(order, ends)
        for fd in ends:
            os.close(fd)

    def wants(self) -> "Dict[int, int]":
        """Return what to wait for, by descriptor."""
        return {self._report: select.POLLIN}

    def run(self, body: bytes) -> None:
        """Have a text run. The supervisor waits for it and writes nothing meanwhile, so neither waits for the other."""
        try:
            frames.write_all(self._requests, frames.pack(wire.RUN, body))
        except BrokenPipeError:
            return  # the shell is dead; its report is under way

    def kill(self) -> None:
        """Have the supervisor kill the shell."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1

    def handle(self, fd: int, sink: int) -> bool:
        """Pass a frame on; return whether it was the last."""
        try:
            kind, body = frames.read_frame(lambda count: os.read(fd, count), wire.CHUNK_BYTES + frames.JSON_BYTES)
        except EOFError:
            raise SessionOver("the supervisor of a shell was killed") from None
        if kind == wire.ENDED:
            self._bury(body)
        frames.write_all(sink, frames.pack(kind, wire.NUMBER.pack(self.number), body))
        return kind == wire.ENDED

    def _bury(self, body: bytes) -> None:
        os.waitpid(self._pid, 0)
        survivors = json.loads(body.decode())["survivors"]
        if survivors:
            raise SessionOver("%d processes of a shell could not be killed" % survivors)
        self.kill()
        os.close(self._requests)
        os.close(self._report)


class Server:
    """The commands, transfers and shells that run now."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._running: Dict[int, Union[Running, Shell]] = {}

    def loop(self) -> None:
        """Serve until the host closes the channel."""
        while True:
            for fd, each in self._ready():
                if each is None:
                    self._frame()
                elif each.handle(fd, self._sink):
                    del self._running[each.number]
                    break  # its descriptors' numbers may be used again

    def _ready(self) -> "List[Tuple[int, Union[Running, Shell, None]]]":
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        owners: Dict[int, Union[Running, Shell]] = {}
        for each in self._running.values():
            for fd, events in each.wants().items():
                poll.register(fd, events)
                owners[fd] = each
        return [(fd, owners.get(fd)) for fd, _ in poll.poll()]

    def _frame(self) -> None:
        kind, body = frames.read_frame(lambda count: os.read(self._source, count), _MOST_BODY)
        (number,) = wire.NUMBER.unpack_from(body)
        if kind in (wire.EXEC, wire.SHELL):
            self._start(kind, number, body)
            return
        each = self._running.get(number)
        if each is None:
            return  # it ended before the host knew
        if kind == wire.KILL:
            each.kill()
        elif kind == wire.RUN and isinstance(each, Shell):
            each.run(body)
        elif kind == wire.DATA and isinstance(each, Running):
            each.give(body[wire.NUMBER.size :], self._sink)
        elif kind == wire.CREDIT and isinstance(each, Running):
            each.add_credit(wire.CREDIT_HEAD.unpack(body)[1])
        else:
            raise ValueError("a frame of type %d for command %d is out of turn" % (kind, number))

    def _start(self, kind: int, number: int, body: bytes) -> None:
        length = wire.EXEC_HEAD.unpack_from(body)[1]
        start = wire.EXEC_HEAD.size
        order = wire.Order(**json.loads(body[start : start + length].decode("utf-8")))
        if kind == wire.SHELL:
            self._running[number] = Shell(number, order)
        else:
            self._running[number] = Running(number, order, body[start + length :])


def serve(source: int, sink: int) -> None:
    """Greet the host, then serve it."""
    try:
        _, body = frames.read_frame(lambda count: os.read(source, count), frames.JSON_BYTES)
        opening = wire.Opening(**json.loads(body.decode("utf-8")))
        if opening.protocol != frames.PROTOCOL:
            raise ValueError("the host speaks protocol %r, this server %r" % (opening.protocol, frames.PROTOCOL))
        adopt_orphans()
        if opening.owner >= 0:
            os.makedirs(opening.workdir, exist_ok=True)
            os.chown(opening.workdir, opening.owner, opening.owner)
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
    report["tmp_inodes"] = space.f_files
    report["highest_uid"] = kernel.highest_uid()
    report.update(json.loads(seen.decode()))
    return report
