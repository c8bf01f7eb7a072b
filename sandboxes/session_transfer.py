"""The host's side of a transfer: nothing half done stays on either side, and what the session sends is not trusted."""

import contextlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

from sandboxes.archives import read_archive
from sandboxes.guest import session_entries as entries
from sandboxes.guest import session_frames as wire
from sandboxes.guest.session_entries import Entry
from sandboxes.guest.session_transfer import Move
from sandboxes.guest.session_tree import Budget, Limits, Refused, open_file, pieces, walk, write_tree
from sandboxes.sandbox import GRACE_SECONDS
from sandboxes.session_api import SessionSpec, TransferLimits, Transferred
from sandboxes.session_link import Said, SessionLink
from schemas.errors import SandboxError, SandboxLost, StorageFailed, TransferRefused, UsageError

_UNLIMITED = 2**62  # bytes of output; the transfer has limits of its own
_MESSAGE_BYTES = 2**16
_CREDIT_BYTES = wire.WINDOW_BYTES // 4
_MOST_DEPTH = 200  # each directory on the way down holds a descriptor and a frame of the stack

_MEASURE_SECONDS = 30.0
_MEASURE = Move("measure", "/", "", [])

_T = TypeVar("_T")
Contents = Iterable[tuple[Entry, Iterable[bytes]]]


class Transfer:
    """One transfer of one session; its methods raise ``TransferRefused``, ``UsageError`` and ``SandboxLost``."""

    def __init__(self, link: SessionLink, spec: SessionSpec, path: str, user: int, limits: TransferLimits) -> None:
        inside = PurePosixPath(spec.workdir, path)
        if not path or "\0" in path or ".." in inside.parts:
            raise UsageError(f"path {path!r}: give a path in the session without '..'")
        least = min(limits.most_bytes, limits.most_files, limits.depth)
        if least < 1 or limits.depth > _MOST_DEPTH or not 0 < limits.seconds < math.inf or not 0 <= user < 2**31:
            raise UsageError(f"a transfer's limits must be above 0, depth at most {_MOST_DEPTH}, user not below 0")
        self._link = link
        self._path = str(inside)
        self._file_bytes = spec.disk_bytes if spec.writable_root else None
        self._user = user
        self._limits = limits
        self._both = Limits(limits.most_bytes, limits.most_files, limits.depth)  # each end keeps them for itself
        self._budget = Budget(self._both)

    def put(self, source: bytes | Path) -> Transferred:
        """Send bytes, a file, or what is in a directory."""
        if isinstance(source, bytes):
            entry = Entry(entries.FILE, b"", len(source))
            return self._send(lambda: self._counted([(entry, [source])]))
        if not source.exists():
            raise UsageError(f"there is no {source}")
        return self._send(lambda: self._found(source))

    def put_archive(self, archive: Path) -> Transferred:
        """Send what is in an archive."""
        if not archive.is_file():
            raise UsageError(f"there is no archive {archive}")
        return self._send(lambda: read_archive(archive, self._budget, self._limits.ratio))

    def get(self) -> bytes:
        """Return a file."""
        return self._receive("get", self._take_file)

    def get_tree(self, target: Path) -> Transferred:
        """Write a directory beside ``target`` first."""
        if target.exists() or target.is_symlink():
            raise UsageError(f"{target} is there already; give a place that is free")
        if not target.parent.is_dir():
            raise UsageError(f"there is no directory {target.parent}")
        stage = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            stage.mkdir()
            self._receive("get_tree", lambda reader: self._take_tree(reader, stage))
            stage.rename(target)
        except Refused:
            raise
        except OSError as error:
            raise StorageFailed(f"{target} cannot be written: {error}") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        return self._moved()

    def _moved(self) -> Transferred:
        return Transferred(self._budget.files, self._budget.directories, self._budget.bytes)

    def _counted(self, contents: Contents) -> Contents:
        for entry, data in contents:
            self._budget.add(entry)
            yield entry, data

    def _found(self, source: Path) -> Contents:
        if source.is_dir() and not source.is_symlink():
            for entry, fd in walk(str(source), self._budget):
                yield entry, pieces(fd, entry, str(source / os.fsdecode(entry.name)))
            return
        entry, fd = open_file(str(source), self._budget)
        try:
            yield entry, pieces(fd, entry, str(source))
        finally:
            os.close(fd)

    def _send(self, contents: Callable[[], Contents]) -> Transferred:
        with self._talk("put") as talk:
            try:
                talk.give_all(_frames(contents()))
            except Refused as error:
                talk.give_up()
                raise self._refused(_say(error)) from error
            except OSError as error:
                talk.give_up()
                raise UsageError(f"what should be sent cannot be read: {error}") from error
            except BaseException:
                talk.give_up()
                raise
            self._check(talk)
        return self._moved()

    def _receive(self, kind: str, use: "Callable[[_Talk], _T]") -> _T:
        with self._talk(kind) as talk:
            try:
                result = use(talk)
            except EOFError:
                self._check(talk)
                raise self._link.violation("a transfer ended before its end") from None
            except Refused as error:
                talk.give_up()
                raise self._refused(_say(error)) from error
            except ValueError as error:
                raise self._link.violation(str(error)) from error
            except BaseException:
                talk.give_up()
                raise
            talk.finish()
            self._check(talk)
            return result

    def _take_file(self, talk: "_Talk") -> bytes:
        entry = entries.read(talk.take)
        if entry.kind != entries.FILE or entry.name:
            raise ValueError("something else than the file came")
        self._budget.add(entry)
        data = bytearray()
        while len(data) < entry.size:
            piece = talk.take(entry.size - len(data))
            if not piece:
                raise EOFError
            data += piece
        if entries.read(talk.take).kind != entries.END:
            raise ValueError("more than the file came")
        return bytes(data)

    def _take_tree(self, talk: "_Talk", stage: Path) -> None:
        write_tree(talk.take, entries.read(talk.take), str(stage), self._budget)

    @contextlib.contextmanager
    def _talk(self, kind: str) -> "Iterator[_Talk]":
        task = Move(kind, self._path, secrets.token_hex(8), list(self._both))
        order = wire.Order(
            [], self._limits.seconds, "/", {}, self._user, _UNLIMITED, None, self._file_bytes, task._asdict()
        )
        talk = _Talk(self._link, order)
        try:
            yield talk
        finally:
            talk.leave()

    def _check(self, talk: "_Talk") -> None:
        """Raise what the session says against the transfer, if anything."""
        end = talk.end
        if end is None or (end.status, end.exit_code) == ("finished", 0):
            return
        said = end.message or talk.said.decode("utf-8", "replace").strip()
        reasons = {
            "timeout": f"it took longer than {self._limits.seconds:g} s",
            "out_of_memory": "it does not fit into the session's memory",
            "killed": "something in the session killed it",
        }
        raise self._refused(reasons.get(end.status, said))

    def _refused(self, reason: str) -> TransferRefused:
        message = f"the transfer of {self._path} was refused, and nothing of it is kept: {reason}"
        return self._link.error(TransferRefused, message, "transfer", retryable=False)


