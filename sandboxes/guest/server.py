"""The fork server: preloads one package, then forks a child for every job that the host sends."""

import gc
import importlib
import json
import os
import platform
import select
import site
import sys
import traceback
from types import ModuleType
from typing import Callable, NamedTuple, Optional

from . import frames, kernel
from .child import Entry, Work
from .files import JobFiles, open_files, read_start, send_start
from .loader import ZipBytesImporter
from .process import adopt_orphans, hide, remove_tree
from .selfcheck import check_job, check_server
from .settings import Settings
from .supervise import Death, HostGone, Supervisor

_LOWEST_UID = 2000
_HIGHEST_UID = 2**31 - 2
_CHECK_SECONDS = 10.0
_ONE_WRITE = 1 << 16


def serve(source: int, sink: int) -> None:
    """Serve until the host closes the channel or says nothing for too long."""

    def read(count: int) -> bytes:
        return os.read(source, count)

    sys.modules["__main__"] = ModuleType("__main__")  # jobs find nothing of the bootstrap in theirs
    settings = None
    try:
        _, body = frames.read_frame(read, frames.JSON_BYTES)
        _, archive = frames.read_frame(read, 2**30)
        settings = Settings.from_json(body)
        server = Server(settings, source, sink)
        server.start(archive)
        server.loop(read)
    except (EOFError, HostGone, BrokenPipeError, ConnectionResetError):
        if settings is not None and not settings.contained:
            remove_tree(settings.scratch)  # the host that made it may have been killed; a live one finds it gone
    except Exception:
        text = traceback.format_exc()[-frames.MESSAGE_BYTES :]
        frames.write_all(sink, frames.pack(frames.FAILED, text.encode("utf-8", "replace")))