class _Talk:
    """The conversation of one transfer: no more under way than the other end has room for."""

    def __init__(self, link: SessionLink, order: wire.Order) -> None:
        self._link = link
        self._deadline = time.monotonic() + order.wall_seconds + GRACE_SECONDS
        self.end: wire.End | None = None
        self.said = b""
        self._under_way = 0
        self._taken = 0
        self._buffer = memoryview(b"")
        self._number, self._events = link.enrol()
        try:
            text = json.dumps(order._asdict()).encode()
            link.send(wire.EXEC, wire.EXEC_HEAD.pack(self._number, len(text)), text)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Forget the transfer."""
        self._link.leave(self._number)

    def give_all(self, chunks: Iterable[bytes]) -> None:
        """Send everything and wait for the end, which comes before that if the session refuses it."""
        for chunk in chunks:
            while self.end is None and (self._under_way + len(chunk) > wire.WINDOW_BYTES or not self._events.empty()):
                self._next()
            if self.end is not None:
                return
            self._link.send(wire.DATA, wire.NUMBER.pack(self._number), chunk)
            self._under_way += len(chunk)
        self._link.send(wire.DATA, wire.NUMBER.pack(self._number))
        self.finish()

    def take(self, count: int) -> bytes:
        """Return up to ``count`` bytes; none at the end."""
        while not self._buffer:
            if self.end is not None:
                return b""
            self._next()
        data = bytes(self._buffer[:count])
        self._buffer = self._buffer[count:]
        return data

    def finish(self) -> None:
        """Wait for the end. Raises ``ValueError`` if more comes than was taken."""
        while self.end is None:
            self._next()
        if self._buffer:
            raise self._link.violation("more came than a transfer's end allows")

    def give_up(self) -> None:
        """Have the session clear away what it has of the transfer."""
        if self.end is not None:
            return
        try:
            self._link.kill(self._number)
            while self.end is None:
                self._next()
                self._buffer = memoryview(b"")
        except SandboxError:
            return  # with the session goes what it has

    def _next(self) -> None:
        """See to the next thing that the session says."""
        event = self._link.event(self._events, self._deadline, "a transfer")
        if isinstance(event, wire.End):
            self.end = event
        elif isinstance(event, int):
            self._under_way -= event
        elif not isinstance(event, Said):
            raise self._link.violation("a transfer was answered like a shell")
        elif event.stream == "stderr":
            self.said = (self.said + event.data)[:_MESSAGE_BYTES]
        else:
            self._buffer = memoryview(bytes(self._buffer) + event.data)
            self._taken += len(event.data)
            if self._taken >= _CREDIT_BYTES:
                self._link.send(wire.CREDIT, wire.CREDIT_HEAD.pack(self._number, self._taken))
                self._taken = 0


def _frames(contents: Contents) -> Iterator[bytes]:
    """Yield entries and their bytes in pieces of the size that is sent."""
    buffer = bytearray()
    for entry, data in contents:
        buffer += entries.pack(entry)
        for piece in data:
            buffer += piece
            while len(buffer) >= wire.DATA_BYTES:
                yield bytes(buffer[: wire.DATA_BYTES])
                del buffer[: wire.DATA_BYTES]
    yield bytes(buffer + entries.pack(Entry(entries.END, b"")))


def _say(error: Refused) -> str:
    return f"{error.strerror}: {error.filename!r}" if error.filename else str(error.strerror)


def measure(link: SessionLink) -> dict[str, int]:
    """Return the bytes that a session holds in deleted files (``hidden``), and what its disk has ``free``."""
    order = wire.Order([], _MEASURE_SECONDS, "/", {}, -1, _MESSAGE_BYTES, None, None, _MEASURE._asdict())
    talk = _Talk(link, order)
    try:
        said = bytearray()
        while data := talk.take(_MESSAGE_BYTES):
            said += data
        if talk.end is None or talk.end.exit_code != 0:
            raise link.error(SandboxLost, f"a session could not be measured: {talk.end} {talk.said!r}", "run")
        found: dict[str, int] = json.loads(said)
        return found
    finally:
        talk.leave()