class Server:
    """State of one sandbox."""

    def __init__(self, settings: Settings, source: int, sink: int) -> None:
        self._settings = settings
        self._source = source
        self._sink = sink
        self._supervisor = Supervisor(source)
        self._directory = os.path.join(settings.scratch, "job")
        self._jobs = 0
        self._uids = _uids(settings)
        self._cpus = os.cpu_count() or 1
        self._entry: Entry = check_job

    def start(self, archive: bytes) -> None:
        """Check the sandbox, import what jobs need, say hello."""
        settings = self._settings
        if settings.protocol != frames.PROTOCOL:
            raise ValueError("the host speaks protocol %r, this server %r" % (settings.protocol, frames.PROTOCOL))
        if self._uids is None:
            adopt_orphans()
            if settings.contained:
                hide()
        self._entry = _preload(archive, settings.entry)
        _run_site(settings.hidden)
        os.environ.update(HOME=self._directory, TMPDIR=self._directory, PWD=self._directory)  # of every job
        # Read when this interpreter started; jobs see, and pass on, the same in every sandbox.
        os.environ["PYTHONHASHSEED"] = "0"
        gc.disable()
        gc.collect()
        hello = {
            "protocol": frames.PROTOCOL,
            "nonce": settings.nonce,
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "check": self._check() if settings.contained else {},
        }
        frames.write_all(self._sink, frames.pack(frames.HELLO, json.dumps(hello).encode()))

    def _check(self) -> object:
        report = json.dumps(check_server(self._settings.scratch)).encode()
        files = open_files(self._settings.scratch)
        try:
            death, left = self._run(check_job, report, files, _CHECK_SECONDS, 0)
            if death.exit_code != 0 or left:
                raise RuntimeError(
                    "the self-check failed: %r %s %s"
                    % (death, left, read_start(files.stderr, 4000).decode("utf-8", "replace"))
                )
            return json.loads(read_start(files.result, frames.JSON_BYTES).decode("utf-8"))
        finally:
            files.close()

    def loop(self, read: Callable[[int], bytes]) -> None:
        """Run one job after the other."""
        while select.select([self._source], [], [], self._settings.idle_seconds)[0]:
            kind, body = frames.read_frame(read, 2**30)
            if kind != frames.JOB:
                raise ValueError("a frame of type %d where a job was due" % kind)
            job, wall_seconds, address_space = frames.JOB_HEAD.unpack_from(body)
            self._one(job, wall_seconds, address_space, body[frames.JOB_HEAD.size :])

    def _one(self, job: int, wall_seconds: float, address_space: int, payload: bytes) -> None:
        files = open_files(self._settings.scratch)
        try:
            death, anomaly = self._run(self._entry, payload, files, wall_seconds, address_space)
            if not death.entered:
                message = read_start(files.stderr, 4000).decode("utf-8", "replace")
                raise RuntimeError("the job's set-up failed: %r %s" % (death, message))
            self._report(job, death, anomaly, files)
        finally:
            files.close()

    def _run(
        self, entry: Entry, payload: bytes, files: JobFiles, wall: float, address_space: int
    ) -> "tuple[Death, str]":
        uid = None if self._uids is None else self._uids[self._jobs % len(self._uids)]
        self._jobs += 1
        os.mkdir(self._directory, 0o700)
        if uid is not None:
            os.chown(self._directory, uid, uid)
        work = Work(
            payload=payload,
            directory=self._directory,
            uid=uid,
            address_space=address_space,
            file_bytes=self._settings.result_bytes + 1,  # one more than allowed shows that there was more
            processes=self._settings.processes,
            cpu_seconds=int(wall + 2) * self._cpus,
        )
        gc.freeze()  # also sets the collector's counters to 0, so that every job starts alike
        death = self._supervisor.run(entry, work, files, wall)
        if death.survivors:
            return death, "%d processes could not be killed" % death.survivors
        return death, "" if remove_tree(self._directory) else "the job's directory could not be removed"

    def _report(self, job: int, death: Death, anomaly: str, files: JobFiles) -> None:
        sizes = JobFiles(*(os.fstat(fd).st_size for fd in files))
        kept = JobFiles(
            min(sizes.result, self._settings.result_bytes),
            min(sizes.stdout, frames.STREAM_BYTES),
            min(sizes.stderr, frames.STREAM_BYTES),
        )
        head = frames.OutcomeHead(
            job=job,
            status=_status(death, max(sizes) > self._settings.result_bytes),
            exit_code=death.exit_code,
            signal=death.signal,
            wall_seconds=death.wall_seconds,
            cpu_seconds=death.cpu_seconds,
            max_rss_bytes=death.max_rss_bytes,
            result=kept.result,
            stdout=kept.stdout,
            stderr=kept.stderr,
            anomaly=anomaly,
        )
        text = json.dumps(head._asdict()).encode()
        length = frames.OUTCOME_HEAD.size + len(text) + sum(kept)
        start = frames.HEAD.pack(length, frames.OUTCOME) + frames.OUTCOME_HEAD.pack(len(text)) + text
        if sum(kept) <= _ONE_WRITE:  # each write is a message of its own to the engine, which costs more than a copy
            pieces = (os.pread(fd, count, 0).ljust(count, b"\0") for fd, count in zip(files, kept))
            frames.write_all(self._sink, start + b"".join(pieces))
            return
        frames.write_all(self._sink, start)
        for fd, count in zip(files, kept):
            send_start(fd, count, self._sink)


class _Entry(NamedTuple):
    module: str
    function: str


def _preload(archive: bytes, entry: str) -> Entry:
    where = _Entry(*entry.split(":"))
    with ZipBytesImporter(archive):
        function: Entry = getattr(importlib.import_module(where.module), where.function)
    return function


def _run_site(hidden: str) -> None:
    """Make the image's installed packages importable: late, so that a ``.pth`` file cannot reach the channel."""
    site.main()
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and entry != hidden]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not (hidden and _serves(finder, hidden))]


def _serves(finder: object, directory: str) -> bool:
    """Return whether a finder is setuptools' for an editable install of what lies in ``directory``."""
    module = sys.modules.get(getattr(finder, "__module__", ""))
    mapping = getattr(module, "MAPPING", {})
    return any(str(path).startswith(directory + os.sep) for path in mapping.values())


def _uids(settings: Settings) -> Optional[range]:
    """Return the uids of the jobs; a namespace may have fewer than there are jobs, and then they come round again."""
    if not settings.own_users:
        return None
    room = min(kernel.highest_uid(), _HIGHEST_UID) - _LOWEST_UID
    width = min(settings.jobs + 1, room)
    first = _LOWEST_UID + settings.slot % (room // width) * width
    return range(first, first + width)


def _status(death: Death, too_much: bool) -> str:
    if too_much:
        return "output_limit"
    if death.fault:
        return "guest_fault"
    if death.by_deadline:
        return "timeout"
    if death.out_of_memory:
        return "out_of_memory"
    return "finished" if death.signal is None else "killed"
